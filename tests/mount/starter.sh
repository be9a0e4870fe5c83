#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the daemon has of its starter, and hears from it: no descriptor stays open, a misspelled name in
# the file stops the start, SIGHUP opens the log anew. A job's log has an end.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

# ---- descriptors
exec 7>"$SC_TEST/held" 8<"$SC_TEST"
sc_mount
for fd in 7 8; do
	lacks "$(readlink "/proc/$daemon_pid/fd/$fd" 2>/dev/null || true)" "$SC_TEST/held" "descriptor $fd"
done
eq "$(find "/proc/$daemon_pid/fd" -lname "$SC_TEST/held" | wc -l)" 0 "descriptors of the starter's file"
exec 7>&- 8<&-
sc_umount
"$SC_BIN/storyclipfs" "$ROOT" "$MNT" -o "log=$LOG/daemon.log" 0<&- 1>&- 2>&- # none at all
daemon_pid=$(sc_pid)
for fd in 0 1 2; do
	eq "$(readlink "/proc/$daemon_pid/fd/$fd")" /dev/null "descriptor $fd"
done

# ---- SIGHUP
mv "$LOG/daemon.log" "$LOG/daemon.old"
kill -HUP "$daemon_pid"
sc_wait_for '[[ -s $LOG/daemon.log ]]'
contains "$(<"$LOG/daemon.log")" SIGHUP
lacks "$(<"$LOG/daemon.old")" SIGHUP
sc_umount

# ---- the file of settings
refused() { # PART-OF-THE-MESSAGE
	local code=0
	timeout 20 "$SC_BIN/storyclipfs" -c "$SC_TEST/conf" "$ROOT" "$MNT" 2>"$LOG/err" || code=$?
	eq "$code" 1 "exit code"
	contains "$(<"$LOG/err")" "$1"
	sc_is_mounted && fail "mounted"
	:
}
printf '%s\n' '# one' 'STORYCLIP_WORKERS=1' '' 'STORYCLIP_WORKER=2' >"$SC_TEST/conf"
refused "conf line 4: STORYCLIP_WORKER is no setting"
echo 'OUTPUT_ROT=/x' >"$SC_TEST/conf"
refused "line 1: OUTPUT_ROT"
printf '%s\n' 'STORYCLIP_ROOT=/x' 'STORYCLIP_MOUNT=/y' 'STORYCLIP_WORKERS=1' >"$SC_TEST/conf" # a service's
"$SC_BIN/storyclipfs" -c "$SC_TEST/conf" "$ROOT" "$MNT" -o "log=$LOG/daemon.log"
daemon_pid=$(sc_pid)

# ---- a job's log
upload short.mp4
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"talker"}' >/dev/null
sc_done talker
head -c 2000000 /dev/zero | tr '\0' x >>"$ROOT/database/logs/talker.log"
before=$(stat -c %s "$ROOT/database/logs/talker.log")
sql "UPDATE jobs SET status='failed' WHERE job_id='talker'"
echo retry >"$MNT/jobs/talker/control"
sc_done talker
log=$(tail -c "+$((before + 1))" "$MNT/jobs/talker/log")
contains "$log" "done: " "the job's own steps"
lacks "$log" "clips to make" "what the worker says"
for i in 1 2 3; do
	head -c 100000 /dev/zero | tr '\0' x >>"$ROOT/database/logs/talker.log"
	sql "UPDATE jobs SET status='failed' WHERE job_id='talker'"
	[[ $i == 3 ]] || { echo retry >"$MNT/jobs/talker/control" && sc_done talker; }
done
le "$(stat -c %s "$ROOT/database/logs/talker.log")" 2400000 "bytes of the log"
sc_umount
