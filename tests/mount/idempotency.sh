#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A request that is made twice with one idempotencyKey makes one job, for as long as that job is there.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
upload tiny.mp4

reply() { # FILTER: of the last reply
	jq -c "$1" "$LOG/reply"
}
request='{"uploadId":"tiny","clipDuration":1,"idempotencyKey":"order 4711/ä"}'
id=$(sc_submit "$request")
eq "$(reply .duplicate)" null "duplicate of the first"
sc_done "$id"
eq "$(sc_submit "$request")" "$id" "job of the same request"
eq "$(reply '[.success,.status,.duplicate]')" '[true,"done",true]' "the second reply"
# the same in the other form, and with what is the default anyway
eq "$(sc_submit "idempotencyKey='order 4711/ä' cut=exact maxClips=50 clipDuration=1 uploadId=tiny")" "$id"

contains "$(sc_refused EEXIST KEY_REUSED '{"uploadId":"tiny","clipDuration":2,"idempotencyKey":"order 4711/ä"}' |
	jq -r .error)" "$id" "who has the key"
sc_refused EINVAL INVALID_REQUEST '{"uploadId":"tiny","idempotencyKey":""}' >/dev/null
sc_refused EINVAL INVALID_REQUEST "{\"uploadId\":\"tiny\",\"idempotencyKey\":\"$(printf 'k%.0s' {1..256})\"}" >/dev/null

# It needs no upload any more, and it survives the mount.
rm "$MNT/incoming/tiny.mp4"
sc_umount
sc_mount
eq "$(sc_submit "$request")" "$id" "job of the same request after a restart"

# Another user has keys of their own.
upload tiny.mp4
if [[ $EUID -eq 0 ]] && id nobody >/dev/null 2>&1; then
	chmod 644 "$MNT/incoming/tiny.mp4"
	other=$(setpriv --reuid=nobody --clear-groups bash -c \
		"exec 3<>'$MNT/control'; printf '%s\n' '$request' >&3; cat <&3" | jq -r .jobId)
	[[ $other == job_* && $other != "$id" ]] || fail "nobody got job $other"
	sc_done "$other"
fi

# Forgotten with the job.
rm -r "$MNT/jobs/$id"
new=$(sc_submit "$request")
[[ $new != "$id" ]] || fail "the removed job's id came back"
eq "$(reply .duplicate)" null
sc_done "$new"
eq "$(sql "SELECT count(*) FROM jobs WHERE owner_uid=$EUID")" 1
check_invariants
sc_umount
