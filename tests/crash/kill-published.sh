#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# kill -9 of the daemon when publishing has ended and done is not committed.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare
crash_daemon_at engine-published running
exists "$ROOT/outputs/victim/clip_001.mp4"
crash_recover victim
