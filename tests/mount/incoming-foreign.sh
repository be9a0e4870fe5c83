#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# alone: yes
# A file system that is mounted within incoming/: the kernel keeps nothing of it, since it may be a remote one,
# and may be unmounted, without anybody's hearing of it.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need_root
in=$MNT/incoming
back=$ROOT/tmp/uploads
mkdir -p "$back/sub" "$back/own"
echo under >"$back/sub/a"
echo own >"$back/own/a"
mount -t tmpfs none "$back/sub" 2>/dev/null || skip "needs mount(2)"
echo above >"$back/sub/a"
sc_mount

lookups() {
	awk '$1 == "storyclip_fuse_request_duration_seconds_count{operation=\"lookup\"}" { print $2 }' "$MNT/metrics"
}
asked() { # FILE: how many look-ups 50 times stat costs
	local before after
	stat "$in/$1" >/dev/null
	# each look at metrics is one itself, and at most a second old
	sleep 1.1
	before=$(lookups)
	for _ in $(seq 50); do
		stat "$in/$1"
	done >/dev/null
	sleep 1.1
	after=$(lookups)
	echo $((after - before))
}
le "$(asked own/a)" 20 "look-ups of a file in incoming/ itself"
le 100 "$(asked sub/a)" "look-ups of a file on what is mounted, and of the directory"
eq "$(cat "$in/sub/a")" above
upload short.mp4 sub/short.mp4
sc_done "$(sc_submit '{"uploadId":"sub/short","clipDuration":5}')"
# it goes without a word
stat "$in/sub/a" "$in/sub/short.mp4" >/dev/null
umount -l "$back/sub"
eq "$(cat "$in/sub/a") $(ls "$in/sub")" "under a" "what was below it"
sc_umount
