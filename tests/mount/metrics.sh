#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# metrics, jobs.json, uploads.json: they say what is, as snapshots; Prometheus' own checker accepts the first.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount workers=1

sample() { # NAME OF A SAMPLE, with its labels
	awk -v name="$1" 'substr($0, 1, length(name) + 1) == name " " {print $NF}' "$MNT/metrics"
}
listed() { # JQ-FILTER over jobs.json
	jq -r "$1" "$MNT/jobs.json"
}

eq "$(stat -c '%A %u' "$MNT/metrics" "$MNT/jobs.json" "$MNT/uploads.json" | sort -u)" "-r--r--r-- $EUID"
eq "$(listed '.jobs|length') $(listed '.counts.done')" "0 0"
eq "$(jq -c '[.counts[].count]' "$MNT/uploads.json")" "[0,0,0]"

# jobs.json: whoever was told of a change finds it there
upload short.mp4
: >"$MNT/incoming/empty.mp4"
hook_set cut-clip once-wait
a=$(sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"a"}')
eq "$(listed '.jobs[0]|"\(.id) \(.uploadId)"')" "a short"
hook_wait_reached cut-clip
b=$(sc_submit '{"uploadId":"empty","jobId":"b"}')
eq "$(listed '[.jobs[].id]|join(" ")')" "b a"
eq "$(listed '"\(.counts.running) \(.counts.queued) \(.counts.done)"')" "1 1 0"
exec 6<"$MNT/jobs.json"
opened=$(stat -L -c %s /dev/fd/6)
hook_go cut-clip
sc_wait_job "$a" >/dev/null
eq "$(listed '.jobs[1].status')" "done"
sc_failed "$b" UPLOAD_INCOMPLETE
eq "$(listed '"\(.counts.running) \(.counts.queued) \(.counts.done) \(.counts.failed)"')" "0 0 1 1"
# each as in its own status
for id in a b; do
	eq "$(listed ".jobs[]|select(.id==\"$id\")|tojson")" \
		"$(jq -r 'del(.result,.outputs,.warnings)|tojson' "$MNT/jobs/$id/status")" "job $id in jobs.json"
done
eq "$(listed .version)" "$(jq -r .version "$MNT/health")"
# an open one stays what it was
eq "$(stat -L -c %s /dev/fd/6)" "$opened" "size of an open jobs.json"
old=$(cat <&6)
exec 6<&-
eq "$((${#old} + 1)) $(jq -r '.counts.running' <<<"$old")" "$opened 1" "an open jobs.json"
# the newest 200 of more
sql "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<240)
	INSERT INTO jobs (job_id, upload_id, owner_uid, owner_gid, status, progress, attempt, failures,
		max_attempts, cut, input_json, source_path, source_dev, source_ino, source_size,
		source_mtime_ns, source_state, order_json, version, created_at, updated_at, finished_at)
	SELECT 'n'||i, upload_id, owner_uid, owner_gid, 'cancelled', 0, 0, 0, 2, cut, input_json,
		source_path, source_dev, source_ino, source_size, source_mtime_ns, source_state, order_json,
		version, created_at, updated_at, updated_at FROM jobs, n WHERE job_id='b'"
c=$(sc_submit '{"uploadId":"empty","jobId":"c"}')
sc_failed "$c" UPLOAD_INCOMPLETE
eq "$(listed '"\(.jobs|length) \(.jobs[0].id) \(.jobs[199].id)"')" "200 c n42"
eq "$(listed '[.counts[]]|add') $(listed .counts.cancelled)" "243 240"
rm -r "$MNT/jobs/a"
eq "$(listed '.counts.done')" 0

# uploads.json: also what is being written
sc_wait_for '[[ $(jq -r ".counts.complete.count" "$MNT/uploads.json") == 2 ]]'
eq "$(jq -r '.uploads[]|select(.uploadId=="short.mp4")|"\(.size) \(.state) \(.job)"' "$MNT/uploads.json")" \
	"$(stat -c %s "$(media short.mp4)") complete null"
eq "$(jq -r '.uploads[]|select(.uploadId=="empty.mp4")|"\(.job.id) \(.job.status)"' "$MNT/uploads.json")" "c failed"
exec 7>"$MNT/incoming/slow.mp4"
head -c 123456 /dev/zero >&7
sc_wait_for '[[ $(jq -r ".uploads[]|select(.uploadId==\"slow.mp4\")|\"\(.size) \(.state)\"" "$MNT/uploads.json") == "123456 open" ]]'
exec 7>&-
sc_wait_for '[[ $(jq -r ".uploads[]|select(.uploadId==\"slow.mp4\")|.state" "$MNT/uploads.json") == complete ]]'

