#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A hundred times: mount, look, unmount. Each works at once.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

for i in $(seq 100); do
	"$SC_BIN/storyclipfs" "$ROOT" "$MNT" -o "log=$LOG/daemon.log" || fail "start $i"
	stat "$MNT/control" >/dev/null || fail "stat $i"
	if [[ $EUID -eq 0 ]]; then
		umount "$MNT" || fail "umount $i"
	else
		fusermount3 -u "$MNT" || fail "umount $i"
	fi
done
