#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A job holds its upload's bytes: its name may go or be taken by another, but nobody writes into it.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_use hooked
sc_mount workers=1
in=$MNT/incoming
src=$(media short.mp4)
held() { # ID: a job that has begun and stands still, its upload ID.mp4
	upload short.mp4 "$1.mp4"
	hook_set cut-clip once-wait
	echo "{\"uploadId\":\"$1\",\"jobId\":\"$1\"}" >"$MNT/control"
	hook_wait_reached cut-clip
}
ends_exact() { # ID
	hook_go cut-clip
	sc_done "$1"
	compare_clips "$src" "$MNT/jobs/$1/clips" --mode exact --status "$MNT/jobs/$1/status"
}

held frozen
sh_errno ETXTBSY "echo x >>$in/frozen.mp4"
sh_errno ETXTBSY ": >$in/frozen.mp4"
errno ETXTBSY truncate -s 0 "$in/frozen.mp4"
errno ETXTBSY fallocate -l 1000000 "$in/frozen.mp4"
errno ETXTBSY dd if=/dev/zero of="$in/frozen.mp4" bs=1 count=1 conv=notrunc status=none
# what cp and rsync do afterwards goes on
chmod 600 "$in/frozen.mp4" && touch "$in/frozen.mp4" && chmod 644 "$in/frozen.mp4"
eq "$(stat -c %h "$in/frozen.mp4")" 1 "links that show"
rsync -a "$src" "$in/frozen.mp4"
ends_exact frozen
# afterwards it is an ordinary file
sc_wait_for 'echo x >>"$MNT/incoming/frozen.mp4"' 5

held gone
exec 8<"$in/gone.mp4"
rm "$in/gone.mp4"
eq "$(stat -L -c %h /dev/fd/8)" 0 "links of an open upload without a name"
exec 8<&-
missing "$MNT/jobs/gone/source"
ends_exact gone
eq "$(find "$ROOT/tmp/uploads" -name 'gone*')" ""

held moved
mv "$in/moved.mp4" "$in/elsewhere.mp4"
ends_exact moved
cmp "$in/elsewhere.mp4" "$src"

held replaced
cp "$(media tiny.mp4)" "$in/new.mp4" && mv "$in/new.mp4" "$in/replaced.mp4"
missing "$MNT/jobs/replaced/source"
ends_exact replaced
cmp "$in/replaced.mp4" "$(media tiny.mp4)"

# two jobs of one upload: the last one lets go
held first
echo '{"uploadId":"first","jobId":"second"}' >"$MNT/control"
hook_go cut-clip
sc_done first
sc_done second

# changed behind the mount while it is cut
held changed
echo x >>"$ROOT/tmp/uploads/changed.mp4"
hook_go cut-clip
sc_failed changed UPLOAD_CHANGED
check_invariants
sc_umount
