#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A request beside its upload: written by shells and tools, by rename, empty, in lines, refused.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
in=$MNT/incoming

refused() { # FILE CODE PART
	sc_wait_for "[[ \$(jq -r '\"\(.success) \(.code)\"' '$1.error') == 'false $2' ]]"
	contains "$(jq -r .error "$1.error")" "$3" "$1.error"
}

jobs_of() { # UPLOAD
	sql "SELECT COUNT(*) FROM jobs WHERE upload_id='$1'"
}

# bash and dash flush before their first byte; the job is there when the shell goes on
for shell in bash dash; do
	upload short.mp4 "$shell.mp4"
	$shell -c "echo '{\"clipDuration\":2,\"jobId\":\"by-$shell\"}' > '$in/$shell.mp4.process'"
	sc_wait_for "[[ -e $MNT/jobs/by-$shell ]]"
	sc_done "by-$shell"
	eq "$(status_of "by-$shell" .uploadId)" "$shell.mp4"
	eq "$(jq -r .clipDuration "$MNT/jobs/by-$shell/request")" 2
	eq "$(cat "$in/$shell.mp4.process")" "{\"clipDuration\":2,\"jobId\":\"by-$shell\"}" "the sidecar"
	missing "$in/$shell.mp4.process.error"
done

# empty, made by touch: the defaults; the id is generated
upload short.mp4 empty.mp4
touch "$in/empty.mp4.process"
sc_wait_for '[[ $(jobs_of empty.mp4) == 1 ]]'
id=$(basename "$(readlink "$MNT/by-upload/empty.mp4")")
matches "$id" '^job_[0-9]{13}_[0-9a-z]{8}$'
sc_done "$id"
eq "$(jq -r '"\(.clipDuration) \(.maxClips)"' "$MNT/jobs/$id/request")" "5 50"

# lines, each written and flushed by a process of its own: they act at the last close, together
upload short.mp4 lines.mp4
{
	/bin/echo clipDuration=3
	/bin/echo "maxClips=1 userId='a b'"
} >"$in/lines.mp4.process"
sc_wait_for '[[ $(jobs_of lines.mp4) == 1 ]]'
id=$(basename "$(readlink "$MNT/by-upload/lines.mp4")")
sc_done "$id"
eq "$(jq -r '"\(.clipDuration) \(.maxClips) \(.userId)"' "$MNT/jobs/$id/request")" "3 1 a b"

# by rename, in one go
upload short.mp4 renamed.mp4
echo '{"jobId":"renamed"}' >"$in/renamed.tmp"
missing "$MNT/jobs/renamed" "$in/renamed.tmp.error"
mv "$in/renamed.tmp" "$in/renamed.mp4.process"
sc_wait_for '[[ -e $MNT/jobs/renamed ]]'
sc_done renamed

# refused: the errno of the close (which a shell's own echo does not look at), the file, and no job;
# put right, the file goes
upload short.mp4 bad.mp4
sh_errno EINVAL "/bin/echo '{\"clipDuration\":0}' > '$in/bad.mp4.process'"
refused "$in/bad.mp4.process" INVALID_REQUEST clipDuration
sh_errno EINVAL "/bin/echo '{\"clipDuration\":5' > '$in/bad.mp4.process'"
refused "$in/bad.mp4.process" INVALID_REQUEST JSON
sh_errno EINVAL "/bin/echo clipDuration=x > '$in/bad.mp4.process'"
refused "$in/bad.mp4.process" INVALID_REQUEST clipDuration
sh_errno EINVAL "/bin/echo '{\"uploadId\":\"bad.mp4\"}' > '$in/bad.mp4.process'"
refused "$in/bad.mp4.process" INVALID_REQUEST "leave it out"
sh_errno EINVAL "printf 'clipDuration=5\\0' | cat > '$in/bad.mp4.process'"
refused "$in/bad.mp4.process" INVALID_REQUEST NUL
sh_errno EFBIG "head -c 70000 /dev/zero | tr '\\0' ' ' > '$in/bad.mp4.process'"
refused "$in/bad.mp4.process" REQUEST_TOO_LARGE 65536
sh_errno EEXIST "/bin/echo '{\"jobId\":\"renamed\"}' > '$in/bad.mp4.process'"
refused "$in/bad.mp4.process" JOB_EXISTS renamed
echo '{"maxClips":' >"$in/bad.mp4.process"
refused "$in/bad.mp4.process" INVALID_REQUEST column
echo '{"nope":1}' >"$in/next"
errno EINVAL python3 -c "import os,sys; os.rename(*sys.argv[1:])" "$in/next" "$in/bad.mp4.process"
refused "$in/bad.mp4.process" INVALID_REQUEST nope
eq "$(cat "$in/bad.mp4.process")" '{"nope":1}' "a refused sidecar that was renamed into place"
eq "$(jobs_of bad.mp4)" 0 "jobs of refused sidecars"
eq "$(stat -c '%u %a' "$in/bad.mp4.process.error")" "$(id -u) 644"
echo '{"jobId":"good"}' >"$in/bad.mp4.process"
sc_wait_for '[[ -e $MNT/jobs/good && ! -e $in/bad.mp4.process.error ]]'
sc_done good

# what is no upload
mkdir "$in/folder.mp4"
sh_errno ENOENT "/bin/echo '{}' > '$in/folder.mp4.process'"
refused "$in/folder.mp4.process" UPLOAD_NOT_FOUND directory
sh_errno ENOENT "/bin/echo '{}' > '$in/video.mp4.part.process'"
refused "$in/video.mp4.part.process" UPLOAD_NOT_FOUND unfinished
echo '{}' >"$in/.hidden.process"
echo '{}' >"$in/.process"
missing "$in/.hidden.process.error" "$in/.process.error"

# the same bytes again start nothing, and the log says how to
before=$(sql 'SELECT COUNT(*) FROM jobs')
echo '{"jobId":"good"}' >"$in/bad.mp4.process"
sc_wait_for 'grep -q "has started job good already.*idempotencyKey" "$LOG/daemon.log"'
touch -c -d '2020-01-01' "$in/empty.mp4.process"
mv "$in/renamed.mp4.process" "$in/r"
mv "$in/r" "$in/renamed.mp4.process"
# set times of an upload are no change of it, a new name of it neither
upload short.mp4 moved.mp4
echo '{"maxClips":1}' >"$in/moved.mp4.process"
sc_wait_for '[[ $(jobs_of moved.mp4) == 1 ]]'
python3 -c 'import os,sys; os.utime(sys.argv[1], (1, 1))' "$in/moved.mp4"
sc_wait_for "[[ \$(sql \"SELECT mtime FROM uploads WHERE path='moved.mp4'\") == 1000 ]]"
sc_wait_for '[[ $(sql "SELECT COUNT(*) FROM sidecars WHERE mtime_ns=1000000000") == 1 ]]'
mkdir "$in/there"
mv "$in/moved.mp4" "$in/there/"
mv "$in/moved.mp4.process" "$in/there/"
sc_wait_for 'grep -q "there/moved.mp4.process.* already" "$LOG/daemon.log"'
mv "$in/there" "$in/elsewhere"
sc_umount
sc_mount
sc_wait_for 'grep -q "elsewhere/moved.mp4.process.* already" "$LOG/daemon.log"'
eq "$(sql 'SELECT COUNT(*) FROM jobs')" $((before + 1)) "jobs after sidecars that had acted"

# written anew, the upload is another one: it acts again by itself, and other bytes do as well
upload short.mp4 empty.mp4
sc_wait_for '[[ $(jobs_of empty.mp4) == 2 ]]'
rm "$in/empty.mp4"
upload short.mp4 empty.mp4
sc_wait_for '[[ $(jobs_of empty.mp4) == 3 ]]'
echo '{"maxClips":2}' >"$in/empty.mp4.process"
sc_wait_for '[[ $(jobs_of empty.mp4) == 4 ]]'
# a new key starts one of the same, once
echo '{"maxClips":2,"idempotencyKey":"k1"}' >"$in/empty.mp4.process"
sc_wait_for '[[ $(jobs_of empty.mp4) == 5 ]]'
mv "$in/empty.mp4" "$in/keyed.mp4"
cp "$in/keyed.mp4" "$in/empty.mp4"
echo '{"maxClips":2,"idempotencyKey":"k1"}' >"$in/empty.mp4.process"
sc_wait_for 'grep -q "the job of its idempotencyKey" "$LOG/daemon.log"'
eq "$(jobs_of empty.mp4)" 5 "jobs of the same key"
for id in $(sql "SELECT job_id FROM jobs WHERE status<>'done'"); do
	sc_done "$id"
done
check_invariants
sc_umount
