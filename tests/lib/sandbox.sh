# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Attempts to get out of a worker that has locked itself in; sourced behind sc.sh. The programs are
# the hooked ones, $as is a prefix for whoever mounts. A second job's worker stands still meanwhile.
#
# Each attempt is made twice: the sandbox must refuse it, and without the sandbox it must succeed,
# or it would prove nothing.

as=()
attempts="read read-proc read-database read-job list write write-job remove chmod connect socketpair
	fork exec exec-here signal signal-worker uid chroot ptrace"

sandbox_listen() { # sets port: something on 127.0.0.1 that would answer
	local fifo=$SC_TEST/port
	mkfifo "$fifo"
	python3 -c 'import socket, sys
s = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1], "w") as f:
    print(s.getsockname()[1], file=f)
while True:
    s.accept()[0].close()' "$fifo" &
	listener=$!
	read -r port <"$fifo"
}

sandbox_submit() { # ID
	"${as[@]}" bash -c "echo '{\"uploadId\":\"tiny\",\"clipDuration\":1,\"jobId\":\"$1\",\"maxAttempts\":1}' >$MNT/control"
}

sandbox_target() { # ATTEMPT: what it tries
	case $1 in
	read) echo /etc/passwd ;;
	read-proc) echo "/proc/$daemon_pid/environ" ;;
	read-database) echo "$ROOT/database/storyclip.db" ;;
	read-job) echo "$ROOT/work/other.1/clips/clip_001.mp4" ;;
	list) echo "$ROOT/work/other.1" ;;
	write) echo "$ROOT/written" ;;
	write-job) echo "$ROOT/work/other.1/clips/clip_007.mp4" ;;
	remove) echo "$ROOT/victim" ;;
	chmod) echo "$ROOT/outputs" ;;
	connect) echo "$port" ;;
	exec) type -P true ;;
	exec-here) echo /does/not/exist ;;
	signal) echo "$daemon_pid" ;;
	signal-worker | ptrace) echo "$other_pid" ;;
	chroot) echo / ;;
	*) echo - ;;
	esac
}

# Make all attempts in one job, and that which may end it in another; what came of each is in
# $LOG/$1, a line each.
sandbox_try() { # NAME
	local a
	rm -f "$HOOKS"/*.go "$HOOKS"/*.reached "$HOOKS"/escape-*
	"${as[@]}" touch "$ROOT/victim"
	hook_set cut-clip once-wait
	hook_set worker-probed once-wait
	sandbox_submit other
	hook_wait_reached worker-probed
	other_pid=$(hook_pid worker-probed)
	"${as[@]}" cp "$HOOKS/worker-probed.reached" "$ROOT/work/other.1/clips/clip_001.mp4" 2>/dev/null ||
		cp "$HOOKS/worker-probed.reached" "$ROOT/work/other.1/clips/clip_001.mp4"
	for a in $attempts; do
		[[ $a == ptrace ]] || echo "$a $(sandbox_target "$a")"
	done >"$HOOKS/escape-targets"
	hook_set worker-locked-in once-escape
	rm -f "$HOOKS/cut-clip"
	sandbox_submit evil
	"${as[@]}" timeout 60 cat "$MNT/jobs/evil/wait" >"$LOG/evil"
	eq "$(jq -r .status "$LOG/evil")" "done" "the job whose worker has tried ($(<"$LOG/evil"))"
	cp "$HOOKS/escape-result" "$LOG/$1"
	contains "$(<"$LOG/$1")" "end reached" "the attempts"
	"${as[@]}" cat "$MNT/jobs/evil/log" >"$LOG/$1.log"
	rm -f "$HOOKS/escape-result" # the first worker's: another one may not write to it
	echo "ptrace $other_pid" >"$HOOKS/escape-targets"
	hook_set worker-locked-in once-escape
	sandbox_submit tracer
	"${as[@]}" timeout 60 cat "$MNT/jobs/tracer/wait" >"$LOG/tracer"
	cat "$HOOKS/escape-result" >>"$LOG/$1"
	touch "$HOOKS/worker-probed.go"
	"${as[@]}" timeout 60 cat "$MNT/jobs/other/wait" >"$LOG/other"
	"${as[@]}" rm -r "$MNT/jobs/other" "$MNT/jobs/evil" "$MNT/jobs/tracer"
}

sandbox_result() { # FILE ATTEMPT
	sed -n "s/^$2 //p" "$1" | tail -n 1
}

# The table, and whether it is as it must be. Attempts that are no one's without privilege are left out.
sandbox_table() { # WHO
	local a with without
	printf '\n| attempt (%s, %s) | with | without |\n| --- | --- | --- |\n' "$1" \
		"$(. /etc/os-release && echo "$ID $VERSION_ID")"
	for a in $attempts; do
		with=$(sandbox_result "$LOG/with" "$a") without=$(sandbox_result "$LOG/without" "$a")
		[[ $without != EPERM ]] || [[ $1 == root ]] || continue
		[[ $with != tried ]] || with=killed
		printf '| %s | %s | %s |\n' "$a" "$with" "$without"
	done
	for a in $attempts; do
		with=$(sandbox_result "$LOG/with" "$a") without=$(sandbox_result "$LOG/without" "$a")
		[[ $without != EPERM ]] || [[ $1 == root ]] || continue
		matches "$with" '^(EACCES|EPERM|ESRCH|tried)$' "$a in the sandbox"
		eq "$without" "done" "$a without the sandbox"
	done
}
