#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Starts that must not happen: each says in one line which setting or place is wrong, and leaves no mount.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

want=1 # exit code
refused() { # PART-OF-THE-MESSAGE ARGUMENTS…
	local part=$1 code=0
	shift
	timeout 20 "$SC_BIN/storyclipfs" "$@" 2>"$LOG/err" </dev/null || code=$?
	eq "$code" $want "exit code of: $*"
	contains "$(<"$LOG/err")" "$part" "what '$*' says"
	eq "$(wc -l <"$LOG/err")" 1 "lines of: $(<"$LOG/err")"
	sc_is_mounted && fail "mounted by: $*"
	:
}

mkdir "$ROOT/inside" "$MNT/inside" "$SC_TEST/foreign"
refused "$ROOT/inside" "$ROOT" "$ROOT/inside"
refused "$MNT/inside" "$MNT/inside" "$MNT"
rmdir "$ROOT/inside" "$MNT/inside"
refused "$SC_TEST/none" "$ROOT" "$SC_TEST/none"

sqlite3 "$SC_TEST/foreign/other.db" 'CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES (1)'
before=$(sha256sum "$SC_TEST/foreign/other.db")
refused other.db "$ROOT" "$MNT" -o "database=$SC_TEST/foreign/other.db"
eq "$(sha256sum "$SC_TEST/foreign/other.db")" "$before" "the foreign database"
eq "$(find "$SC_TEST/foreign" -mindepth 1 | wc -l)" 1 "files beside the foreign database"

for setting in workers=0 workers=many stall_timeout=-1 watchdog_interval=x max_attempts=0 upload_wait=; do
	refused "${setting%%=*}" "$ROOT" "$MNT" -o "$setting"
	contains "$(<"$LOG/err")" "${setting#*=}" "the value in the message"
done
STORYCLIP_WORKERS=none refused STORYCLIP_WORKERS "$ROOT" "$MNT"
contains "$(<"$LOG/err")" none
echo STORYCLIP_MAX_ATTEMPTS=often >"$SC_TEST/conf"
refused STORYCLIP_MAX_ATTEMPTS "$ROOT" "$MNT" -o "config=$SC_TEST/conf"
refused "$SC_TEST/no-conf" "$ROOT" "$MNT" -o "config=$SC_TEST/no-conf"
refused no-such-user "$ROOT" "$MNT" -o output_owner=no-such-user:no-such-group
want=2
refused no_such_setting "$ROOT" "$MNT" -o no_such_setting=1
