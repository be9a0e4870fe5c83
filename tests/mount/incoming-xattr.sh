#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Extended attributes and access lists in incoming/ are those of a native directory; switched off,
# nobody is asked for any.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need_root
need setfattr getfattr setfacl getfacl setpriv
sc_mount xattr=on
# shellcheck source=tests/lib/native.sh
. "$SC_TESTS/lib/native.sh"
native_with_xattr=yes
as() { # UID GROUPS COMMAND…
	local uid=$1 groups=$2
	shift 2
	setpriv --reuid="$uid" --regid="$uid" --groups="$groups" "$@"
}
export -f as

setfattr -n user.x -v 1 "$native" 2>/dev/null || skip "no extended attributes on this file system"

native_same user 'echo x >f; mkdir d
	setfattr -n user.one -v 1 f; setfattr -n user.empty f; setfattr -n user.dir -v 2 d
	setfattr -n user.one -v three f; setfattr -n user.gone -v 4 f; setfattr -x user.gone f
	setfattr -x user.gone f; getfattr -n user.none f; getfattr -d f d
	chmod 444 f; as 2001 2001 setfattr -n user.no -v 1 f; as 2001 2001 getfattr -d f
	chmod 600 f; as 2001 2001 getfattr -n user.one f; mv f g; getfattr -d g; ln g h; getfattr -d h'
native_same acl 'echo x >f; chmod 640 f; setfacl -m u:2001:rw,g:3000:r f
	as 2001 2001 sh -c "echo y >>f"; as 2002 2002 cat f; as 2003 3000 cat f
	chmod 600 f; as 2001 2001 cat f; setfacl -m m::r f; as 2001 2001 sh -c "echo z >>f"
	as 2001 2001 setfacl -m u:2002:rw f; cp -a f copy; setfacl -b f; as 2001 2001 cat f'
native_same default-acl 'mkdir d plain; setfacl -d -m u:2001:rwx,g:3000:rx,o::- d; umask 077
	echo x >d/f; mkdir d/e; echo y >d/e/g; echo z >plain/f; mkdir plain/d; cp d/f d/copy
	as 2001 2001 sh -c "echo more >>d/e/g"; as 2003 3000 cat d/f; install -m 644 d/f d/installed
	mv plain/f d/moved; tar -cf - d | tar --acls --xattrs -C plain -xf -; setfacl -k d; echo x >d/last'
# a setgid directory keeps the bit through an access list when its owner is in the group
native_same setgid 'mkdir d; chown 2001:3000 d; chmod 2770 d; as 2001 3000 setfacl -m u:2002:rwx d
	as 2002 2002 touch d/f; as 2001 2001 setfacl -m u:2003:rx d'

# security.* is no name space here, so that no write asks for it
echo x >"$in/plain"
errno_text[EOPNOTSUPP]="Operation not supported"
errno EOPNOTSUPP setfattr -n security.test -v 1 "$in/plain"
errno EOPNOTSUPP setfattr -n trusted.test -v 1 "$in/plain"
setfattr -n trusted.test -v 1 "$ROOT/tmp/uploads/plain"
lacks "$(getfattr -d -m - "$in/plain" 2>&1)" trusted
# the rest of the tree has none, and can be walked by who asks
errno EOPNOTSUPP setfattr -n user.x -v 1 "$MNT/README"
eq "$(getfattr -d -m - "$MNT/README" "$MNT/jobs" 2>&1)" "" "attributes of virtual files"
ls -l "$MNT" "$MNT/jobs" >/dev/null
as 2001 2001 cat "$MNT/health" >/dev/null
as 2001 2001 ls "$MNT/jobs" "$MNT/by-upload" >/dev/null

# of a held upload they may be set, and its job goes on
upload tiny.mp4 held.mp4
setfattr -n user.origin -v camera "$in/held.mp4"
setfacl -m u:2001:r "$in/held.mp4"
cuts held
registry_whole
sc_umount

sc_mount xattr=off
errno EOPNOTSUPP setfattr -n user.x -v 1 "$in/plain"
errno EOPNOTSUPP getfattr -n user.x "$in/plain"
errno EOPNOTSUPP setfacl -m u:2001:r "$in/plain"
cp -a "$in/held.mp4" "$in/again.mp4"
sc_umount
