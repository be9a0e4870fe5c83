#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# kill -9 of the daemon while uploads are open: what was closed is complete, what was not is incomplete.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare upload_wait=60
src=$(media short.mp4)
upload short.mp4 whole.mp4
sc_wait_for '[[ $(sql "SELECT state FROM uploads WHERE path='\''whole.mp4'\''") == complete ]]'
exec 4>"$MNT/incoming/part.mp4"
head -c 100000 "$src" >&4
echo '{"uploadId":"part","jobId":"waiting"}' >"$MNT/control"
eq "$(status_of waiting .message)" "Waiting for the upload to be closed"
passthrough=$(jq -r .passthrough.on "$MNT/health")
sc_kill9
errno ENOTCONN stat "$MNT/incoming/part.mp4"
part=100000
if [[ $passthrough == true ]]; then
	# What is open is the kernel's: it writes on without a daemon.
	head -c 101000 "$src" | tail -c 1000 >&4
	part=101000
else
	errno ENOTCONN bash -c 'tail -c +100001 "$1" >&4' - "$src"
fi
exec 4>&- || true

sc_mount "$crash_options",upload_wait=60
cmp "$MNT/incoming/whole.mp4" "$src"
eq "$(stat -c %s "$MNT/incoming/part.mp4")" $part "bytes of the unfinished upload"
eq "$(sql "SELECT path||' '||state FROM uploads WHERE path IN ('part.mp4','whole.mp4') ORDER BY path" | xargs)" \
	"part.mp4 incomplete whole.mp4 complete"
sc_failed waiting UPLOAD_INCOMPLETE
echo '{"uploadId":"part","jobId":"again"}' >"$MNT/control"
sc_failed again UPLOAD_INCOMPLETE
echo '{"uploadId":"whole","jobId":"whole"}' >"$MNT/control"
sc_done whole
# written and closed again it is complete, as is what is put into its place
tail -c +$((part + 1)) "$src" >>"$MNT/incoming/part.mp4"
echo '{"uploadId":"part","jobId":"mended"}' >"$MNT/control"
sc_done mended
remember_uploads
crash_check
