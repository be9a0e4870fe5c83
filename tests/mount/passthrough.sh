#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is written into incoming/ shows at once in size, times and bytes: by kernel passthrough where that
# can be (each part fails unless health says that it is on and its opens were counted), else the same
# through the daemon.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need rsync python3
sc_mount
in=$MNT/incoming
back=$ROOT/tmp/uploads
src=$(media short.mp4)
tool=$SC_TESTS/tools/written.py

passthrough() { # JQ-FILTER
	jq -r ".passthrough.$1" "$MNT/health"
}
version_at_least() { # VERSION WANTED
	[[ $(printf '%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}
expected=false
if [[ $EUID -eq 0 ]] && version_at_least "$(jq -r .libfuse "$MNT/health")" 3.17 && version_at_least "$(uname -r)" 6.9; then
	expected=true
fi
eq "$(passthrough on)" $expected "health's passthrough ($(passthrough why))"
[[ $expected == true ]] || matches "$(passthrough why)" . "why there is none"
eq "$(passthrough opens)" 0 "opens by passthrough before any"

counted() { # COMMAND…: it opens files, and those by passthrough where there is one
	local before after
	before=$(passthrough opens)
	"$@"
	after=$(passthrough opens)
	if [[ $expected == true ]]; then
		((after > before)) || fail "no passthrough open was counted by: $*"
	else
		eq "$after" 0 "opens by passthrough"
	fi
}

for part in writes truncate append placed mmap rename mixed; do
	counted python3 "$tool" $part "$in" "$back"
done
[[ $expected == true ]] || python3 "$tool" cleared "$in" "$back"

inplace() {
	(cat "$src" && echo more) >"$SC_TEST/changed.mp4"
	rsync -a --inplace --no-whole-file "$SC_TEST/changed.mp4" "$in/inplace.mp4"
}
cp "$src" "$in/inplace.mp4"
inode=$(stat -c %i "$in/inplace.mp4")
counted inplace
cmp "$SC_TEST/changed.mp4" "$in/inplace.mp4"
eq "$(stat -c '%i %s %Y' "$in/inplace.mp4")" "$inode $(stat -c '%s %Y' "$SC_TEST/changed.mp4")" "the same file, by rsync"

# the registry: open until its last writer has gone, then complete, as it is
exec 4>"$in/slow.mp4"
head -c 5000 "$src" >&4
sc_wait_for "[[ \$(sql \"SELECT state FROM uploads WHERE path='slow.mp4'\") == open ]]"
id=$(sc_submit '{"uploadId":"slow","clipDuration":1}')
tail -c +5001 "$src" >&4
eq "$(jq -r .status "$MNT/jobs/$id/status")" queued "a job whose upload is being written"
exec 4>&-
sc_wait_for "[[ \$(sql \"SELECT state||size FROM uploads WHERE path='slow.mp4'\") == complete$(stat -c %s "$src") ]]"
sc_done "$id"

# who truncates by an open for reading changes it as well
python3 -c 'import os, sys; os.open(sys.argv[1], os.O_RDONLY | os.O_TRUNC)' "$in/slow.mp4"
sc_wait_for "[[ \$(sql \"SELECT state||size FROM uploads WHERE path='slow.mp4'\") == complete0 ]]"

# a mapping that outlives its descriptor is a writer too
coproc KEPT { python3 "$tool" kept "$in" "$back"; }
# shellcheck disable=SC2153 # coproc sets it
kept_in=${KEPT[1]} kept_out=${KEPT[0]} kept_pid=$KEPT_PID
read -r _ <&"$kept_out"
row_is_as_file() {
	[[ $(sql "SELECT state||' '||mtime_ns FROM uploads WHERE path='kept.mp4'") == "complete $(stat -c %.9Y "$back/kept.mp4" | tr -d .)" ]]
}
sc_wait_for "[[ \$(sql \"SELECT state FROM uploads WHERE path='kept.mp4'\") == open ]]"
before_late=$(stat -c %.9Y "$back/kept.mp4")
echo >&"$kept_in"
wait "$kept_pid"
[[ $(stat -c %.9Y "$back/kept.mp4") != "$before_late" ]] || fail "the mapping has not changed the mtime"
sc_wait_for row_is_as_file

# clips, read by two at a time
counted cmp "$MNT/jobs/$id/clips/clip_001.mp4" "$ROOT/outputs/$id/clip_001.mp4"
exec 5<"$MNT/jobs/$id/clips/clip_001.mp4"
counted cmp /dev/fd/5 "$MNT/jobs/$id/clips/clip_001.mp4"
exec 5<&-

# a request that is a file is read by the daemon as it is written
before=$(passthrough opens)
echo '{"nope":1}' >"$in/slow.mp4.process"
sc_wait_for '[[ -s $in/slow.mp4.process.error ]]'
eq "$(passthrough opens)" "$before" "opens by passthrough of a request"
rm "$in"/slow.mp4.process*
check_invariants

# a limit of size is kept by the daemon, write by write
sc_umount
sc_mount max_upload_size=1M
eq "$(passthrough on)" $expected
before=$(passthrough opens)
exec 4<"$in/slow.mp4"
errno EFBIG dd if=/dev/zero of="$in/slow.mp4" bs=64K count=17 conv=notrunc status=none
exec 4<&-
eq "$(passthrough opens)" "$before" "opens by passthrough of uploads while there is a limit"
counted cmp "$MNT/jobs/$id/clips/clip_001.mp4" "$ROOT/outputs/$id/clip_001.mp4"
sc_umount

# A writer outlives a clean end where the kernel writes for it: the next mount knows it as one, and its close.
sc_mount
exec 4>"$in/outliving.mp4"
head -c 100000 "$src" >&4
sc_wait_for '[[ $(sql "SELECT state FROM uploads WHERE path='\''outliving.mp4'\''") == open ]]'
sc_stop TERM
head -c 120000 "$src" | tail -c +100001 >&4 2>/dev/null || [[ $expected == false ]] || fail "the writer was ended"
sc_mount
state=$(jq -r '.uploads[]|select(.uploadId=="outliving.mp4").state' "$MNT/uploads.json")
if [[ $expected == true ]]; then
	eq "$state" open "beside its writer"
	id=$(sc_submit '{"uploadId":"outliving"}')
	eq "$(status_of "$id" .message)" "Waiting for the upload to be closed"
	tail -c +120001 "$src" >&4
	exec 4>&-
	sc_done "$id"
	cmp "$in/outliving.mp4" "$src"
else
	eq "$state" incomplete "without a writer"
	exec 4>&- || :
fi
sc_umount
