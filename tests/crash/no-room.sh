#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# All of ROOT on one small disk, which is full, of bytes and then of inodes, at each stage: the writer and
# the request are told, no half job is left, what runs ends, what is to go goes; with room again all is done.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"
need_root

mount -t tmpfs -o size=24M,nr_inodes=200 tmpfs "$ROOT"
crash_options=workers=1,min_free=0,max_attempts=2
sc_use hooked
sc_mount "$crash_options"
upload short.mp4
crash_submit keep
sc_done keep
keep_sum=$(cd "$ROOT/outputs/keep" && sha256sum -- *)
remember_uploads

fill() { # to the last byte
	! cat /dev/zero >"$ROOT/fill" 2>/dev/null || fail "the disk takes all"
	eq "$(stat -f -c %a "$ROOT")" 0 "free blocks"
}
fill_inodes() {
	mkdir "$ROOT/names"
	(cd "$ROOT/names" && for ((i = 0; i < 300; i++)); do : >$i || break; done) 2>/dev/null || true
	eq "$(stat -f -c %d "$ROOT")" 0 "free inodes"
}
room() {
	rm -rf "$ROOT/fill" "$ROOT/names"
}

# ---- an upload being written
fill
errno ENOSPC dd if=/dev/zero of="$MNT/incoming/big.mp4" bs=1M count=2 status=none
rm "$MNT/incoming/big.mp4"

# ---- accepted: told so, or there; the database may have room in its log for some
refused=0
for ((i = 0; i < 200 && !refused; i++)); do
	said=$("$SC_TOOLS/fs_errno" "$MNT/control" "{\"uploadId\":\"short\",\"clipDuration\":2,\"jobId\":\"full$i\",\"priority\":9}"$'\n')
	case $said in
	ENOSPC\ *) refused=1 ;;
	0\ * | OK\ *) eq "$(sql "SELECT count(*) FROM jobs WHERE job_id='full$i'")" 1 ;;
	*) fail "a request on a full disk gives $said" ;;
	esac
done
eq $refused 1 "refused for want of room"
contains "$said" NO_SPACE
last=full$((i - 1))
missing "$MNT/jobs/$last"
eq "$(sql "SELECT count(*) FROM jobs WHERE job_id='$last'")" 0 "rows of the refused request"
missing "$ROOT/tmp/uploads/.storyclip-hold/$last"
room
for ((k = 0; k < i - 1; k++)); do sc_wait_job "full$k" >/dev/null; done

# ---- probing and cutting: tried again, then failed, its work freed, the upload kept
hook_set worker-start once-wait
crash_submit cut
hook_wait_reached worker-start
fill
hook_go worker-start
sc_wait_for 'grep -q "NO_SPACE" "$MNT/jobs/cut/log" || grep -q "job cut: cannot note" "$LOG/daemon.log"'
room
state=$(sc_wait_job cut)
matches "$(jq -r '"\(.status) \(.error.code)"' <<<"$state")" '^(done null|failed NO_SPACE)$' "a job on a full disk"

# ---- the commit of done: held, then written
hook_set engine-published once-wait
crash_submit commit
hook_wait_reached engine-published
fill
hook_go engine-published
room
sc_done commit
eq "$(sql "SELECT attempt FROM jobs WHERE job_id='commit'")" 1

# ---- removing, while it is full
fill
rm -r "$MNT/jobs/commit"
missing "$MNT/jobs/commit"
sc_wait_for '[[ ! -e $ROOT/outputs/commit && -z $(find "$ROOT/outputs" -name "*.removed") ]]'
room

# ---- inodes
fill_inodes
errno ENOSPC touch "$MNT/incoming/none.mp4"
said=$("$SC_TOOLS/fs_errno" "$MNT/control" '{"uploadId":"short","jobId":"inodes"}'$'\n')
contains "$said" ENOSPC
missing "$MNT/jobs/inodes"
room
hook_set worker-start once-wait
crash_submit inodes
hook_wait_reached worker-start
fill_inodes
hook_go worker-start
sc_wait_for 'grep -q "NO_SPACE" "$MNT/jobs/inodes/log" || grep -q "job inodes: cannot note" "$LOG/daemon.log"'
room
matches "$(sc_wait_job inodes | jq -r '"\(.status) \(.error.code)"')" '^(done null|failed NO_SPACE)$' "a job without inodes"

crash_submit after
sc_done after
eq "$(cd "$ROOT/outputs/keep" && sha256sum -- *)" "$keep_sum" "clips of a job done before"
check_invariants
sc_umount
"$programs/storyclipfs" --check "$ROOT" >"$LOG/check" || fail "$(<"$LOG/check")"
umount "$ROOT"
