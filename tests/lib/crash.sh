# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the tests of a killed daemon share; sourced behind sc.sh.
#
# One worker, so that the order is known: "keep" is done before the fault, "victim" is the one that
# it hits, "behind" waits in the queue. Directories that the database does not know lie in work and
# outputs all the time.

crash_prepare() { # OPTIONS of the mount
	crash_options=workers=1,$*
	sc_use hooked
	sc_mount "$crash_options"
	upload short.mp4
	# Its end is told before its slot comes to that step: what is killed there later shall be another's.
	hook_set engine-done once-wait
	crash_submit keep
	hook_wait_reached engine-done
	hook_go engine-done
	sc_done keep
	keep_sum=$(cd "$ROOT/outputs/keep" && sha256sum -- *)
	mkdir -p "$ROOT/outputs/foreign" "$ROOT/work/foreign.1"
	echo mine >"$ROOT/outputs/foreign/clip_001.mp4"
	echo mine >"$ROOT/work/foreign.1/file"
	remember_uploads
}

crash_submit() { # ID
	echo "{\"uploadId\":\"short\",\"clipDuration\":2,\"jobId\":\"$1\"}" >"$MNT/control"
}

# The daemon kills itself when it comes to a step of its own.
crash_daemon_at() { # STEP STATE-AFTERWARDS of the victim in the database
	hook_set "$1" once-kill
	# The request may get no answer any more: that is the point.
	crash_submit victim 2>/dev/null || true
	crash_submit behind 2>/dev/null || true
	hook_wait_reached "$1"
	sc_wait_dead
	crash_victim_was "$2"
}

# The daemon is killed while one of its children stands at a step. The child must not outlive it.
crash_child_at() { # STEP STATE-AFTERWARDS
	local child
	hook_set "$1" once-wait
	crash_submit victim
	crash_submit behind
	hook_wait_reached "$1"
	child=$(hook_pid "$1")
	sc_kill9
	sc_wait_gone "$child" 1
	crash_victim_was "$2"
}

crash_victim_was() { # STATE or STATE|STATE
	matches "$(sql "SELECT status FROM jobs WHERE job_id='victim'")" "^($1)$" "the victim's state behind the crash"
}

# Mount again: whatever had been accepted ends done, and nothing else has changed.
crash_recover() { # JOBS that must end done…
	local id
	sc_mount "$crash_options"
	for id; do
		sc_done "$id"
		compare_clips "$(media short.mp4)" "$MNT/jobs/$id/clips" --mode exact \
			--status "$MNT/jobs/$id/status" || fail "$id is not the source"
		eq "$(sql "SELECT failures FROM jobs WHERE job_id='$id'")" 0 "failures of $id"
	done
	crash_check
}

crash_check() {
	eq "$(cd "$ROOT/outputs/keep" && sha256sum -- *)" "$keep_sum" "clips of a job done before"
	eq "$(cat "$ROOT/outputs/foreign/clip_001.mp4" "$ROOT/work/foreign.1/file" | xargs)" "mine mine" \
		"directories that the database does not know"
	rm -r "$ROOT/outputs/foreign" "$ROOT/work/foreign.1"
	check_invariants
	sc_umount
}

# A child that hangs at a step: the watchdog ends the job, with all that belongs to it.
watchdog_case() { # STEP ACTION PERCENT
	local id=$1-$2 child started
	hook_set "$1" "once-$2"
	started=$(now_ms)
	crash_submit "$id"
	hook_wait_reached "$1"
	child=$(hook_pid "$1")
	sc_failed "$id" STALLED
	le 2000 "$(($(now_ms) - started))" "milliseconds until it was called stalled"
	eq "$(status_of "$id" .message)" "Stalled at $3%"
	eq "$(sql "SELECT error_msg FROM jobs WHERE job_id='$id'")" "Stalled at $3%"
	sc_wait_gone "$child" 5
	sc_wait_for "[[ -z \$(find '$ROOT/work' -name '$id.*') && ! -e '$ROOT/outputs/$id' ]]" 5
	grep -q "Watchdog.*$id" "$LOG/daemon.log" || fail "the log has no line of the watchdog about $id"
	cmp "$MNT/incoming/short.mp4" "$(media short.mp4)"
	crash_submit "after-$id"
	sc_done "after-$id"
}
