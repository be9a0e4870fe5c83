#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# timeout: 1500
# The stall rule with its true defaults, 300 s and a look every 60 s: a worker that is stopped is ended within 360 s
# and not before 300; a daemon that is stopped for ten minutes blames nobody. Half an hour with nothing to do, so it
# is no part of the ordinary run:
#     SC_LONG=1 tests/lib/run-one tests/crash/stall-defaults.sh
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

[[ -n ${SC_LONG:-} ]] || skip "takes twenty minutes: SC_LONG=1"
crash_prepare
since=$(now_ms)
hook_set cut-clip once-stop
crash_submit stalled
hook_wait_reached cut-clip
child=$(hook_pid cut-clip)
stopped=$(now_ms)
sc_failed stalled STALLED 500
took=$(($(now_ms) - stopped))
echo "a stopped worker was called stalled after $took ms"
((took >= 300000)) || fail "too early: $took ms"
le "$took" $((365000 * SC_SLOW)) "milliseconds until it was called stalled"
sc_wait_gone "$child" 5
crash_submit next
sc_done next

hook_set cut-clip once-wait
crash_submit slept
hook_wait_reached cut-clip
kill -STOP "$daemon_pid"
wake=$(($(now_ms) + 600000))
sc_wait_for "((\$(now_ms) > $wake))" 700
kill -CONT "$daemon_pid"
hook_go cut-clip
sc_done slept
eq "$(jq .watchdog.stalled "$MNT/health")" 1 "jobs blamed"
grep "Watchdog was itself stopped" "$LOG/daemon.log" || fail "the watchdog does not say that it slept"
echo "the daemon was stopped for 600 s, and its job is done; all in $((($(now_ms) - since) / 1000)) s"
crash_check
