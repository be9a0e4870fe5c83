#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Where a file system can share blocks, clips share theirs with the upload: all but their headers.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
need_root
need mkfs.xfs filefrag

truncate -s 400M "$SC_TEST/disk"
mkfs.xfs -q -m reflink=1 "$SC_TEST/disk"
mount -o loop "$SC_TEST/disk" "$ROOT" || skip "no XFS in a loop device here"
chmod 755 "$ROOT"
sc_mount
upload main.mp4
stored() { # shared|copied: "CLIPS BYTES"
	awk -v by="{by=\"$1\"}" '$1 == "storyclip_clips_stored_total" by { n = $2 }
		$1 == "storyclip_clip_stored_bytes_total" by { b = $2 } END { print n " " b }' "$MNT/metrics"
}
n_shared=0
for cut in exact keyframe; do
	sc_submit "{\"uploadId\":\"main\",\"clipDuration\":20,\"cut\":\"$cut\",\"jobId\":\"$cut\"}" >/dev/null
	sc_done "$cut"
	for clip in "$ROOT/outputs/$cut"/*.mp4; do
		# Without its first block or two, which hold the header, a clip is the upload's.
		filefrag -v "$clip" >"$LOG/extents"
		own=$(grep -E '^ +[0-9]+:' "$LOG/extents" | grep -v shared | awk '{ sub(":", "", $6); n += $6 } END { print n + 0 }')
		all=$(grep -E '^ +[0-9]+:' "$LOG/extents" | awk '{ sub(":", "", $6); n += $6 } END { print n + 0 }')
		le "$own" 8 "blocks of its own, of $all, in $clip"
		le 20 "$all" "blocks of $clip"
		# its line of the log says the same
		line=$(grep -o "${clip##*/}: .*" "$MNT/jobs/$cut/log")
		matches "$line" "copy, $(stat -c %s "$clip") bytes .*, $(((all - own) * 4096 > $(stat -c %s "$clip") ? $(stat -c %s "$clip") - own * 4096 : (all - own) * 4096)) shared with the upload" "log of $clip"
		n_shared=$((n_shared + 1))
	done
done
# metrics, at most a second old, count them
sc_wait_for '[[ $(stored shared) == "$n_shared "* ]]'
eq "$(stored shared)" "$n_shared $(cat "$MNT"/jobs/*/log | sed -n 's/.* \([0-9]*\) shared with the upload.*/\1/p' | awk "{ n += \$1 } END { print n }")"
eq "$(stored copied)" "0 $(cat "$MNT"/jobs/*/log | sed -n 's/.* \([0-9]*\) written.*/\1/p' | awk "{ n += \$1 } END { print n }")"
# strict clips hold their own bytes only, so they share nothing
sc_submit '{"uploadId":"main","clipDuration":20,"strict":true,"jobId":"strict"}' >/dev/null
sc_done strict
filefrag -v "$ROOT/outputs/strict/clip_001.mp4" >"$LOG/extents"
lacks "$(cat "$LOG/extents")" shared "extents of a strict clip"
# shellcheck disable=SC2034 # used by what is waited for
n_strict=$(find "$ROOT/outputs/strict" -type f | wc -l)
sc_wait_for '[[ $(stored copied) == "$n_strict "* ]]'
check_invariants
sc_umount
# published on another volume they are copies, although the worker had shared
mkdir "$SC_TEST/elsewhere"
sc_mount output_root="$SC_TEST/elsewhere"
sc_submit '{"uploadId":"main","clipDuration":20,"jobId":"elsewhere"}' >/dev/null
sc_done elsewhere
n=$(find "$SC_TEST/elsewhere/elsewhere" -type f | wc -l)
sc_wait_for '[[ $(stored copied) == "$n "* ]]'
eq "$(stored copied), $(stored shared)" "$n $(cat "$SC_TEST"/elsewhere/elsewhere/* | wc -c), 0 0"
matches "$(cat "$MNT/jobs/elsewhere/log")" ' [1-9][0-9]* shared with the upload' "log of the worker"
sc_umount
umount "$ROOT"
