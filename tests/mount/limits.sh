#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# max_upload_size: no way to a larger file leads through the mount (EFBIG), and a larger one that came
# behind it makes no job. max_jobs_per_uid: EDQUOT while so many have not ended. Kernel options of fstab.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount workers=1,max_upload_size=2M,max_jobs_per_uid=2,noatime,relatime,sync,comment=x
in=$MNT/incoming
head -c 2M /dev/zero >"$in/full"
eq "$(stat -c %s "$in/full")" 2097152

python3 - "$in" <<'END' || fail "see above"
import errno, os, sys
top = sys.argv[1]
limit = 2 << 20
wrong = []

def refused(what, call, *args):
    try:
        got = call(*args)
    except OSError as e:
        if e.errno != errno.EFBIG:
            wrong.append("%s: %s" % (what, e))
    else:
        wrong.append("%s worked: %r" % (what, got))

def works(what, want, call, *args):
    try:
        got = call(*args)
        if want is not None and got != want:
            wrong.append("%s is %r, not %r" % (what, got, want))
    except OSError as e:
        wrong.append("%s: %s" % (what, e))

for flags in (os.O_WRONLY, os.O_RDWR):
    fd = os.open(top + "/full", flags)
    refused("a byte behind the limit", os.pwrite, fd, b"x", limit)
    refused("a byte far behind it", os.pwrite, fd, b"x", 1 << 40)
    works("the last byte", 1, os.pwrite, fd, b"x", limit - 1)
    refused("truncate", os.ftruncate, fd, limit + 1)
    refused("allocate", os.posix_fallocate, fd, limit, 1)
    os.close(fd)
fd = os.open(top + "/full", os.O_WRONLY | os.O_APPEND)
refused("append", os.write, fd, b"x")
os.close(fd)
refused("truncate by name", os.truncate, top + "/full", limit + 1)
works("cut", None, os.truncate, top + "/full", limit - 10)
fd = os.open(top + "/full", os.O_WRONLY | os.O_APPEND)
works("append up to the limit", 10, os.write, fd, b"0123456789")
refused("append behind it", os.write, fd, b"x")
os.close(fd)
source = os.open(top + "/full", os.O_RDONLY)
out = os.open(top + "/copy", os.O_RDWR | os.O_CREAT)
works("copy up to the limit", 100, os.copy_file_range, source, out, 4096, 0, limit - 100)
refused("copy behind it", os.copy_file_range, source, out, 4096, 0, limit)
os.close(out)
out = os.open(top + "/new", os.O_RDWR | os.O_CREAT)
refused("lengthen a new one", os.ftruncate, out, limit + 1)
works("a hole up to the limit", None, os.ftruncate, out, limit)
os.close(out)
print("\n".join(wrong))
sys.exit(bool(wrong))
END
for f in full copy new; do le "$(stat -c %s "$in/$f")" 2097152 "size of $f"; done
errno EFBIG fallocate -o 2M -l 4096 -n "$in/full"
errno EFBIG cp --reflink=never /dev/zero "$in/endless"
le "$(stat -c %s "$in/endless")" 2097152 "size of a file without end"
rm "$in"/*

# Behind the mount it can only be seen.
head -c 3M /dev/zero >"$ROOT/tmp/uploads/behind.mp4"
sc_wait_for '[[ $(sql "SELECT state FROM uploads WHERE path='\''behind.mp4'\''") == complete ]]'
id=$(sc_submit '{"uploadId":"behind.mp4"}')
sc_failed "$id" LIMIT_EXCEEDED
contains "$(status_of "$id" .message)" "3145728 bytes, max_upload_size allows 2097152"

# ---- jobs of one uid
upload short.mp4
hook_set worker-start wait
for i in 1 2; do sc_submit "{\"uploadId\":\"short\",\"jobId\":\"held$i\"}" >/dev/null; done
contains "$(sc_refused EDQUOT TOO_MANY_JOBS '{"uploadId":"short"}')" "2 jobs that have not ended, max_jobs_per_uid allows 2"
echo '{"jobId":"beside"}' >"$in/short.mp4.process" || true
sc_wait_for 'grep -q TOO_MANY_JOBS "$in/short.mp4.process.error"'
echo retry >"$MNT/jobs/$id/control" && fail "retry of a third"
if [[ $EUID -eq 0 ]]; then # another's are counted apart
	setpriv --reuid=12345 --clear-groups bash -c "echo uploadId=short jobId=another >'$MNT/control'"
	exists "$MNT/jobs/another"
fi
hook_go worker-start
sc_done held1
sc_done held2
sc_done "$(sc_submit '{"uploadId":"short"}')"
contains "$(grep " $MNT " /proc/self/mountinfo)" noatime
contains "$(grep " $MNT " /proc/self/mountinfo)" sync
sc_umount
