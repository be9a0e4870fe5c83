#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# timeout: 400
# A disk that gives EIO to all that it is asked, at each stage: the writer is told, a job is tried again
# and fails with IO_ERROR, nothing is done that was not synced, and with a new disk all goes on.
# By default the stages of cutting and publishing; SC_ALL=1 takes all.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"
need_root
need mkfs.ext4

plug_in() { # DISK
	mount -o loop "$SC_TEST/$1.img" "$SC_TEST/$1" || skip "no loop devices"
}
begin() { # DISK: the one that will break is one of its own
	broken=$1
	mkdir -p "$SC_TEST/$broken"
	truncate -s 64M "$SC_TEST/$broken.img"
	mkfs.ext4 -q -F "$SC_TEST/$broken.img"
	plug_in "$broken"
	rm -rf "$SC_TEST/$broken/lost+found"
	case $broken in
	uploads) place=upload_tmp_dir=$SC_TEST/uploads ;;
	work) place=process_work_dir=$SC_TEST/work ;;
	outputs) place=output_root=$SC_TEST/outputs ;;
	database) place=database=$SC_TEST/database/storyclip.db ;;
	esac
	sc_use hooked
	sc_mount workers=1,min_free=0,max_attempts=2 "$place"
	upload short.mp4
	crash_submit keep
	sc_done keep
	db=$ROOT/database/storyclip.db
	[[ $broken != database ]] || db=$SC_TEST/database/storyclip.db
	sc_wait_for '[[ $(sqlite3 "$db" "SELECT state FROM uploads") == complete ]]'
}
break_disk() {
	"$SC_TOOLS/power_cut" "$SC_TEST/$broken"
	errno EIO touch "$SC_TEST/$broken/x"
}
# Another start with a disk that works; jobs that have ended stay so, the others end now.
with_a_new_disk() { # JOB…
	local id
	sc_kill9
	umount -l "$MNT" 2>/dev/null || true
	sc_wait_for 'umount "$SC_TEST/$broken"'
	plug_in "$broken"
	eq "$(sqlite3 "$db" 'PRAGMA integrity_check')" ok
	sc_mount "${mount_options[@]}"
	for id in keep "$@"; do
		[[ $(status_of "$id" .status) != failed ]] || echo retry >"$MNT/jobs/$id/control"
		sc_done "$id"
		compare_clips "$(media short.mp4)" "$MNT/jobs/$id/clips" --mode exact --status "$MNT/jobs/$id/status" ||
			fail "$id is not the source"
	done
	cmp "$MNT/incoming/short.mp4" "$(media short.mp4)"
	sc_umount
	umount "$SC_TEST/$broken"
	rm -rf "${ROOT:?}"/* "$SC_TEST/${broken:?}"
	stages=$((stages + 1))
}
stages=0

# ---- cutting: the work directory's disk
begin work
hook_set cut-clip once-wait
crash_submit victim
hook_wait_reached cut-clip
break_disk
hook_go cut-clip
sc_failed victim IO_ERROR
eq "$(sqlite3 "$db" "SELECT failures FROM jobs WHERE job_id='victim'")" 2 "tries"
missing "$ROOT/outputs/victim"
with_a_new_disk victim

# ---- publishing: the outputs' disk; a failed sync is never a done job
begin outputs
hook_set publish-before-rename once-wait
crash_submit victim
hook_wait_reached publish-before-rename
break_disk
hook_go publish-before-rename
sc_failed victim IO_ERROR
with_a_new_disk victim

if [[ -n ${SC_ALL:-} ]]; then
	# ---- an upload being written; probing
	begin uploads
	exec 9>"$MNT/incoming/new.mp4"
	hook_set probe once-wait
	crash_submit victim
	hook_wait_reached probe
	break_disk
	errno EIO dd if=/dev/zero of="$MNT/incoming/new.mp4" bs=64k count=4 conv=notrunc status=none
	exec 9>&-
	sync # no page of the source that the kernel still has helps it along
	echo 3 >/proc/sys/vm/drop_caches 2>/dev/null || true
	hook_go probe
	sc_failed victim IO_ERROR
	with_a_new_disk victim

	# ---- the commit of done: tried until the daemon ends, then done again
	begin database
	hook_set engine-published once-wait
	crash_submit victim
	hook_wait_reached engine-published
	break_disk
	hook_go engine-published
	sc_wait_for '[[ $(jq -r .status "$MNT/health") == degraded ]]'
	eq "$(status_of victim .status)" running
	contains "$(sc_refused EIO INTERNAL '{"uploadId":"short","jobId":"none"}')" false
	with_a_new_disk victim

	# ---- removing: logged, and gone at the next start
	begin outputs
	crash_submit victim
	sc_done victim
	break_disk
	rmdir "$MNT/jobs/victim"
	missing "$MNT/jobs/victim"
	sc_wait_for 'grep -q "removing" "$LOG/daemon.log"'
	with_a_new_disk
fi
echo "EIO at $stages stages"
