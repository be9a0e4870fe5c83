#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a worker tells while it cuts: work and progress rise, also within one long clip, and the log
# names each clip with its range, method, bytes and milliseconds.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need ffmpeg jq

work() { # MEDIUM CUT SECONDS: its reports
	rm -rf "$SC_TEST/clips"
	mkdir "$SC_TEST/clips"
	echo "{\"jobId\":\"a\",\"attempt\":1,\"cut\":\"$2\",\"clipDurationUs\":${3}000000,\"maxClips\":99}" |
		"$SC_BIN/storyclip-worker" 3>"$LOG/reports" 4<"$(media "$1")" 5<"$SC_TEST/clips" || fail "$1, $2"
	eq "$(tail -n 1 "$LOG/reports" | jq -r .report)" "done" "$1, $2"
}

rises() { # FIELD: it never falls
	jq -s "[.[]|select(.$1 != null and .$1 >= 0)|.$1] | . == sort" "$LOG/reports"
}

work main.mp4 encode 3600
eq "$(rises progress) $(rises work)" "true true" "progress and work rise"
within=$(jq -s '[.[]|select(.report == "progress")|.progress|select(. > 30 and . < 90)]|unique|length' "$LOG/reports")
le 3 "$within" "different progress within one clip"
matches "$(jq -r 'select(.report == "log")|.message' "$LOG/reports")" \
	'clip_001.mp4: 0.000000 to 63\.[0-9]{6} s, encode, [0-9]+ bytes.* [0-9]+ ms' "the log"

for medium in main.mp4 main.mkv; do
	work "$medium" exact 5
	eq "$(rises progress) $(rises work)" "true true" "progress and work rise, $medium"
	jq -r 'select(.report == "log")|.message' "$LOG/reports" | grep '^clip_' >"$LOG/clips"
	eq "$(wc -l <"$LOG/clips")" 13 "clips named in the log of $medium"
	# name: START to END s, copy, N bytes (M hidden, … written), T ms: each begins where the one before it ended
	awk '$5 != "s," || $6 != "copy," || $7 < 1000 || $8 != "bytes" || $NF != "ms" { exit 1 }
		NR > 1 && ($2 - end > 0.000002 || end - $2 > 0.000002) { exit 1 }
		{ end = $4 }' "$LOG/clips" || fail "the log of $medium: $(cat "$LOG/clips")"
done
