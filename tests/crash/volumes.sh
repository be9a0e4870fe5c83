#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Uploads, work and outputs on three volumes: a job is done as ever, its directory appears at once, and
# killed in the copy, the daemon and the publisher leave nothing behind.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
need_root

sc_use hooked
for name in uploads work outputs; do
	mkdir "$SC_TEST/$name"
	mount -t tmpfs -o size=64M tmpfs "$SC_TEST/$name"
done
options=workers=1,min_free=1M,upload_tmp_dir=$SC_TEST/uploads,process_work_dir=$SC_TEST/work,output_root=$SC_TEST/outputs
sc_mount "$options"
upload short.mp4
ask() { # ID
	sc_submit "{\"uploadId\":\"short\",\"clipDuration\":2,\"jobId\":\"$1\"}" >/dev/null
}
outputs() {
	find "$SC_TEST/outputs" -mindepth 1 -maxdepth 1 ! -name .storyclip.lock -printf '%f\n' | sort | xargs
}
check() { # ID
	sc_done "$1"
	compare_clips "$(media short.mp4)" "$SC_TEST/outputs/$1" --mode exact --status "$MNT/jobs/$1/status"
	eq "$(find "$SC_TEST/work" -mindepth 1 ! -name .storyclip.lock)" "" "what lies in work"
}

ask plain
check plain
eq "$(stat -c %a "$SC_TEST/outputs/plain")" 755
for clip in "$SC_TEST/outputs/plain"/*; do
	eq "$(stat -c %a "$clip")" 644
	cmp "$clip" "$MNT/jobs/plain/clips/${clip##*/}"
done

# In the copy, and with all of it there but the name: the publisher is killed …
for step in publish-copying publish-before-rename; do
	hook_set "$step" once-wait
	ask "$step-child"
	hook_wait_reached "$step"
	missing "$SC_TEST/outputs/$step-child"
	exists "$SC_TEST/outputs/.$step-child.1.tmp"
	kill -KILL "$(hook_pid "$step")"
	check "$step-child"
	eq "$(sql "SELECT attempt||' '||failures FROM jobs WHERE job_id='$step-child'")" "2 1"
	missing "$SC_TEST/outputs/.$step-child.1.tmp"
	# … and the daemon.
	hook_set "$step" once-wait
	ask "$step"
	hook_wait_reached "$step"
	missing "$SC_TEST/outputs/$step"
	sc_kill9
	exists "$SC_TEST/outputs/.$step.1.tmp"
	sc_mount "$options"
	check "$step"
	eq "$(sql "SELECT attempt||' '||failures FROM jobs WHERE job_id='$step'")" "2 0"
done
# cancelled in the copy
hook_set publish-copying once-wait
ask cancelled
hook_wait_reached publish-copying
echo cancel >"$MNT/jobs/cancelled/control"
sc_wait_for '[[ -z $(ls "$SC_TEST/work") && -z $(find "$SC_TEST/outputs" -name "*cancelled*") ]]' 5
eq "$(outputs)" "plain publish-before-rename publish-before-rename-child publish-copying publish-copying-child"
rm -r "$MNT/jobs/plain"
sc_wait_for '[[ $(outputs) != *plain* ]]'
sc_umount
umount "$SC_TEST/uploads" "$SC_TEST/work" "$SC_TEST/outputs"
