#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# While the mount is being stopped a request gets ESHUTDOWN, and waiting readers are answered.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare
# A worker that does not listen keeps the stop busy for a moment.
hook_set cut-clip once-stop
crash_submit running
hook_wait_reached cut-clip
timeout 60 cat "$MNT/jobs/running/wait" >/dev/null 2>"$LOG/waiter" &
waiter=$!
kill -TERM "$daemon_pid"
out=
for i in $(seq 2000); do
	out=$("$SC_TOOLS/fs_errno" "$MNT/control" "{\"uploadId\":\"short\",\"jobId\":\"late$i\"}" 2>&1) || break
	[[ $out == 0\ * ]] || break
done
matches "$out" '^ESHUTDOWN .*"code":"STOPPING"' "answer to a request while stopping"
sc_wait_gone "$daemon_pid"
daemon_pid=
wait "$waiter" && fail "wait was answered although the job has not ended"
contains "$(<"$LOG/waiter")" "${errno_text[ENOTCONN]}" "what the waiting reader got"
# whatever was accepted before runs after the next start
crash_recover running
