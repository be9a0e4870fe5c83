#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Starting and stopping: what the command line gives back, and every way to end the mount.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

exit_code() {
	local code=0
	"$@" >"$LOG/out" 2>"$LOG/err" || code=$?
	echo "$code"
}

eq "$(exit_code "$SC_BIN/storyclipfs" --help)" 0
contains "$(<"$LOG/out")" "storyclipfs ROOT MOUNTPOINT"
for option in upload_tmp_dir process_work_dir output_root cdn_base database workers stall_timeout \
	watchdog_interval max_attempts upload_wait log; do
	contains "$(<"$LOG/out")" "$option" "--help"
done
eq "$(exit_code "$SC_BIN/storyclipfs" --version)" 0
matches "$(<"$LOG/out")" '[0-9]+\.[0-9]+'

eq "$(exit_code "$SC_BIN/storyclipfs")" 2 "exit code without arguments"
eq "$(exit_code "$SC_BIN/storyclipfs" "$ROOT")" 2 "exit code with one argument"
eq "$(exit_code "$SC_BIN/storyclipfs" "$ROOT" "$MNT" more)" 2 "exit code with three arguments"
eq "$(exit_code "$SC_BIN/storyclipfs" --no-such-option "$ROOT" "$MNT")" 2

# The tree is there as soon as the command returns, and the daemon has no terminal of ours.
sc_mount
for name in README control health incoming jobs by-upload by-status; do
	exists "$MNT/$name"
done
contains "$(cat "$MNT/README")" incoming
eq "$(jq -r .status "$MNT/health")" ok
eq "$(jq -r '[.version, .since, .libfuse, .ffmpeg // "no answer yet", .database.path, .volumes[].path]|map(type)|unique|tostring' "$MNT/health")" \
	'["string"]' "what health tells of the mount"
eq "$(readlink "/proc/$daemon_pid/fd/0")" /dev/null "the daemon's standard input"
for dir in tmp/uploads work outputs database/storyclip.db; do
	exists "$ROOT/$dir"
done
eq "$(stat -c %a "$ROOT/work") $(stat -c %a "$ROOT/database") $(stat -c %a "$ROOT/outputs")" "700 700 755"
mounted=$(grep -F " $MNT " /proc/self/mountinfo)
for option in " fuse.storyclipfs " nosuid nodev noexec default_permissions; do
	contains "$mounted" "$option"
done
[[ $EUID -ne 0 ]] || contains "$mounted" allow_other
sc_umount

for signal in TERM INT; do
	sc_mount
	sc_stop "$signal"
	sc_is_mounted && fail "still mounted after SIG$signal"
done

# What a client has stored through a shared mapping is not lost with the mount.
sc_mount
head -c 8192 /dev/zero >"$MNT/incoming/mapped"
python3 - "$MNT/incoming/mapped" "$daemon_pid" "$MNT/health" <<'END'
import mmap, os, signal, sys, time
with open(sys.argv[1], "r+b") as f:
    mapped = mmap.mmap(f.fileno(), 8192)
    mapped[:6] = b"stored"
    os.kill(int(sys.argv[2]), signal.SIGTERM)
    while os.path.exists(sys.argv[3]):
        time.sleep(0.01)
END
sc_wait_gone "$daemon_pid"
daemon_pid=
eq "$(head -c 6 "$ROOT/tmp/uploads/mapped")" stored "what was mapped"
rm "$ROOT/tmp/uploads/mapped"

# A signal stops it even while a file is open; umount does not.
sc_mount
exec 5<"$MNT/health"
errno_busy=$(umount "$MNT" 2>&1 || fusermount3 -u "$MNT" 2>&1 || true)
matches "$errno_busy" '[Bb]usy'
[[ -f $MNT/health ]] || fail "a refused umount has done harm"
sc_stop TERM
exec 5<&-
sc_is_mounted && fail "still mounted after SIGTERM with an open file"

# In the foreground it stays, and stops likewise.
"$SC_BIN/storyclipfs" -f "$ROOT" "$MNT" >"$LOG/foreground.log" 2>&1 &
daemon_pid=$!
sc_wait_for '[[ -f $MNT/health ]]'
kill -INT "$daemon_pid"
wait "$daemon_pid" || fail "-f ended with $?"
