#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Run by tests/bench/memory.
# timeout: 20000
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount "${SC_JOBS_OPTIONS:-workers=2}"
for i in $(seq 20); do
	cp "$(media tiny.mp4)" "$MNT/incoming/v$i.mp4"
done
row() { # LABEL
	local smaps="/proc/$daemon_pid/smaps_rollup" status="/proc/$daemon_pid/status"
	echo "| $1 | $(awk '/^VmRSS/ {print $2}' "$status") | $(awk '/^Pss:/ {print $2}' "$smaps") |" \
		"$(awk '/^Private_Dirty/ {print $2}' "$smaps") | $(find "/proc/$daemon_pid/fd" | wc -l) | $(awk '/^Threads/ {print $2}' "$status") |"
}
# Not before the first copy of the database, which has buffers of its own.
sc_wait_for 'compgen -G "$ROOT/database/backup/*.db" >/dev/null'
echo "| after job | RSS KiB | PSS KiB | private KiB | descriptors | threads |"
echo "| --- | ---: | ---: | ---: | ---: | ---: |"
row 0
done_jobs=0
for upto in $SC_JOBS; do
	python3 - "$MNT" "$done_jobs" "$upto" <<'END'
import os, sys
mnt, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for at in range(first, last, 20):
    batch = range(at, min(at + 20, last))
    fd = os.open(mnt + "/control", os.O_RDWR)
    for i in batch:
        os.write(fd, b'{"uploadId":"v%d.mp4","clipDuration":1,"jobId":"j%d"}' % (i % 20 + 1, i))
    os.close(fd)
    for i in batch:
        with open("%s/jobs/j%d/wait" % (mnt, i), "rb") as f:
            assert b'"status":"done"' in f.read()
END
	done_jobs=$upto
	row "$upto"
done
if [[ $EUID -eq 0 && -w /proc/sys/vm/drop_caches ]]; then
	sync
	echo 2 >/proc/sys/vm/drop_caches
	# The daemon looks every 20 s whether there is memory to give back.
	end=$(($(now_ms) + 45000))
	sc_wait_for "((\$(now_ms) > $end))" 60
	row "$upto, forgotten by the kernel"
fi
sc_umount
