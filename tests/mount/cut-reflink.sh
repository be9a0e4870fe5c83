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
	done
done
# strict clips hold their own bytes only, so they share nothing
sc_submit '{"uploadId":"main","clipDuration":20,"strict":true,"jobId":"strict"}' >/dev/null
sc_done strict
filefrag -v "$ROOT/outputs/strict/clip_001.mp4" >"$LOG/extents"
lacks "$(cat "$LOG/extents")" shared "extents of a strict clip"
check_invariants
sc_umount
umount "$ROOT"
