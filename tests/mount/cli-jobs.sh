#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# storyclip status, ls, top, wait, cancel, retry, rm: what they print in a pipe and how they end.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

storyclip=$SC_BIN/storyclip
export STORYCLIP_MOUNT=$MNT
sc_use hooked
sc_mount workers=1
upload tiny.mp4

run() { # EXIT-CODE ARGUMENTS…
	local want=$1 code=0
	shift
	"$storyclip" "$@" >"$LOG/out" 2>"$LOG/err" </dev/null || code=$?
	out=$(cat "$LOG/out")
	err=$(cat "$LOG/err")
	[[ $code == "$want" ]] || fail "storyclip $*: exit code $code, not $want: $out $err"
}

# ---- nothing yet
run 0 ls
eq "$(wc -l <<<"$out")" 1 "lines of an empty ls"
run 0 ls --json
eq "$out" ""
run 0 status
matches "$out" "^$MNT: (ok|degraded).*workers 0 of 1 busy, 0 queued, .* free; 0 jobs ended\$"
run 0 status --json
eq "$(jq -r .workers.of <<<"$out")" 1 "health"

# ---- one runs, one waits, one is done
sc_submit '{"uploadId":"tiny.mp4","clipDuration":1,"jobId":"first"}' >/dev/null
sc_done first
hook_set cut-clip once-wait
sc_submit '{"uploadId":"tiny.mp4","clipDuration":1,"jobId":"second"}' >/dev/null
sc_submit '{"uploadId":"tiny.mp4","clipDuration":1,"jobId":"third"}' >/dev/null
hook_wait_reached cut-clip
run 0 ls
eq "$(awk 'NR>1 {print $1, $2}' <<<"$out" | xargs)" "third queued second running first done" "newest first"
contains "$(head -1 <<<"$out")" "ID      STATE      PROGRESS  CLIPS  UPLOAD"
matches "$(sed -n 4p <<<"$out")" "^first +done +100% +2 +tiny.mp4 +[0-9]+[sm]\$"
run 0 ls --state queued
eq "$(awk 'NR>1 {print $1}' <<<"$out")" third
run 0 ls --json
eq "$(jq -r .id <<<"$out" | xargs)" "third second first"
run 0 top
eq "$(awk 'NR>4 {print $1}' <<<"$out" | xargs)" "second third first" "running first"
contains "$out" "3 jobs: 1 queued, 1 running, 1 done, 0 failed, 0 cancelled"
run 0 status
contains "$out" "; 1 job ended"
eq "$(awk 'NR>2 {print $1}' <<<"$out" | xargs)" "second third"
run 0 status first
contains "$out" "first  done  100%  Job completed - 100%"
contains "$out" "clips    2 in $MNT/jobs/first/clips"
run 0 status first --json
eq "$(jq -r .id <<<"$out")" first
run 5 status first nothing
contains "$err" "no job 'nothing' in $MNT/jobs/"

# ---- rm of one that runs is refused, and nothing is half removed
run 5 rm second
contains "$err" "rm second: JOB_ACTIVE"
exists "$MNT/jobs/second/status"

# ---- wait blocks until the end
"$storyclip" wait first second >"$LOG/waited" 2>&1 &
waiter=$!
sc_wait_for 'grep -q "^first  done  2 clips  tiny.mp4" "$LOG/waited"'
exists "/proc/$waiter"
hook_go cut-clip
wait "$waiter" || fail "wait ended with $?"
eq "$(sed -n 2p "$LOG/waited")" "second  done  2 clips  tiny.mp4"
sc_done third

# ---- given up waiting: the job goes on
hook_set cut-clip once-wait
sc_submit '{"uploadId":"tiny.mp4","clipDuration":1,"jobId":"fourth"}' >/dev/null
hook_wait_reached cut-clip
"$storyclip" wait fourth 2>"$LOG/err" &
waiter=$!
sc_wait_for 'ls -l /proc/$waiter/fd | grep -q jobs/fourth/wait'
kill -TERM "$waiter"
code=0
wait "$waiter" || code=$?
eq "$code" 143 "exit code after SIGTERM"
contains "$(cat "$LOG/err")" "the jobs go on; to stop them: storyclip cancel fourth"
eq "$(status_of fourth .status)" running

# ---- cancel: who waits is told; once ended it is refused
"$storyclip" wait fourth 2>"$LOG/err" &
waiter=$!
sc_wait_for 'ls -l /proc/$waiter/fd | grep -q jobs/fourth/wait'
run 0 cancel fourth
contains "$out" "fourth  "
code=0
wait "$waiter" || code=$?
eq "$code" 4 "exit code of waiting for one that was cancelled"
contains "$(cat "$LOG/err")" "fourth (tiny.mp4) was cancelled"
hook_go cut-clip
run 5 cancel fourth
contains "$err" "cancel fourth: JOB_ENDED: "
run 5 cancel nothing
run 4 wait first fourth
contains "$out" "first  done"
run 5 wait nothing fourth
run 5 retry first # a done job is not run again

# ---- another user's job
if [[ $EUID -eq 0 ]] && command -v setpriv >/dev/null; then
	cp "$storyclip" "$SC_TEST/storyclip" # the build may lie where only root may look
	code=0
	err=$(setpriv --reuid=2001 --regid=2001 --clear-groups "$SC_TEST/storyclip" rm first 2>&1) || code=$?
	eq "$code" 5 "exit code of removing another's job"
	contains "$err" "rm first: FORBIDDEN"
	exists "$MNT/jobs/first"
fi

# ---- rm takes jobs with their clips
run 0 rm first second
eq "$out" "first  removed
second  removed"
missing "$MNT/jobs/first" "$MNT/jobs/second" "$ROOT/outputs/first"
run 5 rm first
run 2 rm ../incoming
run 2 rm

# ---- the daemon ends while somebody waits
hook_set cut-clip once-wait
sc_submit '{"uploadId":"tiny.mp4","clipDuration":1,"jobId":"fifth"}' >/dev/null
hook_wait_reached cut-clip
"$storyclip" wait fifth 2>"$LOG/err" &
waiter=$!
sc_wait_for 'ls -l /proc/$waiter/fd | grep -q jobs/fifth/wait'
sc_kill9
code=0
wait "$waiter" || code=$?
eq "$code" 3 "exit code when the mount went away"
contains "$(cat "$LOG/err")" "fifth: the mount went away"
run 3 ls
contains "$err" "the mount there is dead"
hook_go cut-clip
sc_mount workers=1
run 0 wait fifth
sc_umount
run 3 ls
contains "$err" "STORYCLIP_MOUNT '$MNT': no mount of storyclipfs is there"
