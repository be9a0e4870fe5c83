#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# How fast files come into incoming/, beside a native directory and bindfs.
#
#     tests/bench/uploads.sh BUILD [MEBIBYTES (256)] [DIRECTORY (/var/tmp)] [DIRECTORY ON TMPFS (/dev/shm)]
#
# One file by dd, cp and rsync; then 1,000 files of 64 KiB on tmpfs. Environment: ROUNDS (7; 5 of over 256 MiB).
# bindfs takes a minute for a GiB: it is given an eighth of over 256 MiB, in three of the rounds, and its
# times are multiplied, so that its ratios are of bytes per second.
mebibytes=${2:-256}
((mebibytes <= 256)) || export ROUNDS="${ROUNDS:-5}"
# shellcheck source=tests/bench/places.sh
. "${BASH_SOURCE[0]%/*}/places.sh" "$1" "${3:-/var/tmp}"

part=$((mebibytes > 256 ? 8 : 1)) # of what bindfs gets
head -c "${mebibytes}M" /dev/urandom >"$work/source"
head -c "$((mebibytes / part))M" "$work/source" >"$work/part"
slow_rounds=0
one() { # PLACE
	local to=${dir[$1]}/one.mp4 from=$work/source count=$mebibytes scale=1
	if [[ $1 == bindfs && $part != 1 ]]; then
		((slow_rounds++ < 3)) || return 0
		from=$work/part count=$((mebibytes / part)) scale=$part
	fi
	timed "dd bs=1M" "$1" dd if=/dev/zero of="$to" bs=1M count="$count" status=none
	rm "$to"
	settle
	timed "cp" "$1" cp "$from" "$to"
	rm "$to"
	settle
	timed "rsync" "$1" rsync "$from" "$to"
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
