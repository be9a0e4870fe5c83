#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Quotas: the writer of an upload is told EDQUOT by the write itself, with kernel passthrough and without; a job
# whose work or clips meet one is tried again, then it has failed, with nothing left and its upload whole; with
# more room retry has it done, and jobs are removed at the limit. btrfs' limits of a subvolume stand for those of
# a user: ext4's need a kernel with CONFIG_QFMT_V2.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
need_root
need mkfs.btrfs btrfs setpriv
EDQUOT="Disk quota exceeded"
errno_text[EDQUOT]=$EDQUOT

image=$SC_TEST/image
truncate -s 300M "$image"
mkfs.btrfs -q "$image" >/dev/null
mount -t btrfs -o loop "$image" "$ROOT" 2>/dev/null || skip "needs loop devices and btrfs"
chmod 755 "$ROOT"
btrfs quota enable "$ROOT" || skip "needs btrfs' quotas"
mkdir "$ROOT/tmp"
for part in tmp/uploads work outputs; do
	btrfs subvolume create "$ROOT/$part" >"$LOG/btrfs"
done
chmod 1777 "$ROOT/tmp/uploads"
limit() { # SUBVOLUME SIZE
	# By the id, as the call is refused below a subvolume that has met its limit.
	btrfs qgroup limit "$2" "0/$(btrfs inspect-internal rootid "$ROOT/$1")" "$ROOT"
	btrfs filesystem sync "$ROOT"
}
as_user() {
	setpriv --reuid=2001 --regid=2001 --clear-groups bash -c "$1"
}

uploads() {
	upload short.mp4
	as_user "cp '$SC_TEST/short.mp4' '$MNT/incoming/his.mp4'"
	limit tmp/uploads 8M
	for n in 1 2; do
		sh_errno EDQUOT "setpriv --reuid=2001 --regid=2001 --clear-groups cp /dev/zero '$MNT/incoming/big-$n.mp4'"
	done
	le "$(stat -c %s "$MNT/incoming/big-1.mp4")" $((8 << 20)) "bytes of an upload over its quota"
	errno EDQUOT as_user "fallocate -l 20M '$MNT/incoming/space.mp4'"
	rm -f "$MNT"/incoming/{big-1,big-2,space}.mp4
	limit tmp/uploads none
	as_user "head -c 20M /dev/zero >'$MNT/incoming/big.mp4'"
	eq "$(stat -c %s "$MNT/incoming/big.mp4")" $((20 << 20))
	rm "$MNT/incoming/big.mp4"
	cmp "$MNT/incoming/short.mp4" "$SC_TEST/short.mp4"
	cmp "$MNT/incoming/his.mp4" "$SC_TEST/short.mp4"
}
cp "$(media short.mp4)" "$SC_TEST/short.mp4"
chmod 644 "$SC_TEST/short.mp4"
sc_mount min_free=0,max_upload_size=1G # each write comes to the daemon
uploads
sc_umount
sc_mount min_free=0,workers=1 # the kernel writes by itself, where it does
uploads
if [[ $(jq -r .passthrough.on "$MNT/health") == true ]]; then
	le 3 "$(jq -r .passthrough.opens "$MNT/health")" "opens by passthrough"
fi
remember_uploads

ask() { # ID
	sc_submit "{\"uploadId\":\"short\",\"clipDuration\":2,\"cut\":\"encode\",\"jobId\":\"$1\"}" >/dev/null
}
remount() {
	sc_umount
	sc_mount min_free=0,workers=1
}
empty() {
	[[ -z $(find "$ROOT/work" "$ROOT/outputs" -mindepth 1 ! -name .storyclip.lock) ]]
}
for part in work outputs; do
	limit $part 32K
	ask $part
	sc_failed $part NO_SPACE
	contains "$(status_of $part .error.message)" "$EDQUOT" "what $part says"
	eq "$(sql "SELECT attempt||' '||failures FROM jobs WHERE job_id='$part'")" "2 2" "attempts and failures"
	sc_wait_for empty 5
	limit $part none
	echo retry >"$MNT/jobs/$part/control"
	sc_done $part
	# Beyond its limit btrfs refuses each removal too: the job goes at once, its clips when they can, also after
	# another start.
	limit $part 16K
	rm -r "$MNT/jobs/$part"
	missing "$MNT/jobs/$part"
	if [[ $part == outputs ]]; then
		sc_wait_for 'grep -q "removing outputs/outputs .*$EDQUOT" "$LOG/daemon.log"' 5
		sc_refused EEXIST JOB_EXISTS '{"uploadId":"short","jobId":"outputs"}' >/dev/null
		remount
		exists "$ROOT/outputs/outputs"
	fi
	limit $part none
	sc_wait_for empty 15
done
ask last
sc_done last
check_invariants
sc_umount
umount "$ROOT"
