#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# min_free: a request that would leave less room is refused, and health says what is short of room.
# Then the queue's bound.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
need_root

mkdir "$SC_TEST/small"
mount -t tmpfs -o size=16M tmpfs "$SC_TEST/small"
dirs=process_work_dir=$SC_TEST/small/work,output_root=$SC_TEST/small/outputs
small() { # SIZE: of min_free
	sc_mount "$dirs,min_free=$1"
}

small 10M
eq "$(jq -r .status "$MNT/health")" ok
upload short.mp4
truncate -s 8M "$MNT/incoming/long.mp4"
# 16M hold 10M and the clips of a small upload, but not those of one of 8M, unless it is encoded.
sc_done "$(sc_submit '{"uploadId":"short","clipDuration":2}')"
for cut in exact keyframe; do
	contains "$(sc_refused ENOSPC NO_SPACE "{\"uploadId\":\"long\",\"cut\":\"$cut\"}" | jq -r .error)" \
		"$SC_TEST/small" "message"
done
id=$(sc_submit '{"uploadId":"long","cut":"encode"}')
[[ $(jq -r .status <<<"$(sc_wait_job "$id")") == failed ]] || fail "zeros were encoded"

head -c $((7 << 20)) /dev/zero >"$SC_TEST/small/fill"
sc_refused ENOSPC NO_SPACE '{"uploadId":"short","cut":"encode"}' >/dev/null
eq "$(jq -r .status "$MNT/health")" degraded
contains "$(jq -r '.reasons[]' "$MNT/health")" min_free
sc_refused ENOSPC NO_SPACE retry "$MNT/jobs/$id/control" >/dev/null
rm "$SC_TEST/small/fill"
eq "$(jq -r .status "$MNT/health")" ok
sc_umount

# as a part of each volume, and none at all
small 50%
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"half"}' >/dev/null
sc_done half
head -c $((9 << 20)) /dev/zero >"$SC_TEST/small/fill"
sc_refused ENOSPC NO_SPACE '{"uploadId":"short"}' >/dev/null
rm "$SC_TEST/small/fill"
sc_umount
small 0
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"none"}' >/dev/null
sc_done none
sc_umount
for bad in x -1 1X 5%% 100% M '' 99999999999T; do
	"$SC_BIN/storyclipfs" "$ROOT" "$MNT" -o "$dirs,min_free=$bad" >"$LOG/start" 2>&1 &&
		fail "started with min_free=$bad"
	contains "$(cat "$LOG/start")" min_free
done

# more jobs than may wait
sc_mount max_queue=2,workers=1
echo pause >"$MNT/control"
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"one"}' >/dev/null
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"two"}' >/dev/null
sc_refused EBUSY QUEUE_FULL '{"uploadId":"short"}' >/dev/null
echo resume >"$MNT/control"
sc_done one
sc_done two
sc_umount
umount "$SC_TEST/small"
