#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A worker that has locked itself in gets nowhere; without the sandbox the same attempts succeed.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/sandbox.sh
. "$SC_TESTS/lib/sandbox.sh"

need python3
[[ $SC_SLOW -eq 1 ]] || skip "a sanitizer's build has no sandbox"
who=user
[[ $EUID -ne 0 ]] || who=root

sc_use hooked
sc_mount workers=2
health=$(<"$MNT/health")
eq "$(jq -r '.sandbox | keys | join(" ")' <<<"$health")" "landlock level missing seccomp uid"
[[ $(jq -r .sandbox.level <<<"$health") == full ]] || {
	jq -c .sandbox <<<"$health"
	skip "this kernel has no full sandbox"
}
eq "$(jq -r .sandbox.uid <<<"$health")" "$([[ $who == root ]] && echo own || echo shared)" "uid"
upload tiny.mp4
sandbox_listen
sandbox_try with
contains "$(<"$LOG/with.log")" "sandbox: refused system call" "the log of a job that tried"
eq "$(jq -r .error.code "$LOG/tracer")" WORKER_CRASHED "who traces is ended"
exists "$ROOT/victim"
missing "$ROOT/written"

# What a worker has made is the publisher's to give away: nobody keeps the worker's own uid.
sandbox_submit owned
sc_done owned
if [[ $who == root ]]; then
	lacks "$(stat -c %u "$ROOT/outputs/owned" "$ROOT"/outputs/owned/*)" 18790 "owners of the clips"
	# While it runs: a uid of its own, no group, no capability, no way back.
	hook_set worker-probed once-wait
	sandbox_submit looked
	hook_wait_reached worker-probed
	status=$(<"/proc/$(hook_pid worker-probed)/status")
	uid=$(sed -n 's/^Uid:\t\([0-9]*\)\t.*/\1/p' <<<"$status")
	eq "$uid" $((0x70000000 + $(hook_pid worker-probed))) "uid of a worker"
	eq "$(grep -E '^(Groups|CapEff|CapPrm|NoNewPrivs|Seccomp):' <<<"$status" | tr -d ' \t')" \
		$'Groups:\nCapPrm:0000000000000000\nCapEff:0000000000000000\nNoNewPrivs:1\nSeccomp:2'
	touch "$HOOKS/worker-probed.go"
	sc_done looked
fi

touch "$HOOKS/no-sandbox"
sc_umount
sc_mount workers=2
eq "$(jq -r .sandbox.level "$MNT/health")" none
contains "$(sc_log)" "workers are not fully locked in" "the daemon's log"
sandbox_try without
sandbox_table "$who"
kill "$listener"
sc_umount
