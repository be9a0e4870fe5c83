#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# alone: yes (a mount namespace of its own would keep the mounts of other tests)
# The kernel grants no more watches: health says so, arrivals are found by looking, and when watches are
# to be had again all is well.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
need unshare

# A user namespace has limits of its own, so that nobody else's are touched.
if [[ ${1:-} != inside ]]; then
	unshare --user --map-root-user --mount --propagation private true 2>/dev/null ||
		skip "needs user namespaces"
	exec unshare --user --map-root-user --mount --propagation private "$0" inside
fi
echo 2 >/proc/sys/user/max_inotify_watches || skip "cannot set the limit"

back=$ROOT/tmp/uploads
mkdir -p "$back/a" "$back/b" "$back/c"
sc_mount output_owner=root:root
eq "$(jq -r .status "$MNT/health")" degraded
contains "$(jq -r '.reasons[]' "$MNT/health")" "max_user_watches"
for dir in a b c; do
	cp "$(media tiny.mp4)" "$back/$dir/v.mp4"
	echo "{\"jobId\":\"in-$dir\",\"clipDuration\":1}" >"$back/$dir/v.mp4.process"
done
for dir in a b c; do
	sc_wait_for "[[ -e $MNT/jobs/in-$dir ]]" 30
	sc_done "in-$dir"
done
eq "$(grep -c 'no more inotify watches' "$LOG/daemon.log")" 1 "lines in the log about it"
rm "$back/a/v.mp4" "$back/b/v.mp4" "$back/c/v.mp4"
sc_wait_for "[[ \$(sql \"SELECT COUNT(*) FROM uploads WHERE path LIKE '%/v.mp4'\") == 0 ]]" 30
echo 1000 >/proc/sys/user/max_inotify_watches
sc_wait_for "[[ \$(jq -r .status '$MNT/health') == ok ]]" 60
echo later >"$back/c/w.mp4"
sc_wait_for "[[ \$(sql \"SELECT state FROM uploads WHERE path='c/w.mp4'\") == complete ]]"
sc_umount
