#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The programs that people fill a directory with work on incoming/ as on any directory.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need rsync tar dd install
sc_mount
in=$MNT/incoming
back=$ROOT/tmp/uploads
src=$(media short.mp4)
sum=$(sha256sum <"$src")

whole() { # NAME: the same bytes through the mount and behind it
	eq "$(sha256sum <"$in/$1")" "$sum" "$1 in the mount"
	eq "$(sha256sum <"$back/$1")" "$sum" "$1 in the backing directory"
	eq "$(stat -c %s "$in/$1")" "$(stat -c %s "$src")" "size of $1"
}

cp "$src" "$in/cp.mp4" && whole cp.mp4
cp -p "$src" "$in/cp-p.mp4" && whole cp-p.mp4
eq "$(stat -c %Y "$in/cp-p.mp4")" "$(stat -c %Y "$src")" "mtime that cp -p sets"
cp -a "$(dirname "$src")/short.mp4" "$in/cp-a.mp4" && whole cp-a.mp4
cat "$src" >"$in/cat.mp4" && whole cat.mp4
dd if="$src" of="$in/dd.mp4" bs=64K status=none && whole dd.mp4
dd if="$src" of="$in/dd-odd.mp4" bs=777 conv=fsync status=none && whole dd-odd.mp4
install -m 640 "$src" "$in/install.mp4" && whole install.mp4
eq "$(stat -c %a "$in/install.mp4")" 640
cp "$src" "$SC_TEST/mv.mp4" && mv "$SC_TEST/mv.mp4" "$in/mv.mp4" && whole mv.mp4
tar -C "$(dirname "$src")" -cf - short.mp4 | tar -C "$in" -xf - && whole short.mp4
mkdir "$in/dir" && cp "$src" "$in/dir/deep.mp4" && whole dir/deep.mp4
cp -r "$in/dir" "$in/dir2" && whole dir2/deep.mp4

for mode in -a --inplace --append --delay-updates --preallocate --whole-file; do
	rsync -a "$mode" "$src" "$in/rsync$mode.mp4" && whole "rsync$mode.mp4"
	rsync -a "$mode" "$src" "$in/rsync$mode.mp4" && whole "rsync$mode.mp4"
done
# A second half appended to a first
head -c 100000 "$src" >"$in/append.mp4"
rsync -a --append "$src" "$in/append.mp4" && whole append.mp4
# A changed file is updated in place by differences.
(cat "$src" && echo more) >"$SC_TEST/changed.mp4"
rsync -a --inplace --no-whole-file "$SC_TEST/changed.mp4" "$in/cp.mp4"
cmp "$SC_TEST/changed.mp4" "$in/cp.mp4"
# A whole tree, and the same again changes nothing
mkdir -p "$SC_TEST/tree/a/b" && cp "$src" "$SC_TEST/tree/a/b/x.mp4" && : >"$SC_TEST/tree/a/empty"
rsync -a "$SC_TEST/tree/" "$in/tree/" && whole tree/a/b/x.mp4
eq "$(rsync -ai "$SC_TEST/tree/" "$in/tree/")" "" "what rsync would do again"

ffmpeg -nostdin -v error -i "$src" -c copy -movflags +faststart "$in/faststart.mp4"
ffmpeg -nostdin -v error -xerror -i "$in/faststart.mp4" -f null -

# No temporary name is left, and both sides list the same.
eq "$(cd "$in" && find . | sort)" \
	"$(cd "$back" && find . -name .storyclip-hold -prune -o -print | sort)" "listing"
sc_umount
