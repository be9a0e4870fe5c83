#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What becomes of sound that does not stay as it is: its channels are kept where AAC has such an arrangement and become the
# next larger one elsewhere; what no clip holds, and what cannot be decoded, is said by each mode in the same words.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

cd "$SC_TEST" || fail "no $SC_TEST"
make() { # FILE SECONDS SOUND OPTIONS…: five seconds of picture
	ffmpeg -nostdin -v error -y ${from:+-itsoffset $from} -f lavfi -i testsrc2=size=64x48:rate=25:duration=5 \
		${late:+-itsoffset $late} -f lavfi -i "$3,atrim=duration=$2" -map 0 -map 1 \
		-c:v libx264 -preset ultrafast -g 25 -fps_mode passthrough "${@:4}" "$1"
}
tones() { # CHANNELS LAYOUT: another tone in each channel
	local n all=
	for ((n = 1; n <= $1; n++)); do all+="${all:+|}0.2*sin(2*PI*$((n * 300))*t)"; done
	echo "aevalsrc='$all':channel_layout=$2:sample_rate=48000"
}
make eight.mkv 2 "$(tones 8 7.1)" -t 2 -c:a pcm_s16le
make quad.mov 2 "$(tones 4 quad)" -t 2 -c:a pcm_s16le
make four.mkv 2 "$(tones 4 4.0)" -t 2 -c:a pcm_s16le
make seven.mkv 2 "$(tones 7 6.1)" -t 2 -c:a pcm_s16le
late=4.5 make late.mp4 4 sine=500 -c:a aac
from=3 make early.mp4 2 sine=500 -c:a aac
make unknown.mp4 2 sine=500 -t 2 -c:a aac
LC_ALL=C sed -i "s/mp4a/apac/; s/esds/free/" unknown.mp4 # nor what it describes itself by

sc_mount
run() { # FILE MODE [FIELDS]
	echo "{\"uploadId\":\"$1\",\"parts\":1,\"cut\":\"$2\",\"jobId\":\"$2.$1\"${3-}}" >"$MNT/control"
	sc_done "$2.$1"
}
channels() { # JOB
	ffprobe -v error -select_streams a -show_entries stream=channels -of csv=p=0 "$MNT/jobs/$1/clips/clip_001.mp4"
}
warnings() { status_of "$1" '.warnings[]|tostring'; }
for name in *.mov *.mkv *.mp4; do cp "$name" "$MNT/incoming/$name"; done

for row in eight.mkv:8: quad.mov:5:'quad to 5.0' four.mkv:4: seven.mkv:8:'7 channels to 7.1'; do
	IFS=: read -r name n said <<<"$row"
	for mode in exact encode; do
		run "$name" $mode
		eq "$(channels $mode."$name")" "$n" "$mode $name"
		eq "$(warnings $mode."$name" | grep -o 'become others: .*')" "${said:+become others: $said}" "$mode $name"
	done
done
# each tone at the place where it was (that of low tones keeps none of these)
for n in 1 3 5 8; do
	ffmpeg -nostdin -v error -y -i "$MNT/jobs/encode.eight.mkv/clips/clip_001.mp4" -af "pan=mono|c0=c$((n - 1)),bandpass=f=$((n * 300)):width_type=h:w=60,volumedetect" \
		-f null - -loglevel info 2>&1 | grep mean_volume >"$LOG/volume.$n"
	awk '{ exit !($(NF - 1) > -24) }' "$LOG/volume.$n" || fail "channel $n: $(cat "$LOG/volume.$n")"
done

for mode in exact smart keyframe encode; do
	run late.mp4 $mode
	contains "$(warnings $mode.late.mp4)" "the sound (stream 1) from 5.000 s to 8." "$mode"
	contains "$(warnings $mode.late.mp4)" "behind the last frame, is in no clip" "$mode"
	run early.mp4 $mode
	contains "$(warnings $mode.early.mp4)" "before the first frame, is in no clip" "$mode"
	run unknown.mp4 $mode
	eq "$(status_of $mode.unknown.mp4 '.result.artifacts[0].dropped|tostring')" '["stream 1: audio (apac)"]' "$mode"
	contains "$(warnings $mode.unknown.mp4)" \
		"the sound in apac (stream 1) is left out: codec 'apac' cannot be decoded here" "$mode"
done
check_invariants
sc_umount
