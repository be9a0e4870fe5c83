#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# contrib/updatedb-exclude changes updatedb.conf once, and a real updatedb then leaves the mount out.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need_root
need updatedb.plocate plocate
exclude=${SC_TESTS%/*}/contrib/updatedb-exclude
prunefs() {
	sed -n 's/^PRUNEFS="\(.*\)"$/\1/p' "$SC_TEST/conf"
}

printf 'PRUNE_BIND_MOUNTS="yes"\nPRUNEFS="nfs fuse.sshfs"\n# PRUNEFS="no"\n' >"$SC_TEST/conf"
"$exclude" "$SC_TEST/conf"
eq "$(prunefs)" "nfs fuse.sshfs fuse.storyclipfs"
before=$(<"$SC_TEST/conf")
"$exclude" "$SC_TEST/conf"
eq "$(<"$SC_TEST/conf")" "$before" "the file after a second run"
eq "$(wc -l <"$SC_TEST/conf")" 3 "lines"
echo 'PRUNEPATHS="/tmp"' >"$SC_TEST/conf"
"$exclude" "$SC_TEST/conf"
eq "$(prunefs)" fuse.storyclipfs
"$exclude" "$SC_TEST/none" 2>"$LOG/said" && fail "a missing file is no error"
contains "$(<"$LOG/said")" "$SC_TEST/none"

sc_mount
upload tiny.mp4 ops-updatedb-inside.mp4
touch "$SC_TEST/ops-updatedb-outside"
index() { # FURTHER TYPES
	updatedb.plocate --database-root "$SC_TEST" --output "$SC_TEST/db" --require-visibility no \
		--prunepaths '' --prunefs "$1"
	plocate -b -d "$SC_TEST/db" ops-updatedb- | LC_ALL=C sort
}
contains "$(index nfs)" "$MNT/incoming/ops-updatedb-inside.mp4" "the index without the exclusion"
eq "$(index "$(prunefs)")" "$(printf '%s\n' "$SC_TEST/ops-updatedb-outside" "$ROOT/tmp/uploads/ops-updatedb-inside.mp4")" \
	"the index with the exclusion"
sc_umount
