#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# With few descriptors many files can be made at once, and each becomes a complete upload.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

files=700 # per writer
writers=4
ulimit -n 400
sc_mount workers=1
eq "$(awk '/^Max open files/ {print $5}' "/proc/$daemon_pid/limits")" 400
python3 - "$MNT/incoming" $files $writers <<'END' || fail "a file could not be made"
import os
import sys

top, files, writers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
children = []
for w in range(writers):
    pid = os.fork()
    if pid == 0:
        try:
            os.mkdir("%s/%d" % (top, w))
            for i in range(files):
                fd = os.open("%s/%d/%d" % (top, w, i), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                os.write(fd, b"x" * i)
                os.close(fd)
                if i % 7 == 0:  # what has no path any more needs none
                    os.unlink("%s/%d/%d" % (top, w, i))
            os._exit(0)
        except OSError as e:
            print(w, i, e)
            os._exit(1)
    children.append(pid)
sys.exit(any([os.waitpid(pid, 0)[1] for pid in children]))
END
want=$((writers * (files - (files + 6) / 7)))
eq "$(find "$MNT/incoming" -type f | wc -l)" "$want" "files made"
complete() {
	sql "SELECT COUNT(*) FROM uploads WHERE state='complete' AND path LIKE '_/' || size"
}
sc_wait_for '[[ $(complete) == "$want" ]]' 60
eq "$(sql 'SELECT COUNT(*) FROM uploads')" "$want" "rows"

# and a job is done with what is left
upload tiny.mp4
sc_done "$(sc_submit '{"uploadId":"tiny","clipDuration":1}')"
lacks "$(sc_log)" "Too many open files"
sc_umount
