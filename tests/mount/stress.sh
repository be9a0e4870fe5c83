#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# All operations at once, by some thirty clients: no answer is missing, no errno unexplained, and when the daemon
# is told to stop in the midst of it nothing is lost. tests/stress runs it for longer, under sanitizers.
#     SC_STRESS_SECONDS=600 SC_SEED=7 tests/lib/run-one tests/mount/stress.sh
# timeout: 1200
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

seed=${SC_SEED:-1} seconds=${SC_STRESS_SECONDS:-6}
video=$(media tiny.mp4)
options=(workers=2 upload_wait=5 xattr=on max_jobs_per_uid=60)
sc_mount "${options[@]}"
echo "seed $seed, $seconds s"
"$SC_TESTS/tools/stress.py" "$MNT" "$ROOT" "$video" "$SC_BIN/storyclip" "$daemon_pid" "$seconds" "$seed" ||
	fail "seed $seed: see above"
sc_wait_gone "$daemon_pid" 60
if [[ -s $LOG/daemon.log ]]; then
	! grep -E 'assert|corrupt|I/O error' "$LOG/daemon.log" || fail "the daemon's log"
fi

# What was accepted ends, and all is as it should be.
sc_mount "${options[@]}"
[[ $EUID -ne 0 ]] || echo resume >"$MNT/control"
sc_wait_for '[[ $(sql "SELECT COUNT(*) FROM jobs WHERE status IN ('\''queued'\'','\''running'\'')") == 0 ]]' 120
bad=$(sql "SELECT job_id FROM jobs WHERE status='failed' AND error_code NOT IN
	('MANUAL','UPLOAD_INCOMPLETE','UPLOAD_CHANGED','UPLOAD_NOT_FOUND','UPLOAD_BUSY','NO_CLIPS')")
for id in $bad; do
	cat "$MNT/jobs/$id/request" "$MNT/jobs/$id/log"
done
eq "$bad" "" "seed $seed: jobs that failed as none may"
total=$(sql "SELECT COUNT(*) FROM jobs")
((total > 0)) || fail "no job is left to look at"
for id in $(sql "SELECT job_id FROM jobs ORDER BY cookie DESC LIMIT -1 OFFSET 6"); do
	rmdir "$MNT/jobs/$id"
done
# Answers to requests come and go on their own; the listings that are compared do without.
find "$MNT/incoming" -name '*.process*' -exec rm -f {} +
check_invariants
sc_umount
"$SC_BIN/storyclipfs" --check "$ROOT" >"$LOG/check" || fail "$(<"$LOG/check")"
echo "seed $seed: $seconds s, $total jobs left at the end, none lost, none stuck"
