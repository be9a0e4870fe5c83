#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# job_retention and upload_retention: what is old goes, what is in use stays.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount workers=1
upload short.mp4 used.mp4
upload short.mp4 old.mp4
old=$(sc_submit '{"uploadId":"used","clipDuration":5,"jobId":"old"}')
sc_done "$old"
: >"$MNT/incoming/empty.mp4"
sc_submit '{"uploadId":"empty","jobId":"bad"}' >/dev/null
sc_failed bad UPLOAD_INCOMPLETE
sc_wait_for '[[ $(sql "SELECT count(*) FROM uploads WHERE state='\''complete'\''") == 3 ]]'
sc_umount
exists "$ROOT/outputs/old/clip_001.mp4"

# without the settings nothing goes; with them what was there before, too
hook_set worker-probed once-wait
sc_mount workers=1,job_retention=2s,upload_retention=2s
now=$(sc_submit '{"uploadId":"used","clipDuration":5,"jobId":"now"}')
hook_wait_reached worker-probed
exec 7>"$MNT/incoming/slow.mp4"
head -c 1000 "$(media short.mp4)" >&7
sc_wait_for '[[ ! -e $MNT/jobs/old && ! -e $MNT/jobs/bad ]]'
sc_wait_for '[[ ! -e $ROOT/outputs/old && ! -e $ROOT/database/logs/old.log ]]'
sc_wait_for '[[ ! -e $MNT/incoming/old.mp4 && ! -e $MNT/incoming/empty.mp4 ]]'
# a job that has not ended, its upload, and what is being written stay
eq "$(jq -r '.counts|"\(.done) \(.failed) \(.running)"' "$MNT/jobs.json")" "0 0 1"
cmp "$MNT/incoming/used.mp4" "$(media short.mp4)"
exists "$MNT/incoming/slow.mp4"
tail -c +1001 "$(media short.mp4)" >&7
exec 7>&-
hook_go worker-probed
# in the end these go as well; a reader that has a text open keeps it
exec 6<"$MNT/jobs/$now/status"
timeout 60 cat "$MNT/jobs/$now/wait" >"$SC_TEST/end"
eq "$(jq -r .status "$SC_TEST/end")" "done"
sc_wait_for '[[ -z $(ls "$MNT/jobs") ]]'
sc_wait_for '[[ -z $(ls "$MNT/incoming") ]]'
eq "$(sql 'SELECT count(*) FROM jobs')" 0
sc_wait_for '[[ $(sql "SELECT count(*) FROM uploads") == 0 ]]'
eq "$(jq -r .id <&6)" now
exec 6<&-
eq "$(find "$ROOT/tmp/uploads/.storyclip-hold" "$ROOT/outputs" -mindepth 1)" ""
contains "$(sc_log)" "upload 'old.mp4' was removed, as upload_retention says"
sc_umount
# both are checked at the start
for bad in 30 1w d -1d 0s 99999d; do
	if "$SC_BIN/storyclipfs" "$ROOT" "$MNT" -o "job_retention=$bad" 2>"$SC_TEST/err"; then
		fail "job_retention=$bad was taken"
	fi
	contains "$(cat "$SC_TEST/err")" "job_retention=$bad"
done
# one that cannot be removed, and is older than the others, does not keep them
sc_mount workers=1
upload short.mp4 again.mp4
for id in stuck free; do
	sc_submit "{\"uploadId\":\"again\",\"clipDuration\":5,\"jobId\":\"$id\"}" >/dev/null
	sc_done $id
done
sc_umount
sql "CREATE TRIGGER keep BEFORE DELETE ON jobs WHEN old.job_id='stuck' BEGIN SELECT RAISE(ABORT, 'it stays'); END"
sc_mount job_retention=1s
sc_wait_for '[[ ! -e $MNT/jobs/free ]]'
exists "$MNT/jobs/stuck/clips/clip_001.mp4"
contains "$(sc_log)" "job stuck: removing it, as it is old"
sql "DROP TRIGGER keep"
sc_wait_for '[[ ! -e $MNT/jobs/stuck ]]'
rm "$MNT/incoming/again.mp4"
sc_umount
# killed while an upload is aside: it is gone after the next start, and nothing else is
upload_retention=2s
sc_mount workers=1
upload short.mp4 victim.mp4
sc_wait_for '[[ $(sql "SELECT count(*) FROM uploads WHERE state='\''complete'\''") == 1 ]]'
sc_umount
hook_set retention-aside kill
sc_mount "upload_retention=$upload_retention"
sc_wait_dead
hook_clear retention-aside
sc_mount
missing "$MNT/incoming/victim.mp4"
exists "$ROOT"/tmp/uploads/.storyclip-hold/.expired-*.deleted
sc_umount
sc_mount "upload_retention=$upload_retention"
eq "$(find "$ROOT/tmp/uploads/.storyclip-hold" -mindepth 1)" ""
sc_umount

# ---- ages are asked for the first time by a mount whose clock has jumped by a year since the one before
lib=$SC_TOOLS/libclock_jump.so
if ! ldd "$SC_BIN/storyclipfs" | grep -q 'lib[at]san'; then # whose runtime must come first
	sql "DELETE FROM meta WHERE key='retention_clock'" # no life before has asked for any
	sc_mount
	upload short.mp4 kept.mp4
	sc_submit '{"uploadId":"kept","clipDuration":2,"jobId":"kept"}' >/dev/null
	sc_done kept
	sc_umount
	echo 31536000 >"$SC_TEST/offset"
	CLOCK_JUMP=$SC_TEST/offset LD_PRELOAD=$lib sc_mount job_retention=30d,upload_retention=30d
	sc_wait_for '[[ $(sc_log) == *"the clock has jumped forward"* ]]'
	upload short.mp4 after.mp4 # and the thread has looked, when this job has its end
	sc_submit '{"uploadId":"after","clipDuration":2,"jobId":"after"}' >/dev/null
	sc_done after
	exists "$MNT/jobs/kept/clips/clip_001.mp4" "$MNT/incoming/kept.mp4"
	lacks "$(sc_log | grep -F "[$daemon_pid]")" "jobs were removed" "the log of that mount"
	sc_umount
fi

# where an upload cannot be moved aside it stays, which is told once
mkdir "$ROOT/tmp/uploads/inner"
mount -t tmpfs none "$ROOT/tmp/uploads/inner" 2>/dev/null || exit 0
trap 'umount -l "$ROOT/tmp/uploads/inner"' EXIT
sc_mount upload_retention=1s
upload short.mp4 outer.mp4
upload short.mp4 inner/one.mp4
upload short.mp4 inner/two.mp4
sc_wait_for '[[ $(sc_log) == *"is old but stays"* ]]'
upload short.mp4 later.mp4
sc_wait_for '[[ ! -e $MNT/incoming/outer.mp4 && ! -e $MNT/incoming/later.mp4 ]]'
eq "$(sc_log | grep -c "upload 'inner/")" 1 "lines about uploads that stay"
exists "$MNT/incoming/inner/one.mp4"
exists "$MNT/incoming/inner/two.mp4"
sc_umount
