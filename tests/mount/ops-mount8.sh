#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# alone: yes (a mount namespace of its own would keep the mounts of other tests)
# mount(8): by name, with an empty environment, from lines of fstab, by a user, with a file of
# settings; and what goes wrong is said by mount.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need_root
need mount.fuse3
# mount.fuse3 runs the program by name through /bin/sh, whose path without an environment is fixed: the
# program has to lie where an installation puts it. A namespace of our own makes that so for this
# test alone.
if [[ ${1:-} != inside ]]; then
	exec unshare --mount --propagation private "$0" inside
fi
mkdir "$SC_TEST/bin" "$SC_TEST/user" "$SC_TEST/programs"
# The build may lie where only root may look, and one start here is another user's.
cp "$SC_BIN"/storyclipfs "$SC_BIN"/storyclip-{worker,libav.so,publish} "$SC_TEST/programs"
chmod -R a+rX "$SC_TEST/programs"
cat >"$SC_TEST/bin/storyclipfs" <<END
#!/bin/sh
printf '%s\\n' "\$@" >"$LOG/args"
exec "$SC_TEST/programs/storyclipfs" "\$@"
END
chmod 755 "$SC_TEST/bin/storyclipfs"
mount -t overlay overlay -o "lowerdir=$SC_TEST/bin:/usr/local/bin" /usr/local/bin 2>/dev/null ||
	mount --bind "$SC_TEST/bin" /usr/local/bin

started() { # what every start must give
	[[ -f $MNT/health ]] || fail "it does not answer"
	daemon_pid=$(sc_pid)
}

# ---- at boot: no environment at all
env -i /bin/mount -t fuse.storyclipfs "$ROOT" "$MNT" -o "log=$LOG/daemon.log" || fail "mount with an empty environment"
started
# mount(8) asks for dev and suid where nobody forbids them: the mount is without both.
matches "$(grep -F " $MNT " /proc/self/mountinfo)" 'nosuid,nodev,noexec'
upload tiny.mp4
sc_done "$(sc_submit '{"uploadId":"tiny.mp4","clipDuration":1}')"
sc_umount
env -i PATH=/bin /bin/mount -t fuse.storyclipfs "$ROOT" "$MNT" -o "log=$LOG/daemon.log" || fail "mount with a short PATH"
started
sc_umount

# ---- fstab, with everything that its lines carry
cat >"$SC_TEST/main.conf" <<END
# settings
STORYCLIP_WORKERS=3
STORYCLIP_LOG=$LOG/daemon.log
END
options=nofail,_netdev,x-systemd.automount,x-systemd.requires-mounts-for=/var,x-gvfs-hide,nodev,nosuid
blank="$SC_TEST/a mount"
mkdir "$blank"
cat >"$SC_TEST/fstab" <<END
$ROOT $MNT fuse.storyclipfs $options,config=$SC_TEST/main.conf 0 0
$SC_TEST/no-root-yet ${blank// /\\040} fuse.storyclipfs noauto,log=$LOG/second.log 0 0
END
findmnt --verify --tab-file "$SC_TEST/fstab" >"$LOG/verify" 2>&1 || true
contains "$(<"$LOG/verify")" "0 parse errors, 0 errors" "findmnt --verify"
env -i /bin/mount -T "$SC_TEST/fstab" -a || fail "mount -a"
started
eq "$(jq .workers.of "$MNT/health")" 3 "workers, by config= in fstab"
lacks "$(<"$LOG/args")" x-systemd "what mount(8) keeps to itself"
# A second mount -a finds it mounted.
env -i /bin/mount -T "$SC_TEST/fstab" -a || fail "mount -a, again"
sc_is_mounted "$blank" && fail "noauto was mounted by mount -a"
sc_umount
env -i /bin/mount -T "$SC_TEST/fstab" "$blank" || fail "mount of a point with a blank"
[[ -f $blank/health ]] || fail "it does not answer"
daemon_pid=$(sc_pid "$SC_TEST/no-root-yet")
sc_wait_for 'umount "$blank"'
sc_wait_gone "$daemon_pid"
daemon_pid=

# ---- setuid= of mount.fuse: the daemon is that user's
if id -u nobody >/dev/null 2>&1 && [[ -r /dev/fuse && -w /dev/fuse ]]; then
	chown nobody "$SC_TEST/user"
	said=$(env -i /bin/mount -t fuse.storyclipfs "$SC_TEST/user" "$MNT" -o "setuid=nobody,workers=0" 2>&1) &&
		fail "workers=0 was accepted"
	contains "$said" workers "what a refused mount says"
fi

# ---- refusals come through
for bad in no_such_setting=1 workers=none config=/none; do
	if said=$(env -i /bin/mount -t fuse.storyclipfs "$ROOT" "$MNT" -o "$bad" 2>&1); then
		fail "mounted with $bad"
	fi
	contains "$said" "${bad%%=*}" "what mount says of $bad"
done
sc_is_mounted && fail "a refused mount is there"
umount /usr/local/bin
