#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Random file operations give in incoming/ what they give in a native directory: 20,000 of them, with
# extended attributes and without. SC_SEED repeats a run; SC_OPERATIONS=100000 makes it longer.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

for xattr in off on; do
	sc_mount xattr=$xattr
	mkdir "$MNT/incoming/$xattr" "$SC_TEST/model-$xattr"
	"$SC_TOOLS/fs_model" "$MNT/incoming/$xattr" "$SC_TEST/model-$xattr" "${SC_OPERATIONS:-10000}" ${SC_SEED:+"$SC_SEED"}
	sc_umount
	eq "$(cd "$ROOT/tmp/uploads/$xattr" && find . -type f -exec sha256sum {} + | sort)" \
		"$(cd "$SC_TEST/model-$xattr" && find . -type f -exec sha256sum {} + | sort)" "bytes behind the mount"
done
