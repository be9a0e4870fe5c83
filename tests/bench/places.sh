# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the benchmarks of file operations share: the same work, by turns, in a native directory, in
# incoming/ of a mount of its own and, where it is installed, in a bindfs; and a Markdown table of it.
#
#     . places.sh BUILD DIRECTORY     # the places are made in a new directory below DIRECTORY
#     each_round FUNCTION             # FUNCTION PLACE is called for each place, ROUNDS times
#     note ROW PLACE MICROSECONDS
#     timed ROW PLACE COMMAND…        # times `scale`, of a place that does only a part of the work
#     table
#
# ROUNDS (7) is how often each is done.
set -euo pipefail

build=$(realpath "${1:?usage: $0 BUILD [OPTION…]}")
rounds=${ROUNDS:-7}
speed=$build/tests/tools/fs_speed
[[ -x $build/src/storyclipfs && -x $speed ]] || {
	echo "$build is no build directory" >&2
	exit 2
}

work=$(mktemp -d "${2:?}/storyclip-bench.XXXXXX")
chmod 755 "$work"
declare -A dir      # PLACE: where a client works
declare -A behind   # PLACE: the directory in which the files lie
places=(native storyclipfs)

places_end() {
	local p
	for p in "$work/bind" "$work/mnt"; do
		! mountpoint -q "$p" || umount "$p" || umount -l "$p"
	done
	# The daemon has gone when it lets go of ROOT; what it still writes is of no use to anybody.
	rm -rf "$work" 2>/dev/null || { sleep 1 && rm -rf "$work"; }
}
trap places_end EXIT

mkdir "$work/native" "$work/bindsrc" "$work/bind" "$work/root" "$work/mnt"
"$build/src/storyclipfs" "$work/root" "$work/mnt" -o "log=$work/log${MOUNT_OPTIONS:+,$MOUNT_OPTIONS}"
dir[native]=$work/native behind[native]=$work/native
dir[storyclipfs]=$work/mnt/incoming behind[storyclipfs]=$work/root/tmp/uploads
if command -v bindfs >/dev/null; then
	bindfs "$work/bindsrc" "$work/bind"
	places+=(bindfs)
	dir[bindfs]=$work/bind behind[bindfs]=$work/bindsrc
fi

declare -a rows=()
note() { # ROW PLACE MICROSECONDS
	[[ " ${rows[*]} " == *" $1 "* ]] || rows+=("$1")
	echo "$3" >>"$work/$1.$2.times"
}

# The registry still syncs what was closed: that is not the next one's time.
settle() {
	local end=$((SECONDS + 60))
	sync -f "$work/native"
	until [[ $(jq '.uploads.open' "$work/mnt/health") == 0 ]] || ((SECONDS > end)); do
		sleep 0.05
	done
}

timed() { # ROW PLACE COMMAND…
	local row=$1 place=$2 from
	shift 2
	from=$(date +%s%N)
	"$@" >/dev/null
	note "$row" "$place" "$((($(date +%s%N) - from) * ${scale:-1}))e-3"
}

# What one leaves to the disk is the next one's burden: another one begins in each round.
each_round() { # FUNCTION
	local round i
	for ((round = 0; round < rounds; round++)); do
		for ((i = 0; i < ${#places[@]}; i++)); do
			"$1" "${places[(round + i) % ${#places[@]}]}"
		done
	done
}

stats() { # ROW PLACE: median and least
	sort -g "$work/$1.$2.times" | awk '{ v[NR] = $1 } END { printf "%.6g %.6g\n", v[int((NR + 1) / 2)], v[1] }'
}

about() {
	. /etc/os-release
	echo "$PRETTY_NAME, Linux $(uname -r), libfuse $(jq -r .libfuse "$work/mnt/health"), passthrough $(
		jq -r '.passthrough | if .on then "on" else "off (\(.why))" end' "$work/mnt/health"), $(
		stat -f -c %T "$work"), $(nproc) processors; $rounds rounds, by turns"
}

# Ratios: native time by the place's own; over 1 is faster. Median by median, best by best.
table() { # UNIT DIVISOR
	local row place median least native_median native_least line
	about
	echo
	line="| | native $1 |"
	for place in "${places[@]:1}"; do line+=" $place median | best |"; done
	echo "$line"
	line="| --- | ---: |"
	for place in "${places[@]:1}"; do line+=" ---: | ---: |"; done
	echo "$line"
	for row in "${rows[@]}"; do
		read -r native_median native_least < <(stats "$row" native)
		line="| $row | $(awk -v a="$native_median" -v d="$2" 'BEGIN { printf "%.3g", a / d }') |"
		for place in "${places[@]:1}"; do
			read -r median least < <(stats "$row" "$place")
			line+=$(awk -v a="$native_median" -v b="$median" -v c="$native_least" -v d="$least" \
				'BEGIN { printf " %.2f | %.2f |", a / b, c / d }')
		done
		echo "$line"
	done
}
