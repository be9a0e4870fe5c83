#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# One daemon per ROOT, and per directory moved out of it: the second names the first.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

other=$SC_TEST/other
mkdir "$other" "$SC_TEST/mnt2" "$SC_TEST/shared"

refused() { # OPTIONS of a second start on other ROOT and mount point, or the same ROOT
	local root=$1 started code=0
	shift
	started=$(now_ms)
	"$SC_BIN/storyclipfs" "$root" "$SC_TEST/mnt2" "$@" 2>"$LOG/second" || code=$?
	eq "$code" 1 "exit code of a second start"
	le 9000 "$(($(now_ms) - started))" "milliseconds that it waited for the first"
	contains "$(<"$LOG/second")" "$daemon_pid" "the message"
	contains "$(<"$LOG/second")" "$MNT" "the message"
	sc_is_mounted "$SC_TEST/mnt2" && fail "the second is mounted"
	[[ -f $MNT/health ]] || fail "the first suffered"
}

sc_mount output_root="$SC_TEST/shared"
refused "$ROOT"
refused "$other" -o "output_root=$SC_TEST/shared"
sc_umount

# The lock goes with the daemon, however it ends.
sc_mount
sc_kill9
sc_mount
sc_umount
