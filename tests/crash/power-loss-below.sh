#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A volume mounted below incoming/, whose power is cut: of many uploads that were closed at once each that
# counts as complete has its bytes.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
need_root
need mkfs.ext4

below=$ROOT/tmp/uploads/below
mkdir -p "$below"
truncate -s 32M "$SC_TEST/disk.img"
mkfs.ext4 -q -F "$SC_TEST/disk.img"
plug_in() {
	# Nothing is written back by a timer: what is not synced is lost.
	mount -o loop,commit=300 "$SC_TEST/disk.img" "$below" || skip "no loop devices"
}
plug_in
chmod 1777 "$below"
sc_use hooked
sc_mount workers=1,min_free=0
# While the first one is synced the others wait: so they are synced together.
hook_set upload-before-sync once-wait
echo first >"$MNT/incoming/below/first.mp4"
hook_wait_reached upload-before-sync
for ((i = 0; i < 80; i++)); do
	echo "upload $i" >"$MNT/incoming/below/$i.mp4"
done
hook_go upload-before-sync
sc_wait_for '[[ $(sql "SELECT count(*) FROM uploads WHERE state='\''complete'\''") == 81 ]]'
exec 9>"$below/witness" # not closed: so it is no upload yet that is synced
head -c 1M /dev/zero >&9
"$SC_TOOLS/power_cut" "$below" || fail "the power stays on"
exec 9>&-
sc_kill9
umount -l "$MNT" 2>/dev/null || true
sc_wait_for 'umount "$below"'
plug_in
# Something was at risk: this file was written and is not there, or is empty.
[[ ! -s $below/witness ]] || fail "the cut has lost nothing"
for ((i = 0; i < 80; i++)); do
	eq "$(cat "$below/$i.mp4")" "upload $i" "an upload that was complete"
done
umount "$below"
