#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What status says in a job's life, by the names that programs rely on.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount cdn_base=https://cdn.example/clips
upload short.mp4

# while it runs: nothing of the result yet
hook_set cut-clip once-wait
id=$(sc_submit '{"uploadId":"short","clipDuration":5,"maxClips":50,"userId":"u-7"}')
hook_wait_reached cut-clip
status=$(cat "$MNT/jobs/$id/status")
eq "$(jq -c '[.id,.status,.uploadId,.cut,.attempt]' <<<"$status")" "[\"$id\",\"running\",\"short\",\"exact\",1]"
eq "$(jq -c '[.result,.processingMs,.outputs,.error,.finishedAt]' <<<"$status")" "[null,null,[],null,null]"
eq "$(jq -r '"\(.totalClips) \(.clipsReady) \(.message)"' <<<"$status")" "2 0 Exporting clips..."
eq "$(jq .progress <<<"$status")" "$(cat "$MNT/jobs/$id/progress")" "progress"
(($(jq .progress <<<"$status") >= 30)) || fail "progress while exporting: $status"
missing "$ROOT/outputs/$id"
eq "$(sql "SELECT status FROM jobs WHERE job_id='$id'")" running

hook_go cut-clip
sc_done "$id"
status=$(cat "$MNT/jobs/$id/status")
eq "$(jq -c '[.totalClips,.clipsReady,.error,.warnings]' <<<"$status")" "[2,2,null,[]]"
eq "$(jq -c .outputs <<<"$status")" \
	"[\"https://cdn.example/clips/$id/clip_001.mp4\",\"https://cdn.example/clips/$id/clip_002.mp4\"]"
eq "$(jq -c '.outputs == [.result.artifacts[].url]' <<<"$status")" true
for n in 1 2; do
	clip=$(jq -c ".result.artifacts[$n - 1]" <<<"$status")
	eq "$(jq -c '[.id,.type,.format,.filename,.method,.dropped]' <<<"$clip")" \
		"[\"clip_00$n\",\"video\",\"mp4\",\"clip_00$n.mp4\",\"copy\",[]]"
	eq "$(jq .size <<<"$clip")" "$(stat -c %s "$ROOT/outputs/$id/clip_00$n.mp4")" "size of clip $n"
	eq "$(jq '.start+0' <<<"$clip") $(jq '.duration+0' <<<"$clip")" "$(((n - 1) * 5)) 5" "place of clip $n"
done
for field in createdAt startedAt updatedAt finishedAt; do
	matches "$(jq -r .$field <<<"$status")" '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z$' "$field"
done
eq "$(jq '.createdAt <= .startedAt and .startedAt <= .updatedAt and .updatedAt <= .finishedAt' <<<"$status")" true
eq "$(jq '.processingMs >= 0' <<<"$status")" true
eq "$(cat "$MNT/jobs/$id/progress")" 100
eq "$(jq -c . "$MNT/jobs/$id/request")" "$(jq -c . <<<"$(sql "SELECT input_json FROM jobs WHERE job_id='$id'")")"
eq "$(sql "SELECT output_urls FROM jobs WHERE job_id='$id'" | jq -c .)" "$(jq -c .outputs <<<"$status")"
eq "$(sql "SELECT user_id,upload_id,status,progress,error_msg FROM jobs WHERE job_id='$id'")" "u-7|short|done|100|"

# a job that fails says why, in each place the same
: >"$MNT/incoming/empty.mp4"
id=$(sc_submit '{"uploadId":"empty.mp4"}')
sc_failed "$id" UPLOAD_INCOMPLETE
status=$(cat "$MNT/jobs/$id/status")
eq "$(sql "SELECT error_code||' '||error_msg FROM jobs WHERE job_id='$id'")" \
	"$(jq -r '"\(.error.code) \(.error.message)"' <<<"$status")"
eq "$(jq -c '[.result,.outputs]' <<<"$status")" "[null,[]]"
eq "$(find "$MNT/jobs/$id/clips" -mindepth 1)" "" "clips of a failed job"
check_invariants
sc_umount

# without CDN_BASE a clip's address is relative to the mount
sc_use shipped
sc_mount
id=$(sc_submit '{"uploadId":"short.mp4","cut":"keyframe"}')
sc_done "$id"
for url in $(status_of "$id" '.outputs[]'); do
	matches "$url" "^jobs/$id/clips/clip_00[0-9].mp4$"
	exists "$MNT/$url"
done
sc_umount
