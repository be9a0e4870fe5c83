# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the shell tests share. Sourced first by each: . "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
#
# From run-one come ROOT, MNT, LOG, HOOKS (folders of this test alone), SC_TEST (the folder around
# them), SC_BIN, SC_HOOKED, SC_STANDIN, SC_TOOLS (programs), SC_MEDIA, SC_SLOW.
# Nothing here sleeps for a time that is hoped to be enough: conditions are waited for.
set -euo pipefail

programs=$SC_BIN # which storyclipfs sc_mount starts; see sc_use
daemon_pid=
mount_options=() # those of the last sc_mount

trap 'echo "FAIL ${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND" >&2' ERR

# ---- saying what is wrong

fail() {
	local frame=0
	# The line of the test, not of this library.
	while [[ ${BASH_SOURCE[frame]##*/} == sc.sh && -n ${BASH_SOURCE[frame + 1]:-} ]]; do
		frame=$((frame + 1))
	done
	trap - ERR
	# To stderr: stdout may be caught by $(…).
	printf 'FAIL %s:%s: %s\n' "${BASH_SOURCE[frame]##*/}" "${BASH_LINENO[frame - 1]}" "$*" >&2
	exit 1
}

skip() {
	trap - ERR
	echo "skip: $*"
	exit 77
}

need_root() {
	[[ $EUID -eq 0 ]] || skip "needs root"
}

need() { # COMMAND…
	local c
	for c; do
		command -v "$c" >/dev/null || skip "needs $c"
	done
}

# ---- comparing

eq() { # GOT WANT [WHAT]
	[[ $1 == "$2" ]] || fail "${3:-value} is '$1', not '$2'"
}

le() { # GOT MAX [WHAT]
	(($1 <= $2)) || fail "${3:-value} is $1, more than $2"
}

contains() { # TEXT PART [WHAT]
	[[ $1 == *"$2"* ]] || fail "${3:-text} is '$1', without '$2'"
}

lacks() { # TEXT PART [WHAT]
	[[ $1 != *"$2"* ]] || fail "${3:-text} is '$1', with '$2'"
}

matches() { # TEXT REGEX [WHAT]
	[[ $1 =~ $2 ]] || fail "${3:-text} is '$1', which does not match '$2'"
}

exists() {
	local p
	for p; do
		[[ -e $p || -L $p ]] || fail "$p does not exist"
	done
}

missing() {
	local p
	for p; do
		[[ ! -e $p && ! -L $p ]] || fail "$p exists"
	done
}

declare -A errno_text=(
	[EPERM]="Operation not permitted" [ENOENT]="No such file or directory"
	[EIO]="Input/output error" [EACCES]="Permission denied" [EBUSY]="Device or resource busy"
	[EEXIST]="File exists" [EXDEV]="Invalid cross-device link" [ENOTDIR]="Not a directory"
	[EISDIR]="Is a directory" [EINVAL]="Invalid argument" [ETXTBSY]="Text file busy"
	[EFBIG]="File too large" [ENOSPC]="No space left on device" [EROFS]="Read-only file system"
	[ENOTEMPTY]="Directory not empty" [ENOTCONN]="Transport endpoint is not connected"
	[ESHUTDOWN]="Cannot send after transport endpoint shutdown"
	[ENOTUNIQ]="Name not unique on network" [EALREADY]="Operation already in progress"
	[ENAMETOOLONG]="File name too long" [ELOOP]="Too many levels of symbolic links"
)

# The command must fail and say so in the words of that errno.
errno() { # ENAME COMMAND…
	local want=${errno_text[$1]:?unknown errno $1} name=$1 out
	shift
	if out=$("$@" 2>&1); then
		fail "'$*' worked, $name was expected"
	fi
	[[ $out == *"$want"* ]] || fail "'$*' said '$out', not '$want' ($name)"
}

# Run a shell word list; for redirections: sh_errno EINVAL 'echo x > control'
sh_errno() { # ENAME SCRIPT
	errno "$1" bash -c "$2"
}

# ---- waiting

now_ms() {
	# CLOCK_MONOTONIC, to 10 ms
	local up
	read -r up _ </proc/uptime
	echo $((10#${up/./} * 10))
}

sc_wait_for() { # CONDITION [SECONDS]
	local limit=$((${2:-20} * SC_SLOW)) end
	end=$(($(now_ms) + limit * 1000))
	until eval "$1" 2>/dev/null; do
		(($(now_ms) < end)) || fail "after $limit s still not: $1"
		sleep 0.02
	done
}

# ---- the mount

sc_use() { # shipped | hooked | standin
	case $1 in
	shipped) programs=$SC_BIN ;;
	hooked) programs=$SC_HOOKED ;;
	standin) programs=$SC_STANDIN ;;
	*) fail "sc_use $1?" ;;
	esac
	[[ -x $programs/storyclipfs ]] || fail "$programs/storyclipfs was not built"
	if [[ $1 == shipped ]]; then
		unset STORYCLIP_HOOKS
	else
		export STORYCLIP_HOOKS=$HOOKS
	fi
}

# The pid of the daemon that serves a ROOT (ours by default).
sc_pid() { # [ROOT]
	# A child of the daemon has its command line until it runs another program, and may come first by
	# number: the daemon is the one whose parent is none of them.
	local root=${1:-$ROOT} dir args pid parent
	local -A parent_of=()
	for dir in /proc/[0-9]*; do
		{ mapfile -d '' -t args <"$dir/cmdline"; } 2>/dev/null || continue
		# Under a wrapper the program is one of its arguments.
		if [[ " ${args[*]:0:12}" == *"/storyclipfs "* && " ${args[*]} " == *" $root "* ]]; then
			parent=$(sed -n 's/^PPid:[[:space:]]*//p' "$dir/status" 2>/dev/null) || continue
			parent_of[${dir#/proc/}]=${parent:-0}
		fi
	done
	for pid in "${!parent_of[@]}"; do
		[[ -n ${parent_of[${parent_of[$pid]}]:-} ]] && continue
		echo "$pid"
		return 0
	done
	return 1
}

sc_is_mounted() { # [MOUNTPOINT]
	grep -qF " ${1:-$MNT} " /proc/self/mountinfo
}

# Start on $ROOT and $MNT; options as one comma list each. Returns when the mount answers.
sc_mount() { # [OPTIONS…]
	local opts=log=$LOG/daemon.log o
	mount_options=("$@")
	for o; do
		opts+=,$o
	done
	# SC_WRAP: a command to run the daemon under, as tests/valgrind does.
	${SC_WRAP:-} "$programs/storyclipfs" "$ROOT" "$MNT" -o "$opts" || fail "the mount did not start"
	daemon_pid=$(sc_pid) || fail "there is no daemon after the start"
	[[ -f $MNT/health ]] || fail "the mount does not answer after the start"
}

sc_wait_gone() { # PID [SECONDS]
	# A zombie has ended; who adopted it reaps it in its own time.
	sc_wait_for "[[ ! -e /proc/$1 || \$(cut -d' ' -f3 /proc/$1/stat) == Z ]]" "${2:-20}"
}

# Unmount as a person would. RELEASE of a file just closed is asynchronous: EBUSY is tried again.
sc_umount() {
	local pid=$daemon_pid
	sc_wait_for 'umount_once'
	[[ -z $pid ]] || sc_wait_gone "$pid"
	daemon_pid=
}

umount_once() {
	if [[ $EUID -eq 0 ]]; then
		umount "$MNT"
	else
		fusermount3 -u "$MNT"
	fi
}

sc_stop() { # [SIGNAL]
	kill -"${1:-TERM}" "$daemon_pid"
	sc_wait_gone "$daemon_pid"
	daemon_pid=
}

# The end nobody planned: the daemon is gone, its mount point is dead.
sc_kill9() {
	kill -KILL "$daemon_pid"
	sc_wait_dead
}

# The daemon has died at a step, or is dying: wait until it has, with all its threads.
sc_wait_dead() {
	sc_wait_gone "$daemon_pid"
	# Its last thread closes /dev/fuse: only then is the mount point dead.
	sc_wait_for '[[ $(cat "$MNT/health" 2>&1) == *"${errno_text[ENOTCONN]}"* ]]' 5
	daemon_pid=
}

# Lines of the daemon's log
sc_log() {
	cat "$LOG/daemon.log" 2>/dev/null || true
}

# ---- media and uploads

media() { # NAME: its path, made when it is not there yet
	"$SC_TESTS/lib/make-media" "$1"
}

upload() { # MEDIUM [NAME IN incoming/]
	local from
	from=$(media "$1")
	cp "$from" "$MNT/incoming/${2:-$1}"
}

# Compare clips with their source by ffmpeg alone; says what differs.
compare_clips() { # SOURCE CLIPDIR --mode MODE [--status STATUS]
	"$SC_TESTS/tools/compare_clips.py" "$@"
}

# ---- jobs

# Hand in a request; prints the job's id. What the reply said stands in $LOG/reply.
sc_submit() { # JSON
	local reply fd
	exec {fd}<>"$MNT/control"
	printf '%s\n' "$1" >&"$fd" || {
		reply=$(cat <&"$fd")
		fail "the request $1 was refused: $reply"
	}
	reply=$(cat <&"$fd")
	exec {fd}>&-
	printf '%s\n' "$reply" >"$LOG/reply"
	[[ $(jq -r .success <<<"$reply") == true ]] || fail "the reply to $1 is $reply"
	jq -r .jobId <<<"$reply"
}

# Write a request that must be refused: the errno by its name, and the code of the reply, which is
# printed.
sc_refused() { # ENAME CODE REQUEST [CONTROL]
	local out reply
	out=$("$SC_TOOLS/fs_errno" "${4:-$MNT/control}" "$3"$'\n') || fail "fs_errno: $out"
	reply=${out#* }
	eq "${out%% *}" "$1" "errno of $3 ($reply)"
	eq "$(jq -r '"\(.success) \(.code)"' <<<"$reply")" "false $2" "reply to $3 ($reply)"
	printf '%s\n' "$reply"
}

# Wait for a job's end by its own file; prints the last status.
sc_wait_job() { # ID [SECONDS]
	timeout $((${2:-60} * SC_SLOW)) cat "$MNT/jobs/$1/wait" ||
		fail "job $1 did not end: $(cat "$MNT/jobs/$1/status")"
}

# Wait for a job's end and for it to be as expected.
sc_done() { # ID [SECONDS]
	local status
	status=$(sc_wait_job "$@")
	eq "$(jq -r '"\(.status) \(.progress) \(.message)"' <<<"$status")" \
		"done 100 Job completed - 100%" "job $1"
	# Nothing that a worker does for a video may be on the wrong side of its sandbox.
	! grep -F "sandbox: refused" "$MNT/jobs/$1/log" || fail "the sandbox hinders job $1"
}

sc_failed() { # ID CODE [SECONDS]
	local status
	status=$(sc_wait_job "$1" "${3:-60}")
	eq "$(jq -r '"\(.status) \(.error.code)"' <<<"$status")" "failed $2" "job $1 ($status)"
	eq "$(jq -r .message <<<"$status")" "$(jq -r .error.message <<<"$status")" "message of $1"
}

status_of() { # ID JQ-FILTER
	jq -r "$2" "$MNT/jobs/$1/status"
}

sql() { # STATEMENT
	sqlite3 -cmd '.timeout 5000' "$ROOT/database/storyclip.db" "$1"
}

# ---- steps at which the hooked programs can be stopped (storyclip/common/hook.h)

hook_set() { # STEP ACTION
	rm -f "$HOOKS/$1.reached" "$HOOKS/$1.go"
	echo "$2" >"$HOOKS/.$1.new"
	mv "$HOOKS/.$1.new" "$HOOKS/$1"
}

hook_clear() { # STEP
	rm -f "$HOOKS/$1"
}

hook_wait_reached() { # STEP [SECONDS]
	sc_wait_for "[[ -e '$HOOKS/$1.reached' ]]" "${2:-30}"
}

hook_pid() { # STEP
	cat "$HOOKS/$1.reached"
}

hook_go() { # STEP
	rm -f "$HOOKS/$1"
	: >"$HOOKS/$1.go"
}

# ---- what must hold after every fault (the job ended, the mount up)

# Remember what is in the uploads now, for I1.
remember_uploads() {
	(cd "$ROOT/tmp/uploads" && find . -name '.storyclip-hold' -prune -o -type f -print0 |
		sort -z | xargs -0r sha256sum) >"$SC_TEST/uploads.sha256"
}

# Processes, whoever started them, that have a file of this test's ROOT open.
workers_of_root() {
	local fd pid
	for fd in /proc/[0-9]*/fd/*; do
		[[ $(readlink "$fd" 2>/dev/null) == "$ROOT"/* ]] || continue
		pid=${fd#/proc/}
		pid=${pid%%/*}
		[[ $(cat "/proc/$pid/comm" 2>/dev/null) == storyclip-* ]] && echo "$pid"
	done | sort -u
}

listing() {
	(cd "$MNT" && find incoming jobs by-upload -printf '%p %y %s\n' | grep -v '/\(wait\|log\|control\) ' | sort)
}

check_invariants() {
	local id state before clips f live
	# I2: every job has ended
	live=$(sql "SELECT job_id||' '||status||' '||progress FROM jobs
		WHERE NOT (status IN ('failed','cancelled') OR status='done' AND progress=100)")
	eq "$live" "" "I2: jobs that have not ended"
	# I1: no byte of an upload has changed
	if [[ -s $SC_TEST/uploads.sha256 ]]; then
		(cd "$ROOT/tmp/uploads" && sha256sum --quiet -c "$SC_TEST/uploads.sha256") ||
			fail "I1: an upload has changed"
	fi
	# I3: outputs belong to done jobs, and each listed clip is there and decodes
	for f in "$ROOT"/outputs/*; do
		[[ -e $f ]] || continue
		id=${f##*/}
		state=$(sql "SELECT status FROM jobs WHERE job_id='$id'")
		eq "$state" "done" "I3: $f lies there, the job's state"
	done
	for id in $(sql "SELECT job_id FROM jobs WHERE status='done'"); do
		clips=$(status_of "$id" '.result.artifacts[]|select(.deleted!=true)|.filename')
		[[ -n $clips ]] || fail "I3: $id is done without clips"
		for f in $clips; do
			exists "$ROOT/outputs/$id/$f"
			cmp -s "$ROOT/outputs/$id/$f" "$MNT/jobs/$id/clips/$f" ||
				fail "I3: $id/$f differs in mount and outputs"
			ffmpeg -nostdin -v error -xerror -i "$ROOT/outputs/$id/$f" -f null - ||
				fail "I3: $id/$f does not decode"
		done
		eq "$(find "$ROOT/outputs/$id" -mindepth 1 -printf '%f\n' | sort | xargs)" \
			"$(sort <<<"$clips" | xargs)" "I3: files of $id"
	done
	# I4: nothing is left over
	sc_wait_for '[[ -z $(workers_of_root) ]]' 5
	sc_wait_for '[[ -z $(find "$ROOT/work" -mindepth 1 -name "*.[0-9]*") ]]' 5
	sc_wait_for '[[ -z $(find "$ROOT/tmp/uploads/.storyclip-hold" -type f 2>/dev/null) ]]' 5
	# I5: the database is whole
	eq "$(sql 'PRAGMA integrity_check')" ok "I5"
	# I6: it comes up again with the same listing
	before=$(listing)
	sc_umount
	sc_mount "${mount_options[@]}"
	eq "$(listing)" "$before" "I6: listing after another mount"
	# I7: no attempt was started twice, none failed oftener than it may
	eq "$(sql 'SELECT COUNT(*) FROM jobs WHERE failures > max_attempts')" 0 "I7"
	for id in $(sql 'SELECT job_id FROM jobs'); do
		eq "$(grep -o ' attempt [0-9]* started' "$MNT/jobs/$id/log" | sort | uniq -d)" "" "I7: twice in the log of $id"
	done
}

rss_kib() { # PID
	awk '/^VmRSS:/ {print $2}' "/proc/$1/status"
}
