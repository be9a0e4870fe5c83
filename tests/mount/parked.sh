#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Many readers parked in `wait`: the mount goes on answering, each gets the end; who is killed or
# interrupted is gone at once, and the rest are still there. SC_PARKED=10000 parks so many.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

n=${SC_PARKED:-2000}
ulimit -n "$(ulimit -Hn)"
(($(ulimit -n) > n + 100)) || skip "not enough open files are allowed: $(ulimit -n)"
sc_mount workers=1
cp "$(media tiny.mp4)" "$MNT/incoming/a.mp4"
exec {writer}>>"$MNT/incoming/a.mp4" # its jobs stay in the queue
sc_submit '{"uploadId":"a.mp4","jobId":"j"}' >/dev/null
sc_submit '{"uploadId":"a.mp4","jobId":"k"}' >/dev/null

cat "$MNT/jobs/j/wait" >"$SC_TEST/rest" &
rest=$!
# A signal that ends its reader: nothing of the daemon's keeps it.
for signal in INT TERM KILL; do
	python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
print("reading", flush=True)
os.read(os.open(sys.argv[1], os.O_RDONLY), 4096)' "$MNT/jobs/j/wait" >"$SC_TEST/reader" &
	reader=$!
	sc_wait_for "grep -q reading '$SC_TEST/reader' && [[ \$(cut -d' ' -f3 /proc/$reader/stat) == S ]]"
	kill -$signal $reader
	sc_wait_gone $reader
done
"$SC_TOOLS/fs_waiters" kill "$MNT/jobs/j/wait" "$n" "$MNT/jobs/j/log" >"$SC_TEST/killed"
"$SC_TOOLS/fs_waiters" park "$MNT/jobs/k/wait" "$n" "$MNT/jobs/k/log" "$daemon_pid" \
	"$MNT/jobs/k/control" >"$SC_TEST/parked"
eq "$(wc -w <"$SC_TEST/killed") $(wc -w <"$SC_TEST/parked")" "1 6" "what the readers printed"
[[ -e /proc/$rest ]] || fail "a reader of another job was woken"
echo cancel >"$MNT/jobs/j/control"
wait $rest
eq "$(jq -r .status "$SC_TEST/rest")" cancelled
exec {writer}>&-
sc_umount
