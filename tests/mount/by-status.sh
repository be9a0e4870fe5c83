#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# by-status/: five directories, each with a link to every job that is in that state now.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount workers=1
names() { # STATE
	(cd "$MNT/by-status/$1" && printf '%s\n' *) | sed '/^\*$/d' | sort | xargs
}
eq "$(cd "$MNT/by-status" && printf '%s\n' * | sort | xargs)" "cancelled done failed queued running"
for state in cancelled "done" failed queued running; do
	eq "$(names "$state")" "" "jobs that are $state"
done

upload short.mp4
: >"$MNT/incoming/empty.mp4"
hook_set worker-probed once-wait
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"a"}' >/dev/null
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"b"}' >/dev/null
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"c"}' >/dev/null
sc_submit '{"uploadId":"empty","jobId":"d"}' >/dev/null
hook_wait_reached worker-probed
eq "$(names running)" a
eq "$(names queued)" "b c d"
eq "$(readlink "$MNT/by-status/queued/b")" ../../jobs/b
eq "$(jq -r .id "$MNT/by-status/queued/b/status")" b
exists "$MNT/by-status/running/a"
missing "$MNT/by-status/queued/a" "$MNT/by-status/done/a" "$MNT/by-status/queued/nobody" "$MNT/by-status/lost"
echo cancel >"$MNT/by-status/queued/b/control"
eq "$(names cancelled)" b
missing "$MNT/by-status/queued/b"
hook_go worker-probed
sc_done a
sc_done c
sc_failed d UPLOAD_INCOMPLETE
eq "$(names running)$(names queued)" ""
eq "$(names "done") $(names failed) $(names cancelled)" "a c d b"
sh_errno EPERM "rm '$MNT/by-status/done/a'"
sh_errno EPERM "mkdir '$MNT/by-status/done/x'"
rm -r "$MNT/jobs/a"
eq "$(names "done")" c

# Whoever opens a directory may seek anywhere in it.
for dir in . by-status by-status/done by-upload jobs jobs/c jobs/c/clips; do
	python3 "$SC_TESTS/tools/listing.py" --far "$MNT/$dir"
done

# A listing of many pages, none twice, none left out.
sql "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<3000)
	INSERT INTO jobs (job_id, upload_id, owner_uid, owner_gid, status, progress, attempt, failures,
		max_attempts, cut, input_json, source_path, source_dev, source_ino, source_size,
		source_mtime_ns, source_state, order_json, version, created_at, updated_at, finished_at)
	SELECT 'old'||i, upload_id, owner_uid, owner_gid, 'cancelled', 0, 0, 0, 2, cut, input_json,
		source_path, source_dev, source_ino, source_size, source_mtime_ns, source_state, order_json,
		version, created_at, updated_at, updated_at FROM jobs, n WHERE job_id='c'"
eq "$(find "$MNT/by-status/cancelled" -mindepth 1 -printf '%f\n' | sort -u | wc -l)" 3001
eq "$(find "$MNT/by-status/cancelled" -mindepth 1 | wc -l)" 3001
matches "$(sql "EXPLAIN QUERY PLAN SELECT job_id, cookie FROM jobs WHERE status='done' AND cookie > 5 ORDER BY cookie LIMIT 64")" \
	jobs_by_status
sc_umount
