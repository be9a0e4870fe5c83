#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Somebody opens an upload for writing just while a request for it is being accepted: the job waits for what is written,
# as if the writer had been there before, or the writer is refused. No job fails, none cuts what is half written.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount workers=1
tiny=$(media tiny.mp4)
short=$(media short.mp4)
waits="Waiting for the upload to be closed"

submit() { # ID: in the background; `wait` for it
	echo "{\"uploadId\":\"v.mp4\",\"clipDuration\":1,\"jobId\":\"$1\"}" >"$MNT/control" &
}

fresh() { # v.mp4 is complete in the database
	cp "$tiny" "$MNT/incoming/v.mp4"
	sc_wait_for "[[ \$(sql \"SELECT state FROM uploads WHERE path='v.mp4' AND size=$(stat -c %s "$tiny")\") == complete ]]"
}

# ---- between the question whether somebody writes and the acceptance
fresh
hook_set intake-before-accept once-wait
submit between
hook_wait_reached intake-before-accept
exec 7>"$MNT/incoming/v.mp4" # truncates it, too
hook_go intake-before-accept
wait $!
eq "$(status_of between '"\(.status) \(.message)"')" "queued $waits"
cat "$short" >&7
exec 7>&-
sc_done between
eq "$(sql "SELECT source_size FROM jobs WHERE job_id='between'")" "$(stat -c %s "$short")" "bytes that were cut"
compare_clips "$short" "$MNT/jobs/between/clips" --mode exact --status "$MNT/jobs/between/status"

# ---- the writer has asked whether it may, and is not there yet: the request waits for it
fresh
hook_set fs-writer-opening once-wait
(
	exec 8>>"$MNT/incoming/v.mp4"
	: >"$SC_TEST/opened"
	sc_wait_for '[[ -e $SC_TEST/close ]]'
) &
writer=$!
hook_wait_reached fs-writer-opening
submit narrow
asked=$!
# It holds the upload's bytes by now, and is no job yet.
sc_wait_for '[[ -e $ROOT/tmp/uploads/.storyclip-hold/narrow ]]'
eq "$(sql "SELECT COUNT(*) FROM jobs WHERE job_id='narrow'")" 0 "rows"
hook_go fs-writer-opening
wait $asked
eq "$(status_of narrow '"\(.status) \(.message)"')" "queued $waits"
exists "$SC_TEST/opened"
: >"$SC_TEST/close"
wait $writer
sc_done narrow

# ---- a size that is changed between the two
fresh
hook_set intake-before-accept once-wait
submit cut
hook_wait_reached intake-before-accept
truncate -s 100 "$MNT/incoming/v.mp4"
hook_go intake-before-accept
wait $!
sc_failed cut UPLOAD_INCOMPLETE

# ---- once it is accepted it is held
fresh
hook_set intake-before-accept once-wait
hook_set cut-clip once-wait
submit held
hook_wait_reached intake-before-accept
hook_go intake-before-accept
wait $!
hook_wait_reached cut-clip
sh_errno ETXTBSY "echo x >>'$MNT/incoming/v.mp4'"
hook_go cut-clip
sc_done held
remember_uploads
check_invariants
sc_umount
