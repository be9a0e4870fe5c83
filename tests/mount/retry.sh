#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# retry of a job that failed or was cancelled: the same id, a new count of failures, the upload as it
# is now. Whose job it is, and in which state, is looked at first.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount workers=1
retry() { # ID: prints the reply
	local fd
	exec {fd}<>"$MNT/jobs/$1/control"
	echo retry >&"$fd"
	cat <&"$fd"
	exec {fd}>&-
}

# Cut short, failed, copied anew, retried: no new request is needed.
short=$(media short.mp4)
head -c $(($(stat -c %s "$short") / 2)) "$short" >"$MNT/incoming/short.mp4"
id=$(sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"again"}')
sc_failed again UPLOAD_INCOMPLETE
created=$(status_of again .createdAt)
rm "$MNT/incoming/short.mp4"
sc_refused ENOENT UPLOAD_NOT_FOUND retry "$MNT/jobs/again/control" >/dev/null
eq "$(status_of again .status)" failed "state after a refused retry"
upload short.mp4
eq "$(retry again | jq -c '[.success,.jobId,.status]')" '[true,"again","queued"]' "reply to retry"
sc_done again
eq "$(status_of again '[.attempt,.error,.createdAt]|tostring')" "[2,null,\"$created\"]"
compare_clips "$short" "$MNT/jobs/again/clips" --mode exact --status "$MNT/jobs/again/status"
grep -q 'taken up again by uid' "$MNT/jobs/again/log"
cmp "$MNT/jobs/again/source" "$short"

# Only of failed and cancelled jobs.
sc_refused EINVAL INVALID_REQUEST retry "$MNT/jobs/again/control" >/dev/null
hook_set worker-probed once-wait
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"busy"}' >/dev/null
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"behind"}' >/dev/null
hook_wait_reached worker-probed
sc_refused EINVAL INVALID_REQUEST retry "$MNT/jobs/busy/control" >/dev/null
sc_refused EINVAL INVALID_REQUEST retry "$MNT/jobs/behind/control" >/dev/null
echo cancel >"$MNT/jobs/behind/control"
echo cancel >"$MNT/jobs/busy/control"
retry busy >/dev/null
retry behind >/dev/null
sc_done busy
sc_done behind

# Only by its owner and root.
if [[ $EUID -eq 0 ]] && id nobody >/dev/null 2>&1; then
	hook_set worker-probed once-wait
	sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"mine"}' >/dev/null
	hook_wait_reached worker-probed
	echo cancel >"$MNT/jobs/mine/control"
	said=$(setpriv --reuid=nobody --clear-groups bash -c "echo retry >'$MNT/jobs/mine/control'" 2>&1) &&
		fail "nobody may retry root's job"
	contains "$said" "${errno_text[EACCES]}"
fi

# Killed after it was taken up again: the next mount has it done.
hook_set worker-probed once-wait
sc_submit '{"uploadId":"short","clipDuration":2,"jobId":"killed"}' >/dev/null
hook_wait_reached worker-probed
echo cancel >"$MNT/jobs/killed/control"
hook_set engine-accepted once-kill
retry killed >/dev/null 2>&1 || true
sc_wait_dead
sc_mount workers=1
sc_done killed
check_invariants
sc_umount
