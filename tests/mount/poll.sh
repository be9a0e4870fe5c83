#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Waiting for a change without asking again and again: poll(2), select, epoll, Python's selectors,
# libuv, node; and what happens to who waits so when its job is removed or the mount stops.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount workers=1
"$SC_TESTS/tools/fs_poll.py" "$MNT" "$(media tiny.mp4)"

# A job that is removed: who polls its texts is told, and finds no name any more.
upload tiny.mp4
sc_submit '{"uploadId":"tiny","jobId":"gone"}' >/dev/null
sc_done gone
cat >"$SC_TEST/hup.py" <<'PY'
import os, select, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
poller = select.poll()
poller.register(fd, select.POLLIN | select.POLLPRI)
if sys.argv[2] == "quiet":
    assert poller.poll(0) == [], poller.poll(0)
print("waiting", flush=True)
bits = 0
while not bits & (select.POLLHUP | select.POLLERR):
    bits = poller.poll(60000)[0][1]
print("told", flush=True)
PY
for f in jobs/gone/status events jobs/gone/wait; do
	python3 "$SC_TEST/hup.py" "$MNT/$f" loud >"$SC_TEST/${f##*/}.out" &
	echo $! >"$SC_TEST/${f##*/}.pid"
	sc_wait_for "grep -q waiting '$SC_TEST/${f##*/}.out'"
done
rm -r "$MNT/jobs/gone"
for f in status wait; do
	sc_wait_for "grep -q told '$SC_TEST/$f.out'"
	wait "$(<"$SC_TEST/$f.pid")"
done
# The mount stops: likewise.
sc_stop
sc_wait_for "grep -q told '$SC_TEST/events.out'"
wait "$(<"$SC_TEST/events.pid")"

# libuv: a poll handle on a descriptor (epoll), and its poll of a path (stat at intervals).
sc_mount workers=1
submit_open() { # ID: a job that waits in the queue while descriptor $writer is open
	sc_submit "{\"uploadId\":\"open.mp4\",\"jobId\":\"$1\"}" >/dev/null
}
cp "$(media tiny.mp4)" "$MNT/incoming/open.mp4"
exec {writer}>>"$MNT/incoming/open.mp4"
if [[ -x $SC_TOOLS/fs_uv ]]; then
	for kind in poll fs_poll; do
		submit_open "uv-$kind"
		"$SC_TOOLS/fs_uv" $kind "$MNT/jobs/uv-$kind/status" >"$SC_TEST/uv" &
		waiter=$!
		sc_wait_for "grep -q waiting '$SC_TEST/uv'"
		echo cancel >"$MNT/jobs/uv-$kind/control"
		wait $waiter
		contains "$(<"$SC_TEST/uv")" '"status":"cancelled"' "what libuv's $kind found"
	done
fi
# node: fs.watchFile is libuv's poll of a path. (fs.watch is inotify, which sees no change here.)
if command -v node >/dev/null; then
	submit_open node
	cat >"$SC_TEST/watch.js" <<'JS'
const fs = require('fs');
const file = process.argv[2];
fs.watchFile(file, { interval: 50 }, () => {
	const status = JSON.parse(fs.readFileSync(file)).status;
	console.log(status);
	if (status === 'cancelled')
		fs.unwatchFile(file);
});
fs.stat(file, () => console.log('waiting'));
JS
	# One thread: what is asked first, by watchFile, is answered first.
	UV_THREADPOOL_SIZE=1 timeout 60 node "$SC_TEST/watch.js" "$MNT/jobs/node/status" >"$SC_TEST/node" &
	waiter=$!
	sc_wait_for "grep -q waiting '$SC_TEST/node'"
	echo cancel >"$MNT/jobs/node/control"
	wait $waiter
	contains "$(<"$SC_TEST/node")" cancelled "what node's watchFile found"
fi
exec {writer}>&-
sc_umount
