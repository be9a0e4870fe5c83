#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Somebody removes or replaces a part of ROOT while the mount uses it: health says which, a job fails and says so, no
# request is answered by a success that the next start does not know of; mounted again all is well.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

degraded() { # PART OF THE REASON
	sc_wait_for '[[ $(jq -r .status "$MNT/health") == degraded ]]' 5
	contains "$(jq -r '.reasons[]' "$MNT/health")" "$1"
}
again() {
	sc_umount
	sc_mount workers=1,max_attempts=1
	eq "$(jq -c '[.status,.reasons]' "$MNT/health")" '["ok",[]]'
}
ask() { # ID
	sc_submit "{\"uploadId\":\"tiny\",\"clipDuration\":1,\"jobId\":\"$1\"}" >/dev/null
}
sc_mount workers=1,max_attempts=1
upload tiny.mp4
ask first
sc_done first

rm -r "$MNT/jobs/first" # whose clips go now

# clips and work
for part in outputs work; do
	rm -r "${ROOT:?}/$part"
	degraded "$ROOT/$part was removed or replaced while the mount used it"
	ask "no-$part"
	sc_failed "no-$part" IO_ERROR
	mkdir "$ROOT/$part" # another of its name is not it
	degraded "$ROOT/$part was removed"
	again
	echo retry >"$MNT/jobs/no-$part/control"
	sc_done "no-$part"
done

# uploads
rm -r "$ROOT/tmp/uploads"
degraded "$ROOT/tmp/uploads was removed"
errno ENOENT cp "$(media tiny.mp4)" "$MNT/incoming/new.mp4"
again
upload tiny.mp4

# ROOT under another name: all of it is still there, and nothing is wrong
mv "$ROOT" "$ROOT.moved"
ask moved
sc_done moved
eq "$(jq -c .reasons "$MNT/health")" '[]'
mv "$ROOT.moved" "$ROOT"

# the database, by rm or by a copy that takes its name; its log alone
for how in 'rm -r "$ROOT/database"' 'mv "$SC_TEST/copy.db" "$ROOT/database/storyclip.db"' 'rm "$ROOT/database/storyclip.db-wal"'; do
	ask before
	sc_done before
	rm -rf "$SC_TEST/database"
	cp -a "$ROOT/database" "$SC_TEST/database"
	sql "VACUUM INTO '$SC_TEST/copy.db'"
	eval "$how"
	sc_refused EIO INTERNAL '{"uploadId":"tiny","jobId":"lost"}' >"$LOG/refused"
	contains "$(<"$LOG/refused")" "was removed or replaced while the mount used it"
	degraded "database: '$ROOT/database/storyclip.db' or its -wal was removed"
	missing "$MNT/jobs/lost"
	# Stopped, a copy put in its place, started again: what was answered by a success is there.
	sc_umount
	rm -rf "$SC_TEST/copy.db" "$ROOT/database"
	cp -a "$SC_TEST/database" "$ROOT/database"
	sc_mount workers=1,max_attempts=1
	eq "$(status_of before .status)" "done"
	rm -r "$MNT/jobs/before"
done
check_invariants
sc_umount

# taken away while nothing is mounted, with its copies left
mv "$ROOT/database/storyclip.db" "$SC_TEST/away.db"
sc_mount
contains "$(sc_log)" "database '$ROOT/database/storyclip.db' was missing: a new one is begun, without a job, though there is the copy $ROOT/database/backup/"
sc_umount
