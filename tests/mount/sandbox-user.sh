#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# alone: yes (a mount namespace of its own would keep the mounts of other tests)
# The sandbox of workers whose daemon is an ordinary user's.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/sandbox.sh
. "$SC_TESTS/lib/sandbox.sh"

need_root # to become somebody who is not
need setpriv fusermount3 unshare python3
[[ $SC_SLOW -eq 1 ]] || skip "a sanitizer's build has no sandbox"
# A namespace of our own: some machines keep /dev/fuse for root.
if [[ -z ${SC_OWN_SPACE:-} ]]; then
	SC_OWN_SPACE=yes exec unshare --mount --propagation private bash -c '
		mknod -m 666 "$SC_TEST/fuse" c 10 229 && mount --bind "$SC_TEST/fuse" /dev/fuse && exec "$1"' - "$0"
fi
chown -R nobody:nogroup "$ROOT" "$MNT" "$LOG" "$HOOKS"
as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
bin=$SC_TEST/bin
mkdir "$bin"
cp "$SC_HOOKED"/storyclipfs "$SC_HOOKED"/storyclip-{worker,publish} "$bin"
cp "$(media tiny.mp4)" "$bin/tiny.mp4"
chmod -R a+rX "$bin"
export STORYCLIP_HOOKS=$HOOKS

user_mount() {
	"${as[@]}" "$bin/storyclipfs" "$ROOT" "$MNT" -o "workers=2,log=$LOG/daemon.log" || fail "no mount"
	daemon_pid=$(sc_pid)
}
user_umount() {
	"${as[@]}" fusermount3 -u "$MNT"
	sc_wait_gone "$daemon_pid"
}

user_mount
[[ $("${as[@]}" jq -r .sandbox.level "$MNT/health") == full ]] || skip "this kernel has no full sandbox"
"${as[@]}" cp "$bin/tiny.mp4" "$MNT/incoming/tiny.mp4"
sandbox_listen
sandbox_try with
user_umount
touch "$HOOKS/no-sandbox"
user_mount
sandbox_try without
sandbox_table user
kill "$listener"
user_umount
