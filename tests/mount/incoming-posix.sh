#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# incoming/ keeps the promises of an ordinary directory, and refuses what would lead out of it.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
in=$MNT/incoming
back=$ROOT/tmp/uploads
cd "$in"

# files
echo one >a && echo two >>a
eq "$(<a)" "$(printf 'one\ntwo')"
truncate -s 3 a && eq "$(<a)" one
truncate -s 1M a && eq "$(stat -c %s a)" 1048576
: >a && eq "$(stat -c %s a)" 0
set -C
if (echo x >a) 2>/dev/null; then fail "O_EXCL opened a file that exists"; fi
set +C
chmod 4755 a
eq "$(stat -c %a a)" 755 "mode after chmod 4755: no setuid file ever lies there"
chmod 600 a && eq "$(stat -c %a a) $(stat -c %a "$back/a")" "600 600"
touch -d '2001-02-03 04:05:06.789 UTC' a
eq "$(date -ud "@$(stat -c %.3Y a)" +%FT%T.%3N)" 2001-02-03T04:05:06.789
(umask 027 && : >masked && mkdir masked-dir)
eq "$(stat -c %a masked) $(stat -c %a masked-dir)" "640 750" "modes under umask 027"
fallocate -l 65536 space && eq "$(stat -c %s space)" 65536
echo data | dd of=sparse bs=1 seek=1000000 conv=notrunc status=none
eq "$(stat -c %s sparse)" 1000005
mv a b && missing a && exists b
echo new >c && mv c b && eq "$(<b)" new "content after a rename over it"
echo keep >n1 && echo keep2 >n2 && mv -n n1 n2 && exists n1
ln b hard
eq "$(stat -c '%i %h' b)" "$(stat -c '%i %h' hard)" "inode and links of two names"
eq "$(stat -c %h b)" 2
rm hard && eq "$(stat -c %h b)" 1
# an open file outlives its name
exec 7<>b && rm b && echo still >&7 && exec 7>&- && missing b

# directories
mkdir d && mkdir d/e && : >d/e/f
errno ENOTEMPTY rmdir d
errno EEXIST mkdir d
errno ENOTDIR stat masked/x
mv d/e d2 && exists d2/f && missing d/e
rm -r d d2
errno ENOENT cat none
eq "$(stat -f -c %b .)" "$(stat -f -c %b "$back")" "blocks of the file system"
for i in $(seq 500); do : >"many-$i"; done
eq "$(find . -name 'many-*' | wc -l)" 500
rm many-*
eq "$(find . -name 'many-*' | wc -l)" 0
name=$(printf 'n%.0s' $(seq 255))
: >"$name" && exists "$back/$name" && rm "$name"
errno ENAMETOOLONG touch "${name}n"
: >$'odd \n\xff name' && exists "$back/"$'odd \n\xff name' && rm $'odd \n\xff name'
: >.hidden && : >.DS_Store && : >x.part && exists "$back/.hidden"

# what leads out
errno EPERM ln -s /etc/passwd link
mkfifo_out=$(mkfifo fifo 2>&1) && fail "a fifo was made: $mkfifo_out"
if [[ $EUID -eq 0 ]]; then
	errno EPERM mknod null c 1 3
	ln -s /etc "$back/out"
	if cat out/passwd >/dev/null 2>&1; then fail "a symlink in the backing directory leads out"; fi
	if (echo x >out/storyclip-test) 2>/dev/null; then fail "written outside"; fi
	rm "$back/out"
fi
# the directory of holds is not to be seen, made or reached
eq "$(find . -name '.storyclip*')" "" "hidden names"
if ls .storyclip-hold >/dev/null 2>&1; then fail "the hold directory can be seen"; fi
if mkdir .storyclip-hold 2>/dev/null; then fail "the hold directory can be made"; fi
if mv masked .storyclip-hold 2>/dev/null; then fail "the hold directory can be a target"; fi

cd /
# the rest of the tree is not for writing
for path in x jobs/x by-upload/x; do
	if (: >"$MNT/$path") 2>/dev/null; then fail "made a file $path"; fi
done
errno EPERM mkdir "$MNT/jobs/x"
if rm -f "$MNT/README" 2>/dev/null; then fail "README could be removed"; fi
sc_umount
