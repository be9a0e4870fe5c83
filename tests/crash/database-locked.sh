#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Somebody holds the database: a request gets EIO and leaves no half job; what runs goes on; what is to be removed stays whole.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/crash.sh
. "$SC_TESTS/lib/crash.sh"

crash_prepare
hold_database() { # until fd 9 is closed
	rm -f "$SC_TEST/held" "$SC_TEST/until"
	mkfifo "$SC_TEST/until"
	python3 - "$ROOT/database/storyclip.db" "$SC_TEST/held" "$SC_TEST/until" <<'END' &
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
open(sys.argv[2], "w").close()
open(sys.argv[3]).read()
db.execute("ROLLBACK")
END
	holder=$!
	exec 9>"$SC_TEST/until"
	sc_wait_for '[[ -e $SC_TEST/held ]]'
}
hook_set cut-clip once-wait
crash_submit running
hook_wait_reached cut-clip
hold_database
reply=$(sc_refused EIO INTERNAL '{"uploadId":"short","jobId":"victim"}')
contains "$reply" '"success":false'
missing "$MNT/jobs/victim"
# readers and uploads do not wait for it
eq "$(status_of running .status)" running
upload short.mp4 meanwhile.mp4
hook_go cut-clip
exec 9>&-
wait "$holder"
sc_done running
eq "$(sql "SELECT COUNT(*) FROM jobs WHERE job_id='victim'")" 0 "rows of the refused request"
crash_submit victim
sc_done victim

# ---- removing: told so, nothing of the job has gone, and it goes when the database is free again
hold_database
errno EIO rmdir "$MNT/jobs/victim"
exists "$ROOT/outputs/victim/clip_001.mp4" "$MNT/jobs/victim/clips/clip_001.mp4"
eq "$(status_of victim .status)" "done"
exec 9>&-
wait "$holder"
rmdir "$MNT/jobs/victim"
missing "$MNT/jobs/victim" "$ROOT/outputs/victim"
eq "$(sql "SELECT COUNT(*) FROM jobs WHERE job_id='victim'")" 0 "rows of the removed job"
crash_check
