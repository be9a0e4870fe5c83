#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A worker or publisher that crashes is started again, up to maxAttempts; the next job runs.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare max_attempts=2
for step in probe cut-clip publish-before-rename publish-after-rename; do
	for how in kill segv; do
		id=$step-$how
		hook_set $step once-$how
		crash_submit "$id"
		sc_done "$id"
		[[ -e $HOOKS/$step.reached ]] || fail "nothing crashed at $step"
		eq "$(sql "SELECT attempt||' '||failures FROM jobs WHERE job_id='$id'")" "2 1" "attempt and failures of $id"
	done
done

# again and again: failed, nothing left
hook_set cut-clip segv
crash_submit always
sc_failed always WORKER_CRASHED
eq "$(sql "SELECT attempt||' '||failures FROM jobs WHERE job_id='always'")" "2 2"
missing "$ROOT/outputs/always"
echo '{"uploadId":"short","jobId":"once","maxAttempts":1}' >"$MNT/control"
sc_failed once WORKER_CRASHED
eq "$(sql "SELECT attempt FROM jobs WHERE job_id='once'")" 1
hook_clear cut-clip

# killed from outside
hook_set cut-clip once-wait
crash_submit outside
hook_wait_reached cut-clip
kill -KILL "$(hook_pid cut-clip)"
sc_done outside
crash_check
