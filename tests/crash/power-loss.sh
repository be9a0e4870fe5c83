#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# timeout: 400
# ROOT on a disk of its own, whose power is cut at each stage of a job: what was acknowledged is there
# afterwards, a published directory is whole or absent, an upload is complete only with all its bytes.
# By default two of them; SC_ALL=1 takes all fourteen.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"
need_root
need mkfs.ext4

disk=$SC_TEST/disk.img
plug_in() {
	# Nothing is written back by a timer: what is not synced is lost.
	mount -o loop,commit=300 "$disk" "$ROOT" || skip "no loop devices"
}
cut_power() {
	dd if=/dev/zero of="$ROOT/witness" bs=1M count=1 status=none
	"$SC_TOOLS/power_cut" "$ROOT" || fail "the power stays on"
	errno EIO touch "$ROOT/after"
	kill -KILL "$daemon_pid"
	sc_wait_gone "$daemon_pid"
	daemon_pid=
	umount -l "$MNT" 2>/dev/null || true
	sc_wait_for '[[ -z $(workers_of_root) ]]'
	exec 9>&-
	sc_wait_for 'umount "$ROOT"'
	plug_in
	# Something was at risk: this file was written and is not there, or is empty.
	[[ ! -s $ROOT/witness ]] || fail "the cut has lost nothing"
	rm -f "$ROOT/witness"
}

begin() {
	truncate -s 96M "$disk"
	mkfs.ext4 -q -F "$disk"
	plug_in
	crash_options=workers=1,min_free=0
	sc_use hooked
	sc_mount "$crash_options"
	upload short.mp4
	sc_wait_for '[[ $(sql "SELECT state FROM uploads WHERE path='\''short.mp4'\''") == complete ]]'
	crash_submit keep
	sc_done keep
	keep_sum=$(cd "$ROOT/outputs/keep" && sha256sum -- *)
	short_sum=$(sha256sum <"$(media short.mp4)")
	exec 9>"$MNT/incoming/partial.mp4"
	head -c 300000 "$(media short.mp4)" >&9
}

# What holds after each cut, before a daemon has touched anything, and then with one.
check_after() { # JOBS that were acknowledged…
	local id state
	eq "$(sha256sum <"$ROOT/tmp/uploads/short.mp4")" "$short_sum" "an upload that was complete"
	eq "$(cd "$ROOT/outputs/keep" && sha256sum -- *)" "$keep_sum" "clips of a job that was done"
	if [[ -d $ROOT/outputs/victim ]]; then
		for f in "$ROOT"/outputs/victim/*; do
			ffmpeg -nostdin -v error -xerror -i "$f" -f null - || fail "$f is published and not whole"
		done
	fi
	eq "$(sql 'PRAGMA integrity_check')" ok
	sc_mount "$crash_options"
	state=$(sql "SELECT state FROM uploads WHERE path='partial.mp4'")
	matches "$state" '^(incomplete|)$' "state of an upload that was never closed"
	for id; do
		sc_done "$id"
		compare_clips "$(media short.mp4)" "$MNT/jobs/$id/clips" --mode exact \
			--status "$MNT/jobs/$id/status" || fail "$id is not the source"
	done
	rm -f "$MNT/incoming/partial.mp4"
	check_invariants
	sc_umount
	"$programs/storyclipfs" --check "$ROOT" >"$LOG/check" || fail "$(<"$LOG/check")"
	umount "$ROOT"
	rm "$disk"
	stages=$((stages + 1))
}
stages=0

at() { # STEP [OWN-JOBS]: the power goes when a program stands at a step
	begin
	hook_set "$1" once-wait
	crash_submit victim & # its reply may never come
	hook_wait_reached "$1"
	cut_power
	wait $! || true
	check_after victim
}

# ---- an upload that was closed a moment ago, and not said to be complete
begin
hook_set upload-before-sync wait
cp "$(media short.mp4)" "$MNT/incoming/fresh.mp4"
hook_wait_reached upload-before-sync
cut_power
hook_clear upload-before-sync
if [[ $(sql "SELECT state FROM uploads WHERE path='fresh.mp4'") == complete ]]; then
	fail "complete before it was synced"
fi
sc_mount "$crash_options"
if [[ $(sql "SELECT state FROM uploads WHERE path='fresh.mp4'") == complete ]]; then
	cmp "$MNT/incoming/fresh.mp4" "$(media short.mp4)" || fail "complete without all its bytes"
fi
rm -f "$MNT/incoming/fresh.mp4"
sc_umount
check_after

at publish-after-rename
if [[ -z ${SC_ALL:-} ]]; then
	echo "power cut at $stages stages"
	exit 0
fi

# ---- accepted: the reply was a success, so the job is there
begin
hook_set engine-claimed once-wait
crash_submit victim
crash_submit behind
hook_wait_reached engine-claimed
rm "$MNT/incoming/short.mp4" # the jobs hold its bytes
cut_power
[[ -e $ROOT/tmp/uploads/short.mp4 ]] || ln "$ROOT/tmp/uploads/.storyclip-hold/victim" "$ROOT/tmp/uploads/short.mp4"
check_after victim behind

# ---- done and told: it stays done, by the same attempt
begin
crash_submit victim
sc_done victim
cut_power
eq "$(sql "SELECT status||attempt FROM jobs WHERE job_id='victim'")" done1
check_after victim

for step in engine-accepted probe worker-probed cut-clip engine-before-publish publish-start \
	publish-before-rename engine-published engine-done; do
	at $step
done

# ---- removing: no row without directory
begin
crash_submit victim
sc_done victim
hook_set remove-midway once-wait
rmdir "$MNT/jobs/victim" 2>/dev/null &
hook_wait_reached remove-midway
cut_power
wait $! || true
eq "$(sql "SELECT count(*) FROM jobs WHERE job_id='victim'")" 0
sc_mount "$crash_options"
sc_wait_for '[[ -z $(find "$ROOT/outputs" -mindepth 1 -maxdepth 1 ! -name keep) ]]'
missing "$MNT/jobs/victim"
sc_umount
check_after
echo "power cut at $stages stages"
