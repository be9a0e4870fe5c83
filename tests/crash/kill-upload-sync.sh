#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# kill -9 of the daemon when an upload is closed and not synced yet: it does not count as complete.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare
hook_set upload-before-sync once-kill
upload short.mp4 closed.mp4 || true
hook_wait_reached upload-before-sync
sc_wait_dead
sc_mount "$crash_options"
exists "$MNT/incoming/closed.mp4"
eq "$(sql "SELECT state FROM uploads WHERE path='closed.mp4'")" incomplete
echo '{"uploadId":"closed","jobId":"closed"}' >"$MNT/control"
sc_failed closed UPLOAD_INCOMPLETE
# copied anew it is an upload like any other
upload short.mp4 closed.mp4
echo '{"uploadId":"closed","jobId":"anew"}' >"$MNT/control"
sc_done anew
crash_check
