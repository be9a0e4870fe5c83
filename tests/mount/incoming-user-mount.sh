#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Started by an ordinary user it works without privilege, for that user alone.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need_root # to become somebody who is not
need setpriv fusermount3 unshare
if [[ $(stat -c %a /dev/fuse) != *[67] ]]; then
	# This machine keeps /dev/fuse for root. Where it is as on a usual Debian is a namespace of our own.
	[[ -z ${SC_OWN_DEV:-} ]] || fail "the device of our own is not usable"
	SC_OWN_DEV=yes exec unshare --mount --propagation private bash -c '
		mknod -m 666 "$SC_TEST/fuse" c 10 229 && mount --bind "$SC_TEST/fuse" /dev/fuse && exec "$1"' - "$0"
fi
chown -R nobody:nogroup "$ROOT" "$MNT" "$LOG"
src=$(media tiny.mp4)
as() {
	setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"
}
as "$SC_BIN/storyclipfs" "$ROOT" "$MNT" -o "log=$LOG/daemon.log" || fail "no mount without privilege"
daemon_pid=$(sc_pid)
eq "$(stat -c %U "/proc/$daemon_pid")" nobody
as cp "$src" "$MNT/incoming/tiny.mp4"
as bash -c "echo '{\"uploadId\":\"tiny\",\"clipDuration\":1,\"jobId\":\"own\"}' >$MNT/control"
as timeout 60 cat "$MNT/jobs/own/wait" >"$LOG/wait"
eq "$(jq -r '"\(.status) \(.totalClips)"' "$LOG/wait")" "done 2"
eq "$(as stat -c %u "$MNT/jobs/own/clips/clip_001.mp4")" "$(id -u nobody)"
eq "$(stat -c %a "$ROOT/tmp/uploads")" 700
# even root does not get in
errno EACCES ls "$MNT/jobs"
as fusermount3 -u "$MNT"
sc_wait_gone "$daemon_pid"
