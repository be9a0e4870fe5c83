#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The mount point of a daemon that was killed is dead; the next start clears it.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
sc_kill9
errno ENOTCONN cat "$MNT/health"
sc_is_mounted || fail "the dead mount point is gone already: nothing was tested"
sc_mount
eq "$(jq -r .status "$MNT/health")" ok
eq "$(grep -cF " $MNT " /proc/self/mountinfo)" 1 "mounts on the mount point"
sc_umount
sc_is_mounted && fail "something is left on the mount point"
:
