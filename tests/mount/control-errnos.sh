#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every refusal of a request: the errno that write(2) gives, and the code and sentence of the reply.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
upload tiny.mp4
upload tiny.mp4 two.mp4
upload tiny.mp4 two.mov
: >"$MNT/incoming/half.mp4.part"

invalid() { # PART-OF-MESSAGE REQUEST
	contains "$(sc_refused EINVAL INVALID_REQUEST "$2" | jq -r .error)" "$1" "message for $2"
}
invalid JSON '{"uploadId":"tiny.mp4",}'
invalid colour '{"uploadId":"tiny.mp4","colour":"red"}'
invalid uploadId '{"clipDuration":5}'
invalid uploadId '{"uploadId":7}'
invalid uploadId '{"uploadId":""}'
invalid uploadId '{"uploadId":"a","uploadId":"b"}'
invalid uploadId '{"uploadId":"../tiny.mp4"}'
invalid uploadId '{"uploadId":"a//tiny.mp4"}'
invalid uploadId '{"uploadId":"tiny.mp4\u0000"}'
invalid clipDuration '{"uploadId":"tiny.mp4","clipDuration":0}'
invalid clipDuration '{"uploadId":"tiny.mp4","clipDuration":0.05}'
invalid clipDuration '{"uploadId":"tiny.mp4","clipDuration":3601}'
invalid clipDuration '{"uploadId":"tiny.mp4","clipDuration":"5"}'
invalid JSON '{"uploadId":"tiny.mp4","clipDuration":1e999}'
invalid maxClips '{"uploadId":"tiny.mp4","maxClips":0}'
invalid maxClips '{"uploadId":"tiny.mp4","maxClips":10001}'
invalid maxClips '{"uploadId":"tiny.mp4","maxClips":2.5}'
invalid clips '{"uploadId":"tiny.mp4","clips":[]}'
invalid start '{"uploadId":"tiny.mp4","clips":[{"start":-1,"end":1}]}'
invalid end '{"uploadId":"tiny.mp4","clips":[{"start":1,"end":1}]}'
invalid end '{"uploadId":"tiny.mp4","clips":[{"start":0}]}'
invalid clipDuration '{"uploadId":"tiny.mp4","clipDuration":1,"clips":[{"start":0,"end":1}]}'
invalid cut '{"uploadId":"tiny.mp4","cut":"rough"}'
invalid jobId '{"uploadId":"tiny.mp4","jobId":"../x"}'
invalid jobId '{"uploadId":"tiny.mp4","jobId":".x"}'
invalid jobId "{\"uploadId\":\"tiny.mp4\",\"jobId\":\"$(printf 'x%.0s' $(seq 65))\"}"
invalid maxAttempts '{"uploadId":"tiny.mp4","maxAttempts":0}'
invalid userId "{\"uploadId\":\"tiny.mp4\",\"userId\":\"$(printf 'u%.0s' $(seq 5000))\"}"
invalid 'clipDuration and parts' '{"uploadId":"tiny.mp4","clipDuration":1,"parts":2}'
invalid 'parts 0' '{"uploadId":"tiny.mp4","parts":0}'
for field in '"aspect":"9:16"' '"width":720' '"height":720' '"fit":"pad"' '"quality":20' '"preset":"fast"'; do
	name=${field%%:*} name=${name//\"/}
	invalid "$name has no use with cut exact" "{\"uploadId\":\"tiny.mp4\",$field}"
	invalid "$name has no use with cut keyframe" "{\"uploadId\":\"tiny.mp4\",\"cut\":\"keyframe\",$field}"
done
invalid "aspect '9-16'" '{"uploadId":"tiny.mp4","cut":"encode","aspect":"9-16"}'
invalid "aspect '0:1'" '{"uploadId":"tiny.mp4","cut":"encode","aspect":"0:1"}'
invalid '720 or 722' '{"uploadId":"tiny.mp4","cut":"encode","width":721}'
invalid '16 to 8192' '{"uploadId":"tiny.mp4","cut":"encode","height":10000}'
invalid 'width 406' '{"uploadId":"tiny.mp4","cut":"encode","aspect":"9:16","width":720,"height":720}'
invalid 'fit has no use' '{"uploadId":"tiny.mp4","cut":"encode","fit":"pad"}'
invalid 'quality 52' '{"uploadId":"tiny.mp4","cut":"encode","quality":52}'
invalid ultrafast '{"uploadId":"tiny.mp4","cut":"encode","preset":"quick"}'
invalid '720 or 722' 'uploadId=tiny.mp4 cut=encode width=721'
invalid colour 'uploadId=tiny.mp4 colour=red'
invalid clipDuration 'uploadId=tiny.mp4 clipDuration=five'
sc_refused EINVAL INVALID_REQUEST '[1,2]' >/dev/null
sc_refused EINVAL INVALID_REQUEST 'hello' >/dev/null
sc_refused EINVAL INVALID_REQUEST '{"uploadId":"tiny.mp4","userId":{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{}}}}}}}}}}' >/dev/null

contains "$(sc_refused ENOENT UPLOAD_NOT_FOUND '{"uploadId":"nope"}' | jq -r .error)" nope
sc_refused ENOENT UPLOAD_NOT_FOUND '{"uploadId":"half.mp4.part"}' >/dev/null
sc_refused ENOENT UPLOAD_NOT_FOUND '{"uploadId":"half"}' >/dev/null
sc_refused ENOTUNIQ UPLOAD_AMBIGUOUS '{"uploadId":"two"}' >/dev/null
sc_submit '{"uploadId":"two.mov","clipDuration":1,"jobId":"mine"}' >/dev/null
sc_refused EEXIST JOB_EXISTS '{"uploadId":"tiny.mp4","jobId":"mine"}' >/dev/null
mkdir "$ROOT/outputs/foreign"
sc_refused EEXIST JOB_EXISTS '{"uploadId":"tiny.mp4","jobId":"foreign"}' >/dev/null
exists "$ROOT/outputs/foreign"

# over 64 KiB in one object
out=$(printf '{"uploadId":"tiny.mp4",%70000s}' '' | "$SC_TOOLS/fs_errno" "$MNT/control" -)
matches "$out" '^EFBIG .*"code":"REQUEST_TOO_LARGE"'
contains "$(cat "$MNT/control")" REQUEST_TOO_LARGE "the last reply"
# written in pieces, as shells and programs do
contains "$( (printf '{"uploadId":"tiny.mp4",%70000s}' '' >"$MNT/control") 2>&1)" "${errno_text[EFBIG]}"

# an object that is not complete when the file is closed fails the close
matches "$("$SC_TOOLS/fs_errno" "$MNT/control" '{"uploadId":"tiny.mp4"')" 'close EINVAL'
contains "$(cat "$MNT/control")" INVALID_REQUEST "the last reply"

# commands to a job
sc_done mine
sc_refused EALREADY JOB_ENDED cancel "$MNT/jobs/mine/control" >/dev/null
sc_refused EINVAL INVALID_REQUEST explode "$MNT/jobs/mine/control" >/dev/null

# not one refusal has left a job or a hold
eq "$(sql 'SELECT group_concat(job_id) FROM jobs')" mine
eq "$(find "$MNT/jobs" -mindepth 1 -maxdepth 1 -printf '%f ')" "mine "
rmdir "$ROOT/outputs/foreign"
check_invariants
sc_umount
