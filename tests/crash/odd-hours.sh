#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Time that is not what it seems: the wall clock jumps by an hour and by years, both ways, and the daemon is
# stopped for longer than stall_timeout while its workers go on. No job is blamed, none's times run
# backwards, nothing expires. Then the mount is taken away lazily under a job. SC_ALL=1: more jumps.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

lib=$SC_TOOLS/libclock_jump.so
# A sanitizer's runtime must come first, and is not there in other builds.
ldd "$SC_BIN/storyclipfs" | grep -q 'lib[at]san' && skip "not with a sanitizer preloaded first"
export CLOCK_JUMP=$SC_TEST/offset
jump() { # SECONDS
	echo "$1" >"$CLOCK_JUMP.new"
	mv "$CLOCK_JUMP.new" "$CLOCK_JUMP"
}
jump 0
export LD_PRELOAD=$lib
crash_prepare stall_timeout=2,watchdog_interval=0.2
unset LD_PRELOAD
grep -q libclock_jump "/proc/$daemon_pid/maps" || fail "the clock is not the test's"

times_rise() { # ID
	eq "$(sql "SELECT created_at<=started_at AND started_at<=updated_at AND updated_at<=finished_at FROM jobs WHERE job_id='$1'")" 1 \
		"times of $1: $(sql "SELECT created_at,started_at,updated_at,finished_at FROM jobs WHERE job_id='$1'")"
}
i=0
jumps="3600 -315360000" steps="cut-clip engine-published"
[[ -z ${SC_ALL:-} ]] || jumps="3600 -3600 315360000 -315360000" steps="cut-clip publish-before-rename engine-published"
for by in $jumps; do
	for step in $steps; do
		i=$((i + 1))
		hook_set "$step" once-wait
		crash_submit "clock$i"
		hook_wait_reached "$step"
		jump "$by"
		before=$(jq -r .watchdog.lastRun "$MNT/health")
		sc_wait_for '[[ $(jq -r .watchdog.lastRun "$MNT/health") != "$before" ]]'
		hook_go "$step"
		sc_done "clock$i"
		times_rise "clock$i"
		jump 0
	done
done
exists "$MNT/jobs/keep/clips/clip_001.mp4"

# ---- a job is being removed: it goes, and its id can be used again at once
for by in 3600 -315360000; do
	hook_set remove-midway once-wait
	rmdir "$MNT/jobs/clock1" &
	remover=$!
	hook_wait_reached remove-midway
	jump "$by"
	before=$(jq -r .watchdog.lastRun "$MNT/health")
	sc_wait_for '[[ $(jq -r .watchdog.lastRun "$MNT/health") != "$before" ]]'
	hook_go remove-midway
	wait $remover || fail "clock1 could not be removed"
	missing "$ROOT/outputs/clock1"
	crash_submit clock1
	sc_done clock1
	times_rise clock1
	jump 0
done
eq "$(jq .watchdog.stalled "$MNT/health")" 0 "jobs blamed"

# ---- the daemon sleeps for longer than any job may
for step in cut-clip publish-before-rename publish-after-rename; do
	hook_set $step once-wait
	crash_submit slept-$step
	hook_wait_reached $step
	kill -STOP "$daemon_pid"
	wake=$(($(now_ms) + 3000))
	sc_wait_for "((\$(now_ms) > $wake))"
	hook_go $step
	kill -CONT "$daemon_pid"
	sc_done slept-$step
done
eq "$(jq .watchdog.stalled "$MNT/health")" 0 "jobs blamed"
grep -q "Watchdog was itself stopped" "$LOG/daemon.log" || fail "the watchdog does not say that it slept"

# ---- a lazy umount: who has a file open goes on, and the next start takes the job up
hook_set cut-clip once-wait
crash_submit lazy
hook_wait_reached cut-clip
exec 9<"$MNT/incoming/short.mp4"
if [[ $EUID -eq 0 ]]; then umount -l "$MNT"; else fusermount3 -uz "$MNT"; fi
hook_go cut-clip
cmp - "$(media short.mp4)" <&9 || fail "an open file of a mount that was taken away"
exec 9<&-
sc_wait_gone "$daemon_pid"
crash_recover lazy
