#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# More events than the kernel keeps: everything is looked at instead.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

back=$ROOT/tmp/uploads
limit=$(cat /proc/sys/fs/inotify/max_queued_events)
((limit <= 65536)) || skip "the kernel keeps $limit events"

sc_use hooked
sc_mount
mkdir "$back/dir"
echo gone >"$back/dir/gone.mp4"
sc_wait_for "[[ \$(sql \"SELECT state FROM uploads WHERE path='dir/gone.mp4'\") == complete ]]"
hook_set watch-before-read once-wait
touch "$back/first"
hook_wait_reached watch-before-read
python3 - "$back/dir" "$limit" <<'PY'
import os, sys
for i in range(int(sys.argv[2]) // 2 + 10):
    os.close(os.open(os.path.join(sys.argv[1], "spam"), os.O_CREAT | os.O_WRONLY))
    os.unlink(os.path.join(sys.argv[1], "spam"))
PY
mkdir -p "$back/lost/deep"
cp "$(media tiny.mp4)" "$back/lost/deep/v.mp4"
echo '{"jobId":"lost","clipDuration":1}' >"$back/lost/deep/v.mp4.process"
rm "$back/dir/gone.mp4"
hook_go watch-before-read
sc_wait_for 'grep -q "more happened in" "$LOG/daemon.log"'
sc_wait_for '[[ -e $MNT/jobs/lost ]]'
sc_done lost
sc_wait_for "[[ -z \$(sql \"SELECT path FROM uploads WHERE path='dir/gone.mp4'\") ]]"
# and it is watched again, there too
echo more >"$back/lost/deep/more.mp4"
sc_wait_for "[[ \$(sql \"SELECT state FROM uploads WHERE path='lost/deep/more.mp4'\") == complete ]]"
eq "$(jq -r .status "$MNT/health")" ok
check_invariants
sc_umount
