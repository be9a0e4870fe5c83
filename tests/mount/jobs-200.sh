#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Two hundred uploads and requests from a shell loop: all end done, and the daemon does not grow.
# timeout: 600
# alone: yes
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
src=$(media tiny.mp4)
for i in $(seq 200); do
	cp "$src" "$MNT/incoming/v$i.mp4"
	echo "{\"uploadId\":\"v$i\",\"clipDuration\":1,\"jobId\":\"j$i\"}" >"$MNT/control"
	case $i in
	20 | 200)
		for j in $(seq "$i"); do
			timeout 100 cat "$MNT/jobs/j$j/wait" >/dev/null
		done
		rss=$(rss_kib "$daemon_pid")
		echo "resident after job $i: $rss KiB"
		[[ $i == 20 ]] && early=$rss
		;;
	esac
done
eq "$(sql "SELECT COUNT(*) FROM jobs WHERE status='done' AND progress=100")" 200
if [[ $SC_SLOW -eq 1 ]]; then # a sanitizer keeps what was freed
	le "$((rss - early))" 1024 "growth of the daemon in KiB"
fi
eq "$(find "$MNT/jobs" -mindepth 1 -maxdepth 1 | wc -l)" 200
eq "$(find "$MNT/by-upload" -type l | wc -l)" 200
eq "$(find "$ROOT/outputs" -name '*.mp4' | wc -l)" 400
sc_umount
