#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A request for a file that is still being written waits for it, and gives up when no more comes.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount upload_wait=3
src=$(media short.mp4)
in=$MNT/incoming

# the rest comes and the file is closed
exec 4>"$in/slow.mp4"
head -c 100000 "$src" >&4
echo '{"uploadId":"slow","jobId":"slow"}' >"$MNT/control"
eq "$(status_of slow '"\(.status) \(.message)"')" "queued Waiting for the upload to be closed"
is_open() { # the row is written behind the writer
	[[ $(sql "SELECT state FROM uploads WHERE path='slow.mp4'") == open ]]
}
sc_wait_for is_open
eq "$(jq .uploads.open "$MNT/health")" 1
tail -c +100001 "$src" >&4
exec 4>&-
sc_done slow
eq "$(sql "SELECT state FROM uploads WHERE path='slow.mp4'")" complete
compare_clips "$src" "$MNT/jobs/slow/clips" --mode exact --status "$MNT/jobs/slow/status"

# bytes that keep coming keep it waiting, longer than upload_wait
exec 4>"$in/steady.mp4"
echo '{"uploadId":"steady","jobId":"steady"}' >"$MNT/control"
for i in $(seq 0 9); do
	dd if="$src" bs=40000 skip="$i" count=1 status=none >&4
	sleep 0.5
done
eq "$(status_of steady .status)" queued
exec 4>&-
sc_done steady

# nothing comes
exec 4>"$in/stuck.mp4"
head -c 5000 "$src" >&4
echo '{"uploadId":"stuck","jobId":"stuck"}' >"$MNT/control"
started=$(now_ms)
sc_failed stuck UPLOAD_BUSY
le 2900 $(($(now_ms) - started)) "milliseconds of waiting"
eq "$(stat -c %s "$in/stuck.mp4")" 5000 "bytes of the upload"
cat "$src" >&4
exec 4>&-

# two writers: the last one counts
exec 4>"$in/two.mp4" 5>>"$in/two.mp4"
cat "$src" >&4
exec 4>&-
echo '{"uploadId":"two","jobId":"two"}' >"$MNT/control"
eq "$(status_of two .status)" queued
exec 5>&-
sc_done two

# a writer by a name that the mount has lost sight of: another of its names came and went behind it
cp "$src" "$in/seen.mp4"
sc_wait_for '[[ $(sql "SELECT state FROM uploads WHERE path='\''seen.mp4'\''") == complete ]]'
python3 - "$in" "$MNT" <<'END'
import json, os, sys
top, mnt = sys.argv[1:]
place = os.open(top + "/seen.mp4", os.O_PATH)
os.link(top + "/seen.mp4", top + "/other.mp4")
os.unlink(top + "/other.mp4")
with open("/proc/self/fd/%d" % place, "r+b"):
    with open(mnt + "/control", "w") as control:
        control.write('{"uploadId":"seen","jobId":"seen"}\n')
    with open(mnt + "/jobs/seen/status") as status:
        said = json.load(status)
    assert said["message"] == "Waiting for the upload to be closed", said
END
sc_done seen

# a request right behind cp, many times: RELEASE is asynchronous, none may fail for it
for i in $(seq 100); do
	cp "$(media tiny.mp4)" "$in/r$i.mp4"
	echo "{\"uploadId\":\"r$i\",\"clipDuration\":1,\"jobId\":\"r$i\"}" >"$MNT/control"
done
for i in $(seq 100); do
	sc_done "r$i"
done

# cancelled while it waits
exec 4>"$in/never.mp4"
echo '{"uploadId":"never","jobId":"never"}' >"$MNT/control"
echo cancel >"$MNT/jobs/never/control"
eq "$(sc_wait_job never | jq -r .status)" cancelled
exec 4>&-
check_invariants
sc_umount
