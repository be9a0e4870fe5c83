#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The blocks that ext4 keeps for root are not an uploading user's, though the daemon is root that writes for
# him; and no process of ours has the capability that passes quotas.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
need_root
need mkfs.ext4 fallocate

image=$SC_TEST/image
truncate -s 48M "$image"
mkfs.ext4 -q -m 25 "$image"
mount -o loop "$image" "$ROOT" 2>/dev/null || skip "needs loop devices"
chmod 755 "$SC_TEST"
sc_use shipped
sc_mount min_free=0,max_upload_size=1G # with a limit each write comes to the daemon
kept=$(($(stat -f -c '%f - %a' "$ROOT")))
le 8000 "$kept" "blocks of 1 KiB kept for root"

# The daemon may be writing its copy of the database between the two looks.
left() { stat -f -c '%a %f %S' "$1"; }
sc_wait_for '[[ $(left "$MNT/incoming") == "$(left "$ROOT")" ]]'
as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups bash -c "cd '$MNT/incoming' && $1"
}
full() { # SCRIPT: it must meet a full disk, with root's blocks untouched
	local out
	out=$(as_nobody "$1" 2>&1) && fail "'$1' worked"
	contains "$out" "${errno_text[ENOSPC]}"
	le $((kept * 9 / 10)) "$(stat -f -c %f "$ROOT")" "blocks left after '$1'"
	rm "$MNT"/incoming/*
	sync "$ROOT"
}
check() {
	full 'cat /dev/zero >written.mp4'
	full 'fallocate -l 40M allocated.mp4'
	# also while root has it open: it came first, but what it opened is the user's
	as_nobody ': >both.mp4'
	exec 5<"$MNT/incoming/both.mp4"
	full 'cat /dev/zero >>both.mp4'
	exec 5<&-
	# Root's are root's, as natively.
	! cat /dev/zero >"$MNT/incoming/root.mp4" 2>/dev/null || fail "the disk takes all"
	le "$(stat -f -c %f "$ROOT")" $((kept / 2)) "blocks that root has left"
	rm "$MNT/incoming/root.mp4"
	sync "$ROOT"
}
check
sc_umount
# without a limit the kernel writes by itself, where it does
sc_mount min_free=0
check
if [[ $(jq -r .passthrough.on "$MNT/health") == true ]]; then
	le 5 "$(jq -r .passthrough.opens "$MNT/health")" "opens by passthrough"
fi

for set in CapEff CapPrm CapBnd; do
	eq $((0x$(awk -v set="$set:" '$1 == set {print $2}' "/proc/$daemon_pid/status") >> 24 & 1)) 0 "CAP_SYS_RESOURCE in $set"
done
sc_umount
umount "$ROOT"
