#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Who comes from the system that this one replaces: its environment names, directories, requests and queries.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need sqlite3
export UPLOAD_TMP_DIR=$SC_TEST/old/tmp PROCESS_WORK_DIR=$SC_TEST/old/work OUTPUT_ROOT=$SC_TEST/old/out
export CDN_BASE=https://cdn.example/stories
# what the old upload service had put there before
mkdir -p "$UPLOAD_TMP_DIR"
cp "$(media short.mp4)" "$UPLOAD_TMP_DIR/test_001.mp4"
sc_mount
eq "$(find "$SC_TEST/old" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort | xargs)" "out tmp work"
exists "$MNT/incoming/test_001.mp4"
upload short.mp4 test_002.mp4

for n in 1 2; do
	echo "{\"uploadId\":\"test_00$n\",\"clipDuration\":5,\"maxClips\":50}" >"$MNT/control"
	reply=$(cat "$MNT/control")
	eq "$(jq -r '"\(.success) \(.status) \(.message)"' <<<"$reply")" "true queued Story processing started"
	id=$(jq -r .jobId <<<"$reply")
	sc_done "$id"
done
eq "$(find "$OUTPUT_ROOT/$id" -type f -printf '%f %m\n' | sort | xargs)" "clip_001.mp4 644 clip_002.mp4 644"
eq "$(stat -c %a "$OUTPUT_ROOT/$id" "$OUTPUT_ROOT" | xargs)" "755 755"
[[ $EUID -ne 0 ]] || eq "$(stat -c %U:%G "$OUTPUT_ROOT/$id" "$OUTPUT_ROOT/$id/clip_001.mp4" | xargs)" \
	"www-data:www-data www-data:www-data"
eq "$(jq -r '.outputs[0]' "$MNT/jobs/$id/status")" "https://cdn.example/stories/$id/clip_001.mp4"
eq "$(find "$PROCESS_WORK_DIR" -mindepth 1 -name "$id*")" "" "work of an ended job"

# its queries, as they stood in its scripts
eq "$(sql 'SELECT job_id, status, progress, error_msg FROM jobs ORDER BY created_at DESC LIMIT 10;' | head -n 1)" \
	"$id|done|100|"
eq "$(sql "SELECT COUNT(*) FROM jobs WHERE status='done' AND progress=100;")" 2
eq "$(sql "SELECT * FROM jobs WHERE status='running' AND progress >= 95;")" ""
columns=" $(sql "SELECT name FROM pragma_table_info('jobs')" | xargs) "
for c in job_id upload_id user_id owner_uid idempotency_key status progress message error_code error_msg \
	attempt failures max_attempts priority input_json output_urls created_at started_at updated_at finished_at; do
	contains "$columns" " $c " "columns of jobs"
done
columns=" $(sql "SELECT name FROM pragma_table_info('uploads')" | xargs) "
for c in upload_id path size mtime state created_at; do
	contains "$columns" " $c " "columns of uploads"
done
eq "$(sql "SELECT path||' '||state FROM uploads ORDER BY path" | xargs)" \
	"test_001.mp4 complete test_002.mp4 complete"
eq "$(sql "SELECT output_urls FROM jobs WHERE job_id='$id'" | jq -r 'length')" 2
sc_umount
