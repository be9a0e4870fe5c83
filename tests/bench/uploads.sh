#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# How fast files come into incoming/, beside a native directory and bindfs.
#
#     tests/bench/uploads.sh BUILD [MEBIBYTES (256)] [DIRECTORY (/var/tmp)] [DIRECTORY ON TMPFS (/dev/shm)]
#
# One file by dd, cp and rsync; then 1,000 files of 64 KiB on tmpfs. Environment: ROUNDS (7).
mebibytes=${2:-256}
# shellcheck source=tests/bench/places.sh
. "${BASH_SOURCE[0]%/*}/places.sh" "$1" "${3:-/var/tmp}"

head -c "${mebibytes}M" /dev/urandom >"$work/source"
one() { # PLACE
	local to=${dir[$1]}/one.mp4
	timed "dd bs=1M" "$1" dd if=/dev/zero of="$to" bs=1M count="$mebibytes" status=none
	rm "$to"
	settle
	timed "cp" "$1" cp "$work/source" "$to"
	rm "$to"
	settle
	timed "rsync" "$1" rsync "$work/source" "$to"
	rm "$to"
	settle
}
each_round one
echo "One file of $mebibytes MiB."
table ms 1000
places_end
echo

# shellcheck source=tests/bench/places.sh
. "${BASH_SOURCE[0]%/*}/places.sh" "$1" "${4:-/dev/shm}"
many() { # PLACE
	mkdir "${dir[$1]}/many"
	note "1,000 files of 64 KiB" "$1" "$("$speed" files "${dir[$1]}/many" 1000 65536)"
	rm -r "${dir[$1]}/many"
	settle
}
each_round many
table ms 1000
