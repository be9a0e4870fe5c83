#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copying out of an MP4 does not wait for libav: a worker that has none beside it does that, and says
# what it lacks where it does need it.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need ffmpeg ffprobe
bin=$SC_TEST/bin
mkdir "$bin"
cp "$SC_BIN/storyclip-worker" "$bin"
if "$bin/storyclip-worker" --version >"$LOG/version" 2>&1; then fail "it finds libav where there is none"; fi
contains "$(cat "$LOG/version")" storyclip-libav.so

work() { # WORKER MEDIUM CUT [FIELDS]: its last report
	rm -rf "$SC_TEST/clips"
	mkdir "$SC_TEST/clips"
	echo "{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"$3\",\"clipDurationUs\":5000000,\"maxClips\":99${4:-}}" |
		"$1" 3>"$LOG/reports" 4<"$(media "$2")" 5<"$SC_TEST/clips" || fail "$1 $2 $3: $(cat "$LOG/reports")"
	tail -n 1 "$LOG/reports"
}

for cut in exact keyframe; do
	eq "$(work "$bin/storyclip-worker" main.mp4 $cut | jq -r .report)" "done" "main.mp4, $cut"
	eq "$(find "$SC_TEST/clips" -type f | wc -l)" 13 "clips, $cut"
done
while read -r medium cut fields; do
	last=$(work "$bin/storyclip-worker" "$medium" "$cut" "$fields")
	eq "$(jq -r '.report+" "+.code' <<<"$last")" "failed INTERNAL" "$medium, $cut"
	contains "$(jq -r .message <<<"$last")" storyclip-libav.so "$medium, $cut"
	eq "$(find "$SC_TEST/clips" -type f | wc -l)" 0 "clips of $medium, $cut"
	eq "$(work "$SC_BIN/storyclip-worker" "$medium" "$cut" "$fields" | jq -r .report)" "done" "$medium, $cut, with libav"
done <<END
main.mkv exact
short.mp4 encode
short.mp4 exact ,"sha256":"$(sha256sum "$(media short.mp4)" | cut -d' ' -f1)"
END
