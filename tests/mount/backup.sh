#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The database is copied behind the mount's back; a damaged one stops the start after an unclean end,
# or is found once it is mounted, which names the copy;
# --repair puts it in its place and keeps the damaged one. A newer schema is refused, an older one copied first.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

db=$ROOT/database/storyclip.db
refused() { # PART-OF-THE-MESSAGE
	local code=0
	timeout 20 "$SC_BIN/storyclipfs" "$ROOT" "$MNT" -o "log=$LOG/daemon.log" 2>"$LOG/err" </dev/null || code=$?
	eq "$code" 1 "exit code ($(<"$LOG/err"))"
	contains "$(<"$LOG/err")" "$1" "the message"
	eq "$(wc -l <"$LOG/err")" 1 "lines of: $(<"$LOG/err")"
	sc_is_mounted && fail "mounted"
	:
}
copies() {
	find "$ROOT/database/backup" -name 'storyclip-2*.db' 2>/dev/null | sort
}
damage() { # the pages behind the first ones; what a WAL might mend is gone
	rm -f "$db-wal" "$db-shm"
	dd if=/dev/urandom of="$db" bs=4096 seek=2 count=30 conv=notrunc status=none
}

sc_mount
upload short.mp4
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"known"}' >/dev/null
sc_done known
sc_wait_for '[[ -n $(copies) ]]'
first=$(copies)
eq "$(sqlite3 "$first" 'PRAGMA integrity_check')" ok
eq "$(stat -c %a "$ROOT/database/backup") $(stat -c %a "$first")" "700 600" "modes"
sc_umount

# The next start finds a young copy; an older one is joined by a new one.
sc_mount
sc_umount
eq "$(copies)" "$first" "copies after a second start"
mv "$first" "$ROOT/database/backup/storyclip-2026-01-01T00:00:00Z.db"
touch -d '2 hours ago' "$ROOT/database/backup/storyclip-2026-01-01T00:00:00Z.db"
sc_mount
sc_wait_for '[[ $(copies | wc -l) == 2 ]]'
newest=$(copies | tail -1)
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"unknown"}' >/dev/null
sc_done unknown
sc_umount

# ---- damaged where the start does not look, after a clean end: found behind it
cp "$db" "$SC_TEST/whole.db"
page=$(sqlite3 "$db" "SELECT rootpage FROM sqlite_schema WHERE name='jobs_by_created'")
dd if=/dev/zero of="$db" bs=4096 seek=$((page - 1)) count=1 conv=notrunc status=none
sc_mount
sc_wait_for '[[ $(jq -r .status "$MNT/health") == degraded ]]'
contains "$(jq -r '.reasons[]' "$MNT/health")" "database: damaged ("
contains "$(jq -r '.reasons[]' "$MNT/health")" "$newest"
contains "$(sc_log)" "error: database '$db': damaged ("
eq "$(status_of known .status)" "done"
eq "$(status_of unknown .status)" "done"
sc_umount
refused "$newest" # such an end is none to trust

# ---- damaged where the start reads, after a clean end
whole() {
	rm -f "$db-wal" "$db-shm"
	cp "$SC_TEST/whole.db" "$db"
	sc_mount
}
whole
sc_umount
damage
refused "$newest"
contains "$(<"$LOG/err")" "is damaged"

# ---- damaged, and an unclean end
whole
sc_kill9
umount -l "$MNT" 2>/dev/null || fusermount3 -uz "$MNT"
damage
damaged=$(sha256sum <"$db")
refused "$newest"
contains "$(<"$LOG/err")" "is damaged"
eq "$(sha256sum <"$db")" "$damaged" "the damaged database after a refused start"
code=0
said=$("$SC_BIN/storyclipfs" --check "$ROOT") || code=$?
eq "$code" 3 "exit code of --check"
contains "$said" "$newest"
lacks "$said" "no copy of it" "what --check says"
"$SC_BIN/storyclipfs" --repair "$ROOT" >"$LOG/repair" || fail "$(cat "$LOG/repair")"
contains "$(<"$LOG/repair")" "$newest"
eq "$(sha256sum <"$(echo "$db".damaged-*Z)")" "$damaged" "the damaged one, kept"
sc_mount
eq "$(status_of known .status)" "done"
missing "$MNT/jobs/unknown"
exists "$ROOT/outputs/unknown/clip_001.mp4" # never touched
cmp "$MNT/incoming/short.mp4" "$(media short.mp4)"
sc_umount

# ---- damaged without a copy
rm -r "$ROOT/database/backup"
damage
refused "no copy of it"
code=0
"$SC_BIN/storyclipfs" --repair "$ROOT" 2>"$LOG/err" || code=$?
eq "$code" 1 "exit code of --repair"
eq "$(find "$ROOT/database" -name '*.damaged-*' | wc -l)" 1 "nothing was put aside without a copy"

# ---- schemas
rm "$ROOT"/database/storyclip.db*
sc_mount
sc_umount
schema=$(sqlite3 "$db" 'PRAGMA user_version')
sqlite3 "$db" 'PRAGMA user_version=99'
refused "newer than this program's"
sqlite3 "$db" "PRAGMA user_version=$schema"
sc_mount
sc_umount
eq "$schema" "$(sqlite3 "$db" 'PRAGMA user_version')"
