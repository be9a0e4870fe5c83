#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whose request a sidecar is: its writer's, or its file's owner's; and what he may not read he may not cut.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
need_root
need setpriv

chmod 755 "$SC_TEST" # others come by here
back=$ROOT/tmp/uploads
in=$MNT/incoming
nobody=$(id -u nobody)
as_nobody() { # COMMAND…
	setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"
}
owner_of() { # JOB
	sc_wait_for "[[ -e $MNT/jobs/$1 ]]"
	sc_done "$1"
	sql "SELECT owner_uid FROM jobs WHERE job_id='$1'"
}

sc_mount
upload short.mp4 open.mp4
chmod 644 "$in/open.mp4"
upload short.mp4 secret.mp4
chmod 600 "$in/secret.mp4"

# written by another user
as_nobody bash -c "echo '{\"jobId\":\"his\"}' > '$in/open.mp4.process'"
eq "$(owner_of his)" "$nobody" "owner of his job"
as_nobody rm -r "$MNT/jobs/his"

# an upload that he may not read: refused, told to him, in a file of his
errno EACCES as_nobody bash -c "/bin/echo '{\"jobId\":\"spy\"}' > '$in/secret.mp4.process'"
sc_wait_for '[[ $(jq -r .code "$in/secret.mp4.process.error") == UPLOAD_FORBIDDEN ]]'
eq "$(stat -c '%u %a' "$in/secret.mp4.process.error")" "$nobody 644"
missing "$MNT/jobs/spy"
# once he may, it works
chmod 644 "$in/secret.mp4"
as_nobody bash -c "echo '{\"jobId\":\"reader\"}' > '$in/secret.mp4.process'"
eq "$(owner_of reader)" "$nobody"
missing "$in/secret.mp4.process.error"

# behind the mount: the file's owner asks
chmod 600 "$in/secret.mp4"
as_nobody bash -c "echo '{\"jobId\":\"behind\"}' > '$back/open.mp4.process'"
eq "$(owner_of behind)" "$nobody"
as_nobody bash -c "echo '{\"maxClips\":7}' > '$back/secret.mp4.process'"
sc_wait_for '[[ $(jq -r .code "$in/secret.mp4.process.error") == UPLOAD_FORBIDDEN ]]'

# renamed into place: by its owner, or by root for him; another's file cannot be made a request
as_nobody bash -c "echo '{\"jobId\":\"moved\"}' > '$in/moved'; mv '$in/moved' '$in/open.mp4.process'"
eq "$(owner_of moved)" "$nobody"
as_nobody bash -c "echo '{\"jobId\":\"by-root\"}' > '$in/moved'"
mv "$in/moved" "$in/open.mp4.process"
eq "$(owner_of by-root)" "$nobody"
mkdir "$in/wild"
chmod 777 "$in/wild"
echo '{"jobId":"root-job"}' >"$in/wild/mine"
chmod 666 "$in/wild/mine"
upload short.mp4 wild/v.mp4
chmod 600 "$in/wild/v.mp4"
errno EPERM as_nobody mv "$in/wild/mine" "$in/wild/v.mp4.process"
errno EPERM as_nobody ln "$in/wild/mine" "$in/wild/v.mp4.process"
exists "$in/wild/mine"
missing "$MNT/jobs/root-job" "$in/wild/v.mp4.process"
sc_umount
sc_mount
missing "$MNT/jobs/root-job"
check_invariants
sc_umount
