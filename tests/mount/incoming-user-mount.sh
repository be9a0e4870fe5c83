#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# alone: yes (a mount namespace of its own would keep the mounts of other tests)
# Started by an ordinary user it works without privilege, for that user alone.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need_root # to become somebody who is not
need setpriv fusermount3 unshare
# A namespace of our own: some machines keep /dev/fuse for root, and fuse.conf is not ours to change.
if [[ -z ${SC_OWN_SPACE:-} ]]; then
	SC_OWN_SPACE=yes exec unshare --mount --propagation private bash -c '
		mknod -m 666 "$SC_TEST/fuse" c 10 229 && mount --bind "$SC_TEST/fuse" /dev/fuse && exec "$1"' - "$0"
fi
chown -R nobody:nogroup "$ROOT" "$MNT" "$LOG"
# The sources may lie where only root may look.
src=$SC_TEST/tiny.mp4 bin=$SC_TEST/bin
mkdir "$bin"
cp "$SC_BIN"/storyclipfs "$SC_BIN"/storyclip-{worker,libav.so,publish} "$bin"
cp "$(media tiny.mp4)" "$src"
chmod -R a+rX "$src" "$bin"
as() {
	setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"
}
as "$bin/storyclipfs" "$ROOT" "$MNT" -o "log=$LOG/daemon.log" || fail "no mount without privilege"
daemon_pid=$(sc_pid)
eq "$(stat -c %U "/proc/$daemon_pid")" nobody
as cp "$src" "$MNT/incoming/tiny.mp4"
as bash -c "echo '{\"uploadId\":\"tiny\",\"clipDuration\":1,\"jobId\":\"own\"}' >$MNT/control"
as timeout 60 cat "$MNT/jobs/own/wait" >"$LOG/wait"
eq "$(jq -r '"\(.status) \(.totalClips)"' "$LOG/wait")" "done 2"
eq "$(as stat -c %u "$MNT/jobs/own/clips/clip_001.mp4")" "$(id -u nobody)"
eq "$(stat -c %a "$ROOT/tmp/uploads")" 700
# the rules of POSIX that one user can try
mkdir -m 777 "$SC_TEST/native"
cp "$SC_TESTS"/tools/posix_rules.{py,txt} "$bin"
chmod 755 "$bin"/posix_rules.*
as mkdir "$MNT/incoming/rules"
as env PYTHONDONTWRITEBYTECODE=1 "$bin/posix_rules.py" --without acl "$MNT/incoming/rules" "$SC_TEST/native" \
	"$bin/posix_rules.txt" || fail "see above"
# even root does not get in
errno EACCES ls "$MNT/jobs"
as fusermount3 -u "$MNT"
sc_wait_gone "$daemon_pid"

# whom else a user lets in is for fuse.conf to say
[[ -e /etc/fuse.conf ]] || exit 0
: >"$SC_TEST/fuse.conf"
mount --bind "$SC_TEST/fuse.conf" /etc/fuse.conf
if as "$bin/storyclipfs" "$ROOT" "$MNT" -o "allow_other,log=$LOG/daemon.log" 2>"$LOG/refused"; then
	fail "allow_other without user_allow_other"
fi
contains "$(<"$LOG/refused")" user_allow_other "the refusal"
echo user_allow_other >"$SC_TEST/fuse.conf"
as "$bin/storyclipfs" "$ROOT" "$MNT" -o "allow_other,log=$LOG/daemon.log" || fail "no mount with allow_other"
daemon_pid=$(sc_pid)
other() {
	setpriv --reuid=2002 --regid=2002 --clear-groups "$@"
}
eq "$(other jq -r .status "$MNT/jobs/own/status")" "done"
errno EACCES other ls "$MNT/incoming" # which is the user's own, 0700
errno EACCES other rm -r "$MNT/jobs/own"
chmod 755 "$ROOT/tmp/uploads"
other cmp "$MNT/incoming/tiny.mp4" "$src"
errno EACCES other touch "$MNT/incoming/no"
# a file that another made, in a directory that is open to all, is the daemon's user's
as mkdir -m 1777 "$MNT/incoming/open"
other cp "$src" "$MNT/incoming/open/hers.mp4"
eq "$(stat -c %U "$ROOT/tmp/uploads/open/hers.mp4")" nobody
as fusermount3 -u "$MNT"
sc_wait_gone "$daemon_pid"
