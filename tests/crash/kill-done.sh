#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# kill -9 of the daemon right behind the commit of done: it stays done, and is not run again.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare
crash_daemon_at engine-done 'done'
sum=$(cd "$ROOT/outputs/victim" && sha256sum -- *)
inode=$(stat -c %i "$ROOT/outputs/victim/clip_001.mp4")
crash_recover victim
eq "$(cd "$ROOT/outputs/victim" && sha256sum -- *)" "$sum" "clips"
eq "$(stat -c %i "$ROOT/outputs/victim/clip_001.mp4")" "$inode" "the very file"
eq "$(sql "SELECT attempt FROM jobs WHERE job_id='victim'")" 1 "attempts"
