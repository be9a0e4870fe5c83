#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# examples/follow-events.sh says how each job ends.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need jq
sc_mount
"$SC_TESTS/../examples/follow-events.sh" "$MNT" >"$SC_TEST/said" &
follower=$!
sc_wait_for "[[ \$(readlink /proc/$follower/fd/0) == '$MNT/events' ]]"
upload tiny.mp4
: >"$MNT/incoming/empty.mp4"
sc_submit '{"uploadId":"tiny","jobId":"good"}' >/dev/null
sc_submit '{"uploadId":"empty.mp4","jobId":"bad"}' >/dev/null
sc_wait_for "grep -qx 'good done: Job completed - 100%' '$SC_TEST/said' && grep -q '^bad failed: ' '$SC_TEST/said'"
eq "$(wc -l <"$SC_TEST/said")" 2 "lines"
kill $follower
wait $follower || :
sc_umount
