#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# examples/try-it does the main job, a second time too, and after everything was killed midway.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need jq ffmpeg
try_it=("$SC_TESTS/../examples/try-it" --dir "$SC_TEST/demo" --build "$SC_BUILD")
run() { # ARGUMENTS
	"${try_it[@]}" "$@" >"$LOG/try-it" 2>&1 || fail "try-it $*: $(tail -n 20 "$LOG/try-it")"
}
mnt=$SC_TEST/demo/mount

video=$(media main.mp4)
run "$video"
eq "$(grep -c '^clip_[0-9]*\.mp4 .*h264.*aac' "$LOG/try-it")" 13 "clips that it shows"
contains "$(<"$LOG/try-it")" "100%  Job completed - 100%"
contains "$(<"$LOG/try-it")" "To keep the mount"
sc_is_mounted "$mnt" && fail "still mounted"
eq "$(find "$SC_TEST/demo/root/outputs" -name '*.mp4' | wc -l)" 13

# killed in the middle, itself and the daemon: a dead mount point, and a job wherever it was just then
long=$(media long.mp4)
"${try_it[@]}" "$long" >"$LOG/killed" 2>&1 &
script=$!
sc_wait_for '[[ $(find "$mnt/jobs" -mindepth 1 -maxdepth 1 | wc -l) -eq 2 ]]' 60
kill -KILL "$script" "$(sc_pid "$SC_TEST/demo/root")"
wait "$script" || true
sc_wait_for '[[ $(cat "$mnt/health" 2>&1) == *"${errno_text[ENOTCONN]}"* ]]' 5
run "$video"

# killed itself only: the mount is alive, from a run with --keep too
run --keep "$video"
[[ -f $mnt/health ]] || fail "--keep has not kept the mount"
(cd / && run "$video")
sc_is_mounted "$mnt" && fail "still mounted"
# what it makes when no video is given
run
contains "$(<"$LOG/try-it")" "test-picture.mp4"
eq "$(grep -c '^clip_[0-9]*\.mp4 ' "$LOG/try-it")" 13
