#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# timeout: 300
# rsync in each of its modes leaves in incoming/ what it leaves in a native directory.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need_root # for owners; without, it is the same in little
need rsync setfacl setfattr getfattr
sc_mount xattr=on
# shellcheck source=tests/lib/native.sh
. "$SC_TESTS/lib/native.sh"

src=$SC_TEST/src
mkdir -p "$src/dir/deep"
cp "$(media tiny.mp4)" "$src/v.mp4"
ln "$src/v.mp4" "$src/dir/second.mp4"
cp "$(media tiny.mp4)" "$src/dir/"$'odd \n\xff.mp4'
truncate -s 2M "$src/sparse" && printf 'x' | dd of="$src/sparse" bs=1 seek=1000000 conv=notrunc status=none
chown -R 2001:2002 "$src/dir" && chmod 2770 "$src/dir" && chmod 600 "$src/v.mp4"
if setfattr -n user.origin -v camera "$src/v.mp4" 2>/dev/null && setfacl -m u:2003:rw "$src/v.mp4" 2>/dev/null &&
	setfacl -d -m g:3000:rx "$src/dir/deep"; then
	native_with_xattr=yes
fi
find "$src" -exec touch -hd '2003-04-05 06:07:08.123456789 UTC' {} +
head -c 100000 "$src/v.mp4" >"$SC_TEST/first-half"
export src half=$SC_TEST/first-half
# what rsync has to say of a second run must be nothing, too
for mode in '' --inplace --append --append-verify --delay-updates --preallocate --whole-file \
	'--partial --partial-dir=.part' '--sparse' '--no-whole-file --checksum' '--inplace --sparse' --fsync --temp-dir=.; do
	export mode
	name=rsync${mode//[ .=]/_}
	native_same "$name" 'rsync -ai --omit-dir-times $mode "$src/" . >/dev/null; rsync -ai --omit-dir-times $mode "$src/" .
		cp "$half" grown.mp4; rsync $mode --ignore-times "$src/v.mp4" grown.mp4'
	cuts "$name/v.mp4"
done
native_same everything 'rsync -aHAXS "$src/" .; rsync -aHAXSi "$src/" .; rsync -aHAX --delete --exclude=dir "$src/" .
	rsync -a --link-dest=.. "$src/" copy/; rsync -a --remove-source-files copy/v.mp4 taken.mp4; rsync -a --chmod=F600,D700 --chown=2004:2004 "$src/dir" theirs'
cuts everything/v
# what was cut off under --partial goes on
native_same partial 'head -c 100000 "$src/v.mp4" >p.mp4; rsync -a --partial --append-verify "$src/v.mp4" p.mp4'
cuts partial/p
registry_whole
sc_umount
