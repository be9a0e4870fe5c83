#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Two hundred uploads and requests from a shell loop: all end done, and the daemon does not grow.
# timeout: 600
# alone: yes
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
src=$(media tiny.mp4)
total=0

# Jobs up to number $1, all waited for; what the daemon then has is in $rss.
jobs_up_to() {
	local first=$((total + 1)) i

	for i in $(seq "$first" "$1"); do
		cp "$src" "$MNT/incoming/v$i.mp4"
		echo "{\"uploadId\":\"v$i\",\"clipDuration\":1,\"jobId\":\"j$i\"}" >"$MNT/control"
	done
	for i in $(seq "$first" "$1"); do
		timeout 100 cat "$MNT/jobs/j$i/wait" >/dev/null
	done
	total=$1
	rss=$(rss_kib "$daemon_pid")
	echo "resident after job $total: $rss KiB"
}

# Not before the first copy of the database, which has buffers of its own.
sc_wait_for 'compgen -G "$ROOT/database/backup/*.db" >/dev/null'
jobs_up_to 20
early=$rss
jobs_up_to 200
if [[ $SC_SLOW -eq 1 ]]; then # a sanitizer keeps what was freed
	if ((rss - early > 1024)); then
		# Something was used for the first time (a thread's heap), or each job keeps something:
		# the next as many jobs tell which.
		early=$rss
		jobs_up_to 380
	fi
	le "$((rss - early))" 1024 "growth of the daemon in KiB"
fi
eq "$(sql "SELECT COUNT(*) FROM jobs WHERE status='done' AND progress=100")" "$total"
eq "$(find "$MNT/jobs" -mindepth 1 -maxdepth 1 | wc -l)" "$total"
eq "$(find "$MNT/by-upload" -type l | wc -l)" "$total"
eq "$(find "$ROOT/outputs" -name '*.mp4' | wc -l)" "$((2 * total))"
sc_umount
