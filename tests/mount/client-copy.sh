#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# timeout: 300
# cp, mv, install, dd, tar, unzip and Python leave in incoming/ what they leave in a native directory.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need tar unzip zip python3
sc_mount
# shellcheck source=tests/lib/native.sh
. "$SC_TESTS/lib/native.sh"

# what is copied: a video, a file with holes, odd names, a link, modes, an old time
src=$SC_TEST/src
mkdir -p "$src/dir/empty"
cp "$(media tiny.mp4)" "$src/v.mp4"
truncate -s 3M "$src/sparse" && printf 'x' | dd of="$src/sparse" bs=1 seek=1500000 conv=notrunc status=none
: >"$src/dir/nothing"
long=$(printf 'n%.0s' $(seq 251)).mp4
cp "$src/v.mp4" "$src/dir/$long"
cp "$src/v.mp4" "$src/dir/"$'quote\'" \n\xff\xfe.mp4'
ln "$src/v.mp4" "$src/dir/second.mp4"
chmod 640 "$src/v.mp4" && chmod 700 "$src/dir" && chmod 2755 "$src/dir/empty"
[[ $EUID -ne 0 ]] || chown 2001:2002 "$src/dir" "$src/sparse"
find "$src" -exec touch -hd '2003-04-05 06:07:08.123456789 UTC' {} +
export src long

native_same cp 'cp "$src/v.mp4" plain.mp4; cp -p "$src/v.mp4" p.mp4; cp -a "$src" all
	cp --sparse=always "$src/sparse" always; cp --sparse=never "$src/sparse" never
	cp --reflink=auto "$src/v.mp4" reflink.mp4; cp plain.mp4 inside.mp4; cp -a all again
	cp --attributes-only -p "$src/v.mp4" attributes; cp -l plain.mp4 linked; cp -u "$src/v.mp4" p.mp4
	cp -f "$src/v.mp4" plain.mp4; cp --backup=numbered "$src/v.mp4" plain.mp4
	cp --remove-destination "$src/v.mp4" inside.mp4; umask 077; cp "$src/v.mp4" masked.mp4; cp -r "$src/dir" dir'
le "$(stat -c %b "$in/cp/always")" 64 "blocks of the sparse copy"
cuts cp/plain cp/inside.mp4 cp/all/v
native_same mv 'cp -a "$src" ./from-outside; mv from-outside here; cp -a "$src/v.mp4" "$src/../v$$.mp4"; mv "$src/../v$$.mp4" moved.mp4
	mkdir d; mv here d/; mv -n moved.mp4 d/here/v.mp4; mv -f d/here/v.mp4 up.mp4; mv d e; mv -T e f; mv f/here/dir f/'
# over the border of the file system and back again
cp -a "$src" "$SC_TEST/out" && mv "$SC_TEST/out" "$in/mv/in" && mv "$in/mv/in" "$SC_TEST/out"
eq "$(native_listing "$SC_TEST/out")" "$(native_listing "$src")" "what went in and came out"
cuts mv/up
native_same install 'install -m 640 "$src/v.mp4" a.mp4; install -D -m 600 "$src/v.mp4" x/y/b.mp4; install -d -m 2775 made
	install -p "$src/v.mp4" kept.mp4; install -m 4755 -d never; rmdir never; [ $EUID -ne 0 ] || install -o 2001 -g 2002 "$src/v.mp4" hers.mp4
	install -C -m 640 "$src/v.mp4" a.mp4; install -b "$src/v.mp4" a.mp4'
cuts install/x/y/b
native_same dd 'dd if="$src/v.mp4" of=a.mp4 bs=777 conv=fsync status=none; dd if="$src/sparse" of=b conv=sparse bs=64K status=none
	dd if="$src/sparse" of=c bs=1M oflag=direct status=none; dd if="$src/sparse" of=d bs=4K oflag=dsync count=5 status=none
	dd if="$src/v.mp4" of=b bs=1000 seek=3 conv=notrunc status=none; dd if="$src/v.mp4" of=b oflag=append conv=notrunc status=none
	dd if=c of=e bs=1M iflag=direct status=none; dd if="$src/v.mp4" of=a.mp4 conv=excl status=none; dd if=/dev/zero of=b bs=1 count=0 seek=99 status=none'
cuts dd/a
native_same tar 'tar -C "$src" -cf - . | tar -xpf -; tar -C "$src" -cf made.tar --mtime=@1000000000 --owner=0 --group=0 --sort=name v.mp4 sparse
	mkdir sparse.d; tar -C "$src" -cSf - . | tar -C sparse.d --same-owner -xSf -; tar -xf made.tar --overwrite; tar -C "$src" -cf - v.mp4 | tar -xUf -'
cuts tar/v
(cd "$src" && zip -qry "$SC_TEST/src.zip" v.mp4 sparse dir/nothing)
export zip=$SC_TEST/src.zip
native_same unzip 'unzip -q "$zip"; unzip -qo "$zip" v.mp4; unzip -qj "$zip" v.mp4 -d flat; zip -q again.zip v.mp4 sparse; unzip -tq again.zip; rm again.zip'
cuts unzip/v
native_same python 'python3 - <<"END"
import os, shutil, tempfile
src = os.environ["src"]
shutil.copyfile(src + "/v.mp4", "a.mp4")
shutil.copy2(src + "/v.mp4", "b.mp4")
shutil.copytree(src, "tree", symlinks=True)
shutil.move("tree/v.mp4", "moved.mp4")
shutil.copystat(src + "/dir", "tree")
with open("plain", "w+b") as f:
    f.write(b"0123456789"); f.seek(3); f.write(b"xyz"); f.truncate(8); f.flush(); os.fsync(f.fileno())
with tempfile.NamedTemporaryFile(dir=".", delete=False) as f:
    f.write(b"atomic")
os.replace(f.name, "atomic")
print(open("plain", "rb").read(), sorted(os.listdir(".")), shutil.disk_usage(".").total > 0)
shutil.make_archive("x", "zip", "tree"); shutil.unpack_archive("x.zip", "unpacked"); os.unlink("x.zip")
shutil.rmtree("tree")
END'
cuts python/a python/moved
registry_whole
sc_umount
