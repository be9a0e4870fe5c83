#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A job's files under the hands of ordinary programs: cat, ls, find, cp, tail -f, diff, grep.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount
upload short.mp4
hook_set cut-clip once-wait
id=$(sc_submit '{"uploadId":"short.mp4"}')
job=$MNT/jobs/$id
hook_wait_reached cut-clip

eq "$(find "$job" -mindepth 1 -maxdepth 1 -printf "%f\n" | sort | xargs)" "clips control log progress request source status wait"
eq "$(find "$job" -maxdepth 1 -type f | wc -l) $(find "$job" -type l | wc -l)" "6 1"
eq "$(stat -c %A "$job/status" "$job/control" "$job/clips" | xargs)" "-r--r--r-- -rw-r--r-- drwxr-xr-x"
eq "$(stat -c %s "$job/wait" "$job/control" | xargs)" "0 0"
for f in status progress request; do
	eq "$(stat -c %s "$job/$f")" "$(wc -c <"$job/$f")" "size of $f"
	cp "$job/$f" "$SC_TEST/copy" && cmp "$job/$f" "$SC_TEST/copy"
done
# the upload itself, by a relative link
eq "$(readlink "$job/source")" ../../incoming/short.mp4
cmp "$job/source" "$(media short.mp4)"
eq "$(readlink "$MNT/by-upload/short.mp4")" "../jobs/$id"

# wait blocks until the end, then says what status says; several may wait
timeout 60 cat "$job/wait" >"$SC_TEST/wait1" &
first=$!
timeout 60 cat "$job/wait" >"$SC_TEST/wait2" &
second=$!
# a reader that gives up does no harm
errno_timeout=0
timeout 0.2 cat "$job/wait" || errno_timeout=$?
eq "$errno_timeout" 124 "exit code of a reader that was ended"
# the log grows under tail -f
tail -n +1 -f --pid=$$ "$job/log" >"$SC_TEST/tail" &
tail=$!
kill -0 $first $second || fail "wait has not blocked"

# an open text stays what it was
exec 6<"$job/status"
read -r old <"$job/status"
hook_go cut-clip
wait $first $second
cmp "$SC_TEST/wait1" "$job/status"
cmp "$SC_TEST/wait2" "$job/status"
eq "$(cat <&6)" "$old" "the version that was opened"
exec 6<&-
eq "$(jq -r .status "$SC_TEST/wait1")" "done"
# after the end it does not block any more
cmp <(timeout 10 cat "$job/wait") "$job/status"
sc_wait_for 'cmp -s "$SC_TEST/tail" "$job/log"'
kill $tail
eq "$(stat -c %s "$job/log")" "$(wc -c <"$job/log")" "size of the log"
while IFS= read -r line; do
	matches "$line" '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z ' "a line of the log"
done <"$job/log"

# clips: whole, read-only
eq "$(find "$job/clips" -mindepth 1 -printf "%f\n" | sort | xargs)" "clip_001.mp4 clip_002.mp4"
eq "$(stat -c %a "$job/clips/clip_001.mp4")" 444
if (echo x >>"$job/clips/clip_001.mp4") 2>/dev/null; then fail "a clip could be written"; fi
if (: >"$job/clips/new") 2>/dev/null; then fail "a file could be made among the clips"; fi
if mkdir "$job/new" 2>/dev/null; then fail "a directory could be made in the job"; fi
cmp "$job/clips/clip_001.mp4" "$ROOT/outputs/$id/clip_001.mp4"
tail -c 1000 "$job/clips/clip_002.mp4" | cmp - <(tail -c 1000 "$ROOT/outputs/$id/clip_002.mp4")
cp -r "$job/clips" "$SC_TEST/clips" && diff -r "$SC_TEST/clips" "$ROOT/outputs/$id"
rsync -a "$job/clips/" "$SC_TEST/clips2/" && diff -r "$SC_TEST/clips2" "$ROOT/outputs/$id"
# a whole job can be copied once it has ended
cp -r "$job" "$SC_TEST/job" && cmp "$SC_TEST/job/status" "$job/status"

# the source link goes when the path is another file
rm "$MNT/incoming/short.mp4"
missing "$job/source"
upload short.mp4
missing "$job/source"
check_invariants
sc_umount
