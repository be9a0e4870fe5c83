#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The forms of a request, and the ways to read the reply.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
upload tiny.mp4
upload tiny.mp4 "my video.mp4"
upload tiny.mp4 umlaut-ä.mp4
mkdir "$MNT/incoming/dir" && upload tiny.mp4 dir/deep.mp4
control=$MNT/control

input() { # JOB FILTER of the request as it was accepted
	jq -r "$2" "$MNT/jobs/$1/request"
}

# as the README says
echo '{"uploadId":"tiny","clipDuration":1,"maxClips":50,"jobId":"json"}' >"$control"
reply=$(cat "$control")
eq "$(jq -r '"\(.success) \(.jobId) \(.status) \(.message)"' <<<"$reply")" \
	"true json queued Story processing started"
echo uploadId="'my video.mp4'" clipDuration=1 jobId=pairs >"$control"
contains "$(cat "$control")" '"jobId":"pairs"'
eq "$(input pairs '"\(.uploadId) \(.clipDuration)"')" "my video.mp4 1"

# quoting as in sh
echo 'uploadId="my video.mp4" jobId=double userId="it'"'"'s \"me\""' >"$control"
eq "$(input double .userId)" "it's \"me\""
echo 'uploadId=my\ video.mp4 jobId=backslash' >"$control"
eq "$(input backslash .uploadId)" "my video.mp4"
# a line without newline acts at the flush
printf 'uploadId=tiny.mp4 jobId=noline' >"$control"
exists "$MNT/jobs/noline"
# JSON without newline acts with its closing brace, over several lines and writes too
printf '{"uploadId":"tiny.mp4","jobId":"nobreak"}' >"$control"
exists "$MNT/jobs/nobreak"
printf '{\n  "uploadId": "tiny.mp4",\n  "jobId": "lines", "userId": "}{\\""\n}\n' >"$control"
eq "$(input lines .userId)" '}{"'
printf '{"uploadId":"umlaut-\\u00e4.mp4","jobId":"unicode"}\n' >"$control"
eq "$(input unicode .uploadId)" umlaut-ä.mp4
# bytes that are not UTF-8 are taken as %XX, and shown so
upload tiny.mp4 $'caf\xe9.mp4'
echo '{"uploadId":"caf%E9","jobId":"latin1"}' >"$control"
eq "$(input latin1 .uploadId) $(status_of latin1 .uploadId)" "caf%E9 caf%E9"
cmp "$MNT/jobs/latin1/source" "$MNT/incoming/"$'caf\xe9.mp4'
echo '{"uploadId":"dir/deep","jobId":"deep"}' >"$control"
exists "$MNT/jobs/deep"
eq "$(readlink "$MNT/by-upload/dir%2Fdeep")" ../jobs/deep
# the ranges of a request
echo '{"uploadId":"tiny.mp4","clips":[{"start":0,"end":0.5},{"start":0.25,"end":1.5}],"jobId":"ranges"}' >"$control"
sc_done ranges
# 25 frames a second: those that begin within a range, shown until the next
eq "$(status_of ranges '[.result.artifacts[]|[.start+0,.duration+0]]|tostring')" "[[0,0.52],[0.28,1.24]]"

# one descriptor: each request has its reply, a latest one from its start
exec 3<>"$control"
echo '{"uploadId":"tiny.mp4","jobId":"first"}' >&3
contains "$(cat <&3)" '"jobId":"first"'
(echo '{"uploadId":"nope"}' >&3) 2>/dev/null && fail "nope was accepted"
contains "$(cat <&3)" UPLOAD_NOT_FOUND
echo '{"uploadId":"tiny.mp4","jobId":"second"}' >&3
contains "$(head -n 1 <&3)" '"jobId":"second"'
# somebody else's requests in between do not change what this descriptor reads
echo '{"uploadId":"tiny.mp4","jobId":"between"}' >"$control"
contains "$(cat "$control")" between
echo '{"uploadId":"tiny.mp4","jobId":"third"}' >&3
read -r reply <&3
contains "$reply" '"jobId":"third"' "read by a shell's read, a byte at a time"
exec 3>&-

# writes in pieces, byte by byte, without a flush in between (a shell's printf flushes each time)
contains "$(python3 - "$control" <<'END'
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
for byte in b'{"uploadId":"tiny.mp4","jobId":"bytes"}':
    os.write(fd, bytes([byte]))
print(os.read(fd, 4096).decode())
END
)" '"jobId":"bytes"'
# several requests in one write: each is carried out
printf 'uploadId=tiny.mp4 jobId=one\nuploadId=tiny.mp4 jobId=two\n' | dd of="$control" bs=4096 status=none
exists "$MNT/jobs/one" "$MNT/jobs/two"

# other shells, and programs that open in other ways
dash -c "echo '{\"uploadId\":\"tiny.mp4\",\"jobId\":\"dash\"}' >$control"
echo '{"uploadId":"tiny.mp4","jobId":"tee"}' | tee "$control" >/dev/null
echo '{"uploadId":"tiny.mp4","jobId":"append"}' >>"$control"
echo '{"uploadId":"tiny.mp4","jobId":"cat"}' | cat >"$control"
echo '{"uploadId":"tiny.mp4","jobId":"dd"}' | dd of="$control" status=none
python3 -c 'import sys; open(sys.argv[1], "w").write("{\"uploadId\":\"tiny.mp4\",\"jobId\":\"python\"}\n")' "$control"
for id in dash tee append cat dd python; do
	exists "$MNT/jobs/$id"
done

# an id is made when none is given
id=$(sc_submit '{"uploadId":"tiny.mp4"}')
matches "$id" '^job_[0-9]{13}_[0-9a-z]{8}$'
for id in $(sql 'SELECT job_id FROM jobs'); do
	sc_done "$id"
done
check_invariants
sc_umount
