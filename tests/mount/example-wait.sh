#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# examples/wait.sh sleeps until a job has ended.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need jq
examples=$SC_TESTS/../examples
sc_mount
upload short.mp4
id=$(sc_submit '{"uploadId":"short"}')
eq "$("$examples/wait.sh" "$MNT" "$id")" "done: Job completed - 100%"
: >"$MNT/incoming/empty.mp4"
id=$(sc_submit '{"uploadId":"empty.mp4"}')
if said=$("$examples/wait.sh" "$MNT" "$id"); then fail "a failed job was called done"; fi
contains "$said" "failed: "
sc_umount
