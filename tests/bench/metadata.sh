#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a name costs in incoming/, beside a native directory and bindfs: create, open and close, stat,
# rename, unlink, mkdir, rmdir, on tmpfs.
#
#     tests/bench/metadata.sh BUILD [NAMES (2000)] [DIRECTORY (/dev/shm)]
#
# Environment: ROUNDS (7).
names=${2:-2000}
# shellcheck source=tests/bench/places.sh
. "${BASH_SOURCE[0]%/*}/places.sh" "$1" "${3:-/dev/shm}"

meta() { # PLACE
	local what us
	mkdir "${dir[$1]}/names"
	while read -r what us; do
		note "$what" "$1" "$us"
	done < <("$speed" meta "${dir[$1]}/names" "$names")
	rmdir "${dir[$1]}/names"
	settle
}
each_round meta
echo "$names names each."
table µs 1
