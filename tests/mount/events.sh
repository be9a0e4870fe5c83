#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# events: a line for each change of any job, in order, to each reader from its open on; who is too slow
# is told so; readers that are interrupted, killed, or there when the mount stops.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount workers=1
eq "$(stat -c '%a %s %F' "$MNT/events")" "444 0 regular empty file" "events"
sh_errno EACCES "echo x >>'$MNT/events'"
upload tiny.mp4

# One job from its first line to its last, read by two.
exec {one}<"$MNT/events" {two}<"$MNT/events"
sc_submit '{"uploadId":"tiny","jobId":"first","userId":"u 1"}' >/dev/null
sc_done first
exec {later}<"$MNT/events"
rm -r "$MNT/jobs/first"
lines() { # FD LAST: whole lines up to the one with that event
	local line
	while IFS= read -r -u "$1" line; do
		printf '%s\n' "$line"
		[[ $line != *"\"event\":\"$2\""* ]] || return 0
	done
}
lines "$one" removed >"$SC_TEST/one"
lines "$two" removed >"$SC_TEST/two"
cmp "$SC_TEST/one" "$SC_TEST/two"
eq "$(jq -s 'map(.seq) | . == [range(1; length + 1)]' "$SC_TEST/one")" true "numbers from 1 on"
eq "$(jq -sr 'map(.id) | unique[]' "$SC_TEST/one")" first "jobs"
eq "$(jq -r .event "$SC_TEST/one" | uniq | xargs)" "created changed ended changed removed" "events"
eq "$(jq -r .status "$SC_TEST/one" | uniq | xargs)" "queued running done" "states"
eq "$(jq -s 'map(.progress) | . == sort' "$SC_TEST/one")" true "progress never falls"
eq "$(jq -r 'select(.event == "ended") | "\(.progress) \(.clipsReady)/\(.totalClips) \(.uploadId) \(.userId) \(.ownerUid) \(.attempt) \(.error)"' \
	"$SC_TEST/one")" "100 1/1 tiny u 1 $(id -u) 1 null" "the end"
eq "$(lines "$later" removed | jq -r .event | xargs)" "changed removed" "from its open on"
exec {one}<&- {two}<&- {later}<&-

# Numbers go on while nobody reads; a failure says why.
cp "$(media tiny.mp4)" "$MNT/incoming/again.mp4"
exec {writer}>>"$MNT/incoming/again.mp4"
sc_submit '{"uploadId":"again.mp4","jobId":"unread"}' >/dev/null
exec {one}<"$MNT/events"
: >"$MNT/incoming/empty.mp4"
sc_submit '{"uploadId":"empty.mp4","jobId":"bad"}' >/dev/null
lines "$one" ended >"$SC_TEST/bad"
(($(head -n 1 "$SC_TEST/bad" | jq .seq) > $(tail -n 1 "$SC_TEST/one" | jq .seq) + 1)) || fail "nothing was counted"
eq "$(tail -n 1 "$SC_TEST/bad" | jq -r '"\(.id) \(.status) \(.error.code)"')" "bad failed UPLOAD_INCOMPLETE"

# Signals that a reader handles lose nothing; Ctrl-C and kill free it at once.
cat <&"$one" >"$SC_TEST/cat" &
reader=$!
sc_wait_for "[[ \$(cat /proc/$reader/wchan) == *fuse* || \$(cut -d' ' -f3 /proc/$reader/stat) == S ]]"
kill -STOP $reader
sc_wait_for "[[ \$(cut -d' ' -f3 /proc/$reader/stat) == T ]]"
echo cancel >"$MNT/jobs/unread/control"
kill -CONT $reader
sc_wait_for "grep -q '\"unread\",\"status\":\"cancelled\"' '$SC_TEST/cat'"
kill -KILL $reader
sc_wait_gone $reader
exec {one}<&- {writer}>&-
bash -c 'trap - INT; exec cat "$1"' - "$MNT/events" >"$SC_TEST/cat" &
reader=$!
sc_wait_for "[[ \$(cat /proc/$reader/comm) == cat && \$(cut -d' ' -f3 /proc/$reader/stat) == S ]]"
kill -TERM $reader
sc_wait_gone $reader

# A reader makes umount say EBUSY, as any open file; the stop answers it.
cat "$MNT/events" >"$SC_TEST/stopped" 2>&1 &
reader=$!
sc_wait_for "[[ \$(cat /proc/$reader/comm) == cat && \$(readlink /proc/$reader/fd/3) == '$MNT/events' ]]"
! umount_once 2>"$SC_TEST/busy" || fail "umount worked while somebody reads"
contains "$(<"$SC_TEST/busy")" busy
sc_stop
wait $reader && fail "the reader ended well"
contains "$(<"$SC_TEST/stopped")" "${errno_text[ENOTCONN]}"

# As fast as it can: nothing is stale, cut or silently missing, and the daemon does not grow.
sc_use standin
export STORYCLIP_TEST_REPORTS=20000000
sc_mount workers=1
sc_submit '{"uploadId":"tiny","jobId":"busy"}' >/dev/null
sc_wait_for "[[ \$(status_of busy .message) == Exporting*[1-9] ]]"
"$SC_TESTS/tools/fs_events.py" "$MNT" "${SC_EVENTS:-20000}"
echo cancel >"$MNT/jobs/busy/control"
sc_umount
