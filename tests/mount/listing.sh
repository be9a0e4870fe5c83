#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# timeout: 300
# A long history: listings are whole, streamed, and stable while jobs come and go; memory stays small.
# SC_JOBS=100000 (or 1000000) makes it as long as you like.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

jobs=${SC_JOBS:-12000}
# An empty one first: what it needs, and its directories.
sc_mount
empty=$(rss_kib "$daemon_pid")
sc_umount
# One commit for each: on a tmpfs, since it is only a history.
made=$(mktemp -d -p /dev/shm)
"$SC_TOOLS/make_jobs" "$made/storyclip.db" "$ROOT/outputs" "$jobs"
rm -f "$ROOT"/database/storyclip.db*
mv "$made"/storyclip.db* "$ROOT/database/"
rmdir "$made"
sc_mount

# whole, by any client
ls "$MNT/jobs" >"$SC_TEST/names"
eq "$(wc -l <"$SC_TEST/names")" "$jobs" "ls jobs | wc -l"
eq "$(sort -u "$SC_TEST/names" | wc -l)" "$jobs"
eq "$(find "$MNT/jobs" -mindepth 1 -maxdepth 1 -type d | wc -l)" "$jobs" "find"
eq "$(find "$MNT/by-status/done" -type l | wc -l)" "$((jobs * 3 / 4))" "by-status/done"
eq "$(find "$MNT/by-status/failed" -type l | wc -l)" "$((jobs / 4))" "by-status/failed"
eq "$(find "$MNT/by-upload" -type l | wc -l)" "$jobs" "by-upload"
for dir in jobs by-status/done by-upload; do
	"$SC_TESTS/tools/listing.py" "$MNT/$dir" >/dev/null
done
eq "$(jq -c '[.counts.done,.counts.failed,(.jobs|length)]' "$MNT/jobs.json")" "[$((jobs * 3 / 4)),$((jobs / 4)),200]"

# any of them
mapfile -t some < <(sed -n "1p;$((jobs / 2))p;\$p" "$SC_TEST/names")
for name in "${some[@]}"; do
	eq "$(stat -c %F "$MNT/jobs/$name")" directory
	eq "$(jq -r .id "$MNT/jobs/$name/status")" "$name"
done

# while jobs come and go: those that stay are there once, those that went before they were reached are not
upload short.mp4
first=$(sed -n 1p "$SC_TEST/names")
mapfile -t doomed < <(tail -n 300 "$SC_TEST/names")
change() {
	rmdir "$MNT/jobs/$first" "${doomed[@]/#/$MNT/jobs/}"
	for i in {1..5}; do
		sc_submit "{\"uploadId\":\"short\",\"jobId\":\"new$i\"}"
	done
}
export -f change sc_submit
export first
cat >"$SC_TEST/change" <<EOF
. "$SC_TESTS/lib/sc.sh"
$(declare -p first doomed)
$(declare -f change)
change
EOF
"$SC_TESTS/tools/listing.py" --third $((jobs / 3)) --names "$SC_TEST/during" "$MNT/jobs" bash "$SC_TEST/change" >/dev/null
eq "$(grep -c '^new' "$SC_TEST/during")" 5 "new jobs behind where the reader was"
printf '%s\n' "${doomed[@]}" | sort >"$SC_TEST/doomed"
eq "$(sort "$SC_TEST/during" | comm -12 - "$SC_TEST/doomed" | wc -l)" 0 "jobs that went before they were reached"
eq "$(grep -v '^new' "$SC_TEST/during" | sort | comm -23 <(sort "$SC_TEST/names") - | wc -l)" 300 "jobs that were left out"
for i in {1..5}; do
	sc_done "new$i"
done
eq "$(find "$MNT/jobs" -mindepth 1 -maxdepth 1 | wc -l)" $((jobs - 301 + 5))

# what was listed with all its attributes, too
find "$MNT/jobs" -maxdepth 1 -printf '%T@\n' >/dev/null
grown=$(($(rss_kib "$daemon_pid") - empty))
echo "memory: $empty KiB when empty, $grown KiB more with $jobs jobs"
[[ $SC_SLOW != 1 ]] || ((jobs > 100000)) || le "$grown" 32768 "memory, in KiB more than an empty one's"
sc_umount
