#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is done in the backing directory behind the mount shows in table uploads; what the mount itself
# does changes nothing there but what it should.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

back=$ROOT/tmp/uploads
in=$MNT/incoming
src=$(media tiny.mp4)

row() { # PATH
	sql "SELECT state||' '||size||' '||mtime_ns FROM uploads WHERE path='$1'"
}
row_is() { # PATH: complete, and as the file is
	[[ $(row "$1") == "complete $(stat -c %s "$back/$1") "* ]]
}

mkdir -p "$back/before/deep"
sc_mount
[[ $(jq -r '.status' "$MNT/health") == ok ]] || fail "health: $(cat "$MNT/health")"

# closed, renamed into place, linked; in directories that were there, are made, are moved in
cp "$src" "$back/closed.mp4"
cp "$src" "$back/before/deep/there.mp4"
cp "$src" "$ROOT/tmp/outside.mp4"
mv "$ROOT/tmp/outside.mp4" "$back/moved.mp4"
ln "$back/closed.mp4" "$back/linked.mp4"
mkdir -p "$back/made/a/b/c"
cp "$src" "$back/made/a/b/c/in.mp4"
mkdir -p "$ROOT/tmp/album/sub"
cp "$src" "$ROOT/tmp/album/one.mp4"
cp "$src" "$ROOT/tmp/album/sub/two.mp4"
mv "$ROOT/tmp/album" "$back/"
for path in closed.mp4 before/deep/there.mp4 moved.mp4 linked.mp4 made/a/b/c/in.mp4 album/one.mp4 \
	album/sub/two.mp4; do
	sc_wait_for "row_is $path"
done
# … and is still watched there
cp "$src" "$back/album/sub/three.mp4"
sc_wait_for 'row_is album/sub/three.mp4'
# a job of such an upload
id=$(sc_submit '{"uploadId":"album/sub/three","clipDuration":1}')
sc_done "$id"

# not before it is closed
exec 4>"$back/slow.mp4"
head -c 5000 "$src" >&4
mkdir "$back/held"
exec 5>"$back/held/slow.mp4"
head -c 5000 "$src" >&5
cp "$src" "$back/held/done.mp4"
sc_wait_for 'row_is held/done.mp4'
eq "$(row slow.mp4)$(row held/slow.mp4)" "" "rows of what is being written behind the mount"
tail -c +5001 "$src" | tee /dev/fd/4 >&5
exec 4>&- 5>&-
sc_wait_for 'row_is slow.mp4'
sc_wait_for 'row_is held/slow.mp4'

# written anew, deleted, moved away, moved within
cat "$src" "$src" >"$back/closed.mp4"
sc_wait_for "row_is closed.mp4"
rm "$back/moved.mp4"
mv "$back/linked.mp4" "$ROOT/tmp/"
mv "$back/album" "$back/renamed-album"
mv "$back/made" "$ROOT/tmp/"
for path in moved.mp4 linked.mp4 album/one.mp4 album/sub/two.mp4 made/a/b/c/in.mp4; do
	sc_wait_for "[[ -z \$(row $path) ]]"
done
for path in renamed-album/one.mp4 renamed-album/sub/two.mp4; do
	sc_wait_for "row_is $path"
done
cp "$src" "$back/renamed-album/sub/four.mp4"
sc_wait_for 'row_is renamed-album/sub/four.mp4'
# what was moved away is not heard of any more
cp "$src" "$ROOT/tmp/made/a/ignored.mp4"
cp "$src" "$back/mark.mp4"
sc_wait_for 'row_is mark.mp4'
eq "$(sql "SELECT COUNT(*) FROM uploads WHERE path LIKE 'made%'")" 0

# the mount's own doings, many of them: in the end the rows say what is there, no more, no less
mkdir "$in/busy"
for i in $(seq 60); do
	cp "$src" "$in/busy/.t$i"
	mv "$in/busy/.t$i" "$in/busy/v$((i % 20)).mp4"
	((i % 3)) || rm "$in/busy/v$((i % 20)).mp4"
	((i % 20)) || mv "$in/busy" "$in/busy$i"
	mkdir -p "$in/busy"
done
truth() {
	(cd "$back" && find . -name .storyclip-hold -prune -o -type f -printf '%P complete %s\n' | sort)
}
sc_wait_for '[[ $(sql "SELECT path||'\'' '\''||state||'\'' '\''||size FROM uploads" | sort) == "$(truth)" ]]'

# still so after an end that nobody planned: nothing that was whole is called incomplete
sc_kill9
sc_mount
eq "$(sql "SELECT COUNT(*) FROM uploads WHERE state<>'complete'")" 0
check_invariants
sc_umount
