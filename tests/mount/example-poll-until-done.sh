#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# examples/poll-until-done.sh follows a job and prints its clips' addresses.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need jq
examples=$SC_TESTS/../examples
sc_mount
upload short.mp4
id=$(sc_submit '{"uploadId":"short"}')
eq "$("$examples/poll-until-done.sh" "$MNT" "$id" 2>"$LOG/progress" | xargs)" \
	"jobs/$id/clips/clip_001.mp4 jobs/$id/clips/clip_002.mp4"
: >"$MNT/incoming/empty.mp4"
id=$(sc_submit '{"uploadId":"empty.mp4"}')
if said=$("$examples/poll-until-done.sh" "$MNT" "$id" 2>&1); then fail "a failed job was called done"; fi
contains "$said" "failed: $(status_of "$id" .message)"
sc_umount
