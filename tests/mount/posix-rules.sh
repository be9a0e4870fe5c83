#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The rules of POSIX on files and directories (tests/tools/posix_rules.txt), in incoming/ and in a native directory:
# as root with two other users, else alone. SC_ALL=1: without access lists too. SC_POSIX_TABLE=1 prints the table.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

rules() { # XATTR [OPTION…]
	sc_mount xattr="$1"
	mkdir "$MNT/incoming/$1" "$SC_TEST/native-$1"
	compare "$MNT/incoming/$1" "$SC_TEST/native-$1" "${@:2}" || fail "see above"
	sc_umount
	eq "$(find "$ROOT/tmp/uploads/$1" -mindepth 1)" "" "what is left in the backing directory"
}
compare() { # UNDER_TEST NATIVE [OPTION…]
	SC_ELSEWHERE=/dev/shm "$SC_TESTS/tools/posix_rules.py" "$@" ${SC_POSIX_TABLE:+--table} "$SC_TESTS/tools/posix_rules.txt"
}

rules on
if [[ -n ${SC_ALL:-} ]]; then
	rules off --without acl
	# The comparison can fail: natively nothing of what incoming/ refuses is refused.
	mkdir "$SC_TEST/one" "$SC_TEST/two"
	out=$(compare "$SC_TEST/one" "$SC_TEST/two") && fail "two native directories differ in nothing from the rules of the mount"
	matches "$out" "([0-9]+) rules with a deliberate difference, [0-9]+ left out without root, ([0-9]+) broken"
	eq "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "broken rules of two native directories"
fi
