#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A real full disk, once below work and once below outputs: the job is tried again, then it has failed,
# what it had written is gone and its upload is there. With room again, retry has it done.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
need_root

mkdir "$SC_TEST/work" "$SC_TEST/outputs"
mount -t tmpfs -o size=32K tmpfs "$SC_TEST/work"
mount -t tmpfs -o size=64M tmpfs "$SC_TEST/outputs"
sc_mount "workers=1,min_free=0,process_work_dir=$SC_TEST/work,output_root=$SC_TEST/outputs"
upload short.mp4
remember_uploads

full() { # ID: it fails for want of room, after two tries
	sc_failed "$1" NO_SPACE
	eq "$(sql "SELECT attempt||' '||failures FROM jobs WHERE job_id='$1'")" "2 2" "attempts and failures"
	grep -q 'queued again in [0-9]* ms:.*(NO_SPACE)' "$MNT/jobs/$1/log" || fail "no back-off in the log"
	sc_wait_for '[[ -z $(find "$SC_TEST/work" "$SC_TEST/outputs" -mindepth 1 ! -name .storyclip.lock) ]]' 5
	cmp "$MNT/incoming/short.mp4" "$(media short.mp4)"
}
room() { # DIRECTORY SIZE
	mount -o "remount,size=$2" "$SC_TEST/$1"
}
ask() { # ID
	sc_submit "{\"uploadId\":\"short\",\"clipDuration\":2,\"cut\":\"encode\",\"jobId\":\"$1\"}" >/dev/null
}

# The request's own check lets it pass: encoded clips may be of any size.
ask work
full work
room work 64M
echo retry >"$MNT/jobs/work/control"
sc_done work
rm -r "$MNT/jobs/work"
sc_wait_for '[[ -z $(find "$SC_TEST/outputs" -mindepth 1 ! -name .storyclip.lock) ]]'

room outputs 16K
ask outputs
full outputs
room outputs 64M
echo retry >"$MNT/jobs/outputs/control"
sc_done outputs
eq "$(status_of outputs .attempt)" 3
sc_umount
umount "$SC_TEST/work" "$SC_TEST/outputs"
