#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# mount(8), and so fstab, starts it by its type.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need_root
need mount.fuse3
PATH=$SC_BIN:$PATH mount -t fuse.storyclipfs "$ROOT" "$MNT" \
	-o "log=$LOG/daemon.log,nofail,_netdev,x-systemd.requires=network.target" || fail "mount"
[[ -f $MNT/health ]] || fail "it does not answer"
daemon_pid=$(sc_pid)
mounted=$(grep -F " $MNT " /proc/self/mountinfo)
contains "$mounted" " fuse.storyclipfs "
for option in nosuid nodev noexec allow_other default_permissions; do
	contains "$mounted" "$option"
done
sc_umount