# metrics: at most a second old
sc_wait_for '[[ $(sample "storyclip_uploads{state=\"complete\"}") == 3 ]]'
eq "$(sample 'storyclip_jobs_finished_total{state="done",code=""}')" 1
eq "$(sample 'storyclip_jobs_finished_total{state="failed",code="UPLOAD_INCOMPLETE"}')" 2
eq "$(sample 'storyclip_jobs_finished_total{state="failed",code="STALLED"}')" 0
eq "$(sample 'storyclip_jobs{state="cancelled"}')" 240
eq "$(sample 'storyclip_job_duration_seconds_count')" 1
eq "$(sample 'storyclip_job_wait_seconds_count')" 3
eq "$(sample 'storyclip_clips_total{method="copy"}')" 5
# shared or copied: this is ext4 or tmpfs mostly, where nothing can be shared; mount/cut-reflink.sh has the other
stored() { echo "$(sample "storyclip_clips_stored_total{by=\"$1\"}") $(sample "storyclip_clip_stored_bytes_total{by=\"$1\"}")"; }
bytes=$(sample 'storyclip_clip_bytes_total{method="copy"}')
le 100000 "$bytes" "bytes of clips"
case $(stat -f -c %T "$ROOT") in
ext2/ext3 | tmpfs) eq "$(stored shared), $(stored copied)" "0 0, 5 $bytes" "clips and bytes, shared and copied" ;;
*) eq "$(($(sample 'storyclip_clip_stored_bytes_total{by="shared"}') + $(sample 'storyclip_clip_stored_bytes_total{by="copied"}')))" "$bytes" ;;
esac
for phase in accept claim prepare start probe cut exit mark publish "done"; do
	eq "$(sample "storyclip_job_phase_seconds_count{phase=\"$phase\"}")" 1 "phases $phase"
done
eq "$(sample 'storyclip_job_phase_seconds_count{phase="copy"}')" 0
lookups=$(sample 'storyclip_fuse_request_duration_seconds_count{operation="lookup"}')
((lookups > 20)) || fail "only $lookups look-ups were counted"
timeout 60 cat "$MNT/jobs/n1/wait" >/dev/null
# whoever was told of a job's end finds it counted, and its acceptance with the reply, however new the version before
ended=$(sample 'storyclip_jobs_finished_total{state="done",code=""}')
for k in 1 2 3; do
	id=$(sc_submit '{"uploadId":"short","clipDuration":2}')
	eq "$(awk '/^storyclip_jobs{state="(queued|running|done)"}/ {n += $NF} END {print n + 0}' "$MNT/metrics")" "$k"
	cat "$MNT/jobs/$id/wait" "$MNT/metrics" >"$SC_TEST/both"
	eq "$(awk '/^storyclip_jobs_finished_total{state="done",code=""}/ {print $NF}' "$SC_TEST/both")" "$((ended + k))"
done
eq "$(sample storyclip_fuse_parked_readers)" 0
hook_set worker-start once-wait
id=$(sc_submit '{"uploadId":"short"}')
timeout 60 cat "$MNT/jobs/$id/wait" >/dev/null &
sc_wait_for '[[ $(sample storyclip_fuse_parked_readers) == 1 ]]'
eq "$(sample 'storyclip_workers{state="busy"}')" 1
hook_go worker-start
wait $!

# uploads.json knows the job of a name that is not UTF-8
upload short.mp4 $'caf\xe9.mp4'
sc_submit '{"uploadId":"caf%E9","jobId":"latin"}' >/dev/null
sc_done latin
sc_wait_for '[[ $(jq -r ".uploads[]|select(.uploadId==\"caf%E9.mp4\")|.job.id" "$MNT/uploads.json") == latin ]]'
rm -r "$MNT/jobs/latin" "$MNT/incoming/"caf*
# one version is one version
cp "$MNT/metrics" "$SC_TEST/metrics"
eq "$(grep -c '^# TYPE' "$SC_TEST/metrics")" "$(grep -c '^# HELP' "$SC_TEST/metrics")"
eq "$(grep '^# TYPE' "$SC_TEST/metrics" | sort | uniq -d)" ""
if command -v promtool >/dev/null; then
	eq "$(promtool check metrics <"$SC_TEST/metrics" 2>&1)" "" "promtool check metrics"
else
	echo "promtool is not installed: not asked"
fi
# the job's log says what its steps took
matches "$(grep ' phases: ' "$MNT/jobs/$id/log")" \
	'accept [0-9.]+, claim [0-9.]+, prepare [0-9.]+, start [0-9.]+, probe [0-9.]+, cut [0-9.]+, exit [0-9.]+, mark [0-9.]+, publish [0-9.]+, done [0-9.]+ ms; of that commits and syncs [0-9.]+ ms$'
sc_umount
