#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A request that comes before its upload, is found at start or by inotify, or comes with rsync.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
need rsync

back=$ROOT/tmp/uploads
in=$MNT/incoming
src=$(media short.mp4)

# found at start, with its upload
mkdir -p "$back/early"
cp "$src" "$back/early/v.mp4"
echo '{"jobId":"at-start"}' >"$back/early/v.mp4.process"
sc_mount
sc_wait_for '[[ -e $MNT/jobs/at-start ]]'
sc_done at-start

# before its upload: written, and then the upload comes through the mount
echo '{"jobId":"waited"}' >"$in/later.mp4.process"
sc_wait_for 'grep -q "later.mp4.process. waits for its upload" "$LOG/daemon.log"'
missing "$in/later.mp4.process.error" "$MNT/jobs/waited"
exec 4>"$in/later.mp4"
head -c 100000 "$src" >&4
echo '{"jobId":"waited","maxClips":1}' >"$in/later.mp4.process"
sc_wait_for 'grep -q "waits for its upload to be closed" "$LOG/daemon.log"'
missing "$MNT/jobs/waited"
tail -c +100001 "$src" >&4
exec 4>&-
sc_wait_for '[[ -e $MNT/jobs/waited ]]'
sc_done waited

# … over a restart, and even over an end that nobody planned
echo '{"jobId":"restarted"}' >"$in/after.mp4.process"
echo 'jobId=killed' >"$in/killed.mp4.process"
sc_wait_for 'grep -q "killed.mp4.process. waits" "$LOG/daemon.log"'
sc_umount
sc_mount
sc_kill9
sc_mount
missing "$MNT/jobs/restarted"
cp "$src" "$in/after.mp4"
cp "$src" "$in/killed.mp4"
sc_wait_for '[[ -e $MNT/jobs/restarted && -e $MNT/jobs/killed ]]'
sc_done restarted
sc_done killed

# behind the mount: in either order, by close and by rename, in a directory made there
cp "$src" "$back/b1.mp4"
echo '{"jobId":"b1"}' >"$back/b1.mp4.process"
echo '{"jobId":"b2"}' >"$back/b2.mp4.process"
cp "$src" "$back/b2.mp4"
mkdir -p "$back/new/deep"
cp "$src" "$back/new/deep/b3.mp4"
echo '{"jobId":"b3"}' >"$back/.b3"
mv "$back/.b3" "$back/new/deep/b3.mp4.process"
echo '{"bad":1}' >"$back/b4.mp4.process"
cp "$src" "$back/b4.mp4"
for id in b1 b2 b3; do
	sc_wait_for "[[ -e $MNT/jobs/$id ]]"
	sc_done "$id"
done
sc_wait_for '[[ $(jq -r .code "$in/b4.mp4.process.error") == INVALID_REQUEST ]]'
echo '{"jobId":"b4"}' >"$back/b4.mp4.process"
sc_wait_for '[[ -e $MNT/jobs/b4 && ! -e $in/b4.mp4.process.error ]]'
sc_done b4

# rsync of a folder that holds both, in its several ways; once more: nothing new
mkdir "$TMPDIR/out"
cp "$src" "$TMPDIR/out/clip.mp4"
echo '{"userId":"rsync"}' >"$TMPDIR/out/clip.mp4.process"
for mode in --whole-file --inplace --delay-updates; do
	rsync -a "$mode" "$TMPDIR/out/" "$in/rsync$mode/"
	sc_wait_for "[[ \$(sql \"SELECT COUNT(*) FROM jobs WHERE upload_id='rsync$mode/clip.mp4'\") == 1 ]]"
	rsync -a "$mode" "$TMPDIR/out/" "$in/rsync$mode/"
done
sc_umount
sc_mount
eq "$(sql "SELECT COUNT(*) FROM jobs WHERE user_id='rsync'")" 3 "jobs by rsync"
for id in $(sql "SELECT job_id FROM jobs"); do
	sc_done "$id"
done
eq "$(sql "SELECT COUNT(*) FROM jobs WHERE job_id IN ('at-start','waited','restarted','killed','b1','b2','b3','b4')")" 8
eq "$(sql "SELECT COUNT(*) FROM jobs")" 11 "jobs"
check_invariants
sc_umount
