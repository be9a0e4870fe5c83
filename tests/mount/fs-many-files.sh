#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# More files in incoming/ than the daemon may have open: all of them can be used all the same.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

ulimit -n 400
sc_mount
in=$MNT/incoming
mkdir "$in/dir"
# Behind the mount, so that no close of a writer has to be synced.
for i in $(seq 1500); do
	echo "$i" >"$ROOT/tmp/uploads/dir/f$i"
done
exec 8<"$in/dir/f1"
eq "$(find "$in/dir" -type f -size -2 | wc -l)" 1500
eq "$(cat "$in"/dir/f* | sort -n | tail -1)" 1500
le "$(find "/proc/$daemon_pid/fd" -mindepth 1 | wc -l)" 399 "descriptors of the daemon"
eq "$(cat <&8)" 1 "a file that was open all the time"
mv "$in/dir/f2" "$in/dir/g2" && eq "$(<"$in/dir/g2")" 2
mv "$in/dir" "$in/moved" && eq "$(<"$in/moved/f1500")" 1500
exec 8<&-
rm -r "$in/moved"
missing "$in/moved"
sc_umount
