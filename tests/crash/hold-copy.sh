#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# An upload that cannot be hard-linked, since its directory is another volume, is copied in the job's
# first phase: seen, cancellable, begun anew after a kill, and until it is whole nobody may write the upload.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
need_root

sc_use hooked
mkdir -p "$ROOT/tmp/uploads/other"
mount -t tmpfs -o size=64M tmpfs "$ROOT/tmp/uploads/other"
sc_mount workers=1
short=$(media short.mp4)
hold=$ROOT/tmp/uploads/.storyclip-hold
held() {
	find "$hold" -type f -printf '%f\n' | sort | xargs
}
ask() { # ID [FIELDS]
	sc_submit "{\"uploadId\":\"other/a\",\"clipDuration\":2,\"jobId\":\"$1\"${2:-}}" >/dev/null
}
copying() { # ID: stands in the copy
	hook_set hold-copying once-wait
	ask "$1"
	hook_wait_reached hold-copying
}
whole() { # ID
	sc_done "$1"
	compare_clips "$short" "$MNT/jobs/$1/clips" --mode exact --status "$MNT/jobs/$1/status"
	eq "$(held)" "" "what is held afterwards"
}

# In the copy: the source is frozen; its name may go all the same.
cp -p "$short" "$MNT/incoming/other/a.mp4"
copying named
eq "$(status_of named '[.status,.message]|tostring')" '["running","Copying the upload..."]'
le "$(status_of named .progress)" 9 "progress in the copy"
eq "$(held)" .named.copy
sh_errno ETXTBSY "echo x >>'$MNT/incoming/other/a.mp4'"
eq "$(stat -c %h "$MNT/incoming/other/a.mp4")" 1
touch -d @1000000000 "$MNT/incoming/other/a.mp4" # times are no change
rm "$MNT/incoming/other/a.mp4"
hook_go hold-copying
whole named
grep -q '10% File prepared\|copier ended: exit status 0' "$MNT/jobs/named/log"

# With the copy whole the upload is free: what is written to it is no business of the job's.
cp "$short" "$MNT/incoming/other/a.mp4"
hook_set worker-start once-wait
ask free
hook_wait_reached worker-start
eq "$(status_of free .message)" "File prepared"
eq "$(held)" free
echo x >>"$MNT/incoming/other/a.mp4"
hook_go worker-start
whole free
rm "$MNT/incoming/other/a.mp4"
cp "$short" "$MNT/incoming/other/a.mp4"

# Changed behind the mount while it is copied.
copying changed
echo x >>"$ROOT/tmp/uploads/other/a.mp4"
hook_go hold-copying
sc_failed changed UPLOAD_CHANGED
eq "$(held)" ""
rm "$MNT/incoming/other/a.mp4"
cp "$short" "$MNT/incoming/other/a.mp4"

# Cancelled, the copier killed, the daemon killed.
copying cancelled
echo cancel >"$MNT/jobs/cancelled/control"
sc_wait_for '[[ -z $(held) ]]' 5
copying child
kill -KILL "$(hook_pid hold-copying)"
whole child
eq "$(sql "SELECT attempt||' '||failures FROM jobs WHERE job_id='child'")" "2 1"
copying daemon
sc_kill9
sc_mount workers=1
whole daemon
eq "$(sql "SELECT attempt||' '||failures FROM jobs WHERE job_id='daemon'")" "2 0"
# killed with the copy whole, and the upload gone
hook_set worker-start once-wait
ask gone
hook_wait_reached worker-start
rm "$MNT/incoming/other/a.mp4"
sc_kill9
sc_mount workers=1
whole gone
# killed in the copy, and the upload gone: said so
cp "$short" "$MNT/incoming/other/a.mp4"
copying lost
rm "$MNT/incoming/other/a.mp4"
sc_kill9
sc_mount workers=1
sc_failed lost UPLOAD_CHANGED
eq "$(held)" ""

# deleteUpload, and more than one job of an upload
cp "$short" "$MNT/incoming/other/a.mp4"
ask one ',"deleteUpload":true'
sc_done one
missing "$MNT/incoming/other/a.mp4"
cp "$short" "$MNT/incoming/other/a.mp4"
ask two
ask three
whole two
whole three
check_invariants
sc_umount
umount "$ROOT/tmp/uploads/other"
