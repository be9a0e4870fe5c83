#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# How long cut=encode takes beside the ffmpeg program with the same settings and all clips in one run.
#
#     tests/bench/encode.sh CUT_TOOL [ROUNDS] [SECONDS]
#
# Both decode a made 1080p video once and write clips of 5 s, by turns; the medians and their ratio
# are printed. The first row keeps the size, the second makes vertical stories of it.
set -euo pipefail

tool=$(realpath "${1:?usage: encode.sh CUT_TOOL [ROUNDS] [SECONDS]}")
rounds=${2:-5}
seconds=${3:-20}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/storyclip-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=duration=$seconds:rate=30:size=1920x1080" \
	-f lavfi -i "sine=duration=$seconds:sample_rate=48000" -c:v libx264 -preset veryfast -pix_fmt yuv420p \
	-g 60 -b:v 8M -c:a aac -shortest source.mp4

ours() { # FIELD=VALUE…
	"$tool" source.mp4 out encode 5 10000 "$@" >/dev/null
}

# One output for each clip: exact at the frame, as ours.
theirs() { # FILTERS
	local outputs=() at
	for ((at = 0; at < seconds; at += 5)); do
		outputs+=(-ss "$at" -t 5 ${1:+-vf "$1"} -c:v libx264 -preset veryfast -crf 20 -c:a aac
			-movflags +faststart "out/$at.mp4")
	done
	ffmpeg -nostdin -v error -y -i source.mp4 "${outputs[@]}"
}

# One encoder for all, cut by the muxer at forced keyframes.
segments() { # FILTERS
	ffmpeg -nostdin -v error -y -i source.mp4 ${1:+-vf "$1"} -c:v libx264 -preset veryfast -crf 20 -c:a aac \
		-force_key_frames 'expr:gte(t,n_forced*5)' -f segment -segment_time 5 -reset_timestamps 1 out/%d.mp4
}

milliseconds() { # COMMAND…
	local from
	rm -rf out
	mkdir out
	from=$(date +%s%N)
	"$@"
	echo $((($(date +%s%N) - from) / 1000000))
}

median() {
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

row() { # NAME FILTERS FIELD=VALUE…
	local name=$1 filters=$2 round a b c
	shift 2
	rm -f ours.ms theirs.ms segments.ms
	for ((round = 0; round < rounds; round++)); do
		milliseconds ours "$@" >>ours.ms
		milliseconds theirs "$filters" >>theirs.ms
		milliseconds segments "$filters" >>segments.ms
	done
	a=$(median <ours.ms) b=$(median <theirs.ms) c=$(median <segments.ms)
	awk -v n="$name" -v a="$a" -v b="$b" -v c="$c" 'BEGIN { printf "%-12s %7d %10d %7.2f %10d %7.2f\n", n, a, b, a / b, c, a / c }'
}

printf '%-12s %7s %10s %7s %10s %7s\n' "ms, median" ours outputs ratio segments ratio
row "1920x1080" ""
row "720x1280" "crop=608:1080:656:0,scale=720:1280:flags=bicubic,setsar=1" width=720 height=1280
