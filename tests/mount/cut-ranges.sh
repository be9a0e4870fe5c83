#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ranges chosen by the caller: at frames and between them, overlapping, short, up to the end; and how many clips.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
upload main.mp4
src=$(media main.mp4)
cut() { # JOB REQUEST-FIELDS
	echo "{\"uploadId\":\"main\",\"jobId\":\"$1\",$2}" >"$MNT/control"
	sc_done "$1"
	compare_clips "$src" "$MNT/jobs/$1/clips" --mode exact --status "$MNT/jobs/$1/status" ||
		fail "$1: not the source's frames"
}
cut chosen '"clips":[{"start":0,"end":1},{"start":0.5,"end":0.6},{"start":1.5682333,"end":3.1},{"start":3.1,"end":3.2},{"start":10.01,"end":20.02},{"start":63,"end":63.7}]'
eq "$(status_of chosen '.totalClips')" 6
cut backwards '"clips":[{"start":30,"end":31},{"start":5,"end":6}]'
eq "$(status_of backwards "[.result.artifacts[].start|floor]|tostring")" "[30,5]" "order of the request"
cut few '"clipDuration":5,"maxClips":3'
eq "$(status_of few .totalClips)" 3
cut small '"clipDuration":0.5'
eq "$(status_of small .totalClips)" 50 "default of maxClips"
cut large '"clipDuration":3600'
eq "$(status_of large .totalClips)" 1

echo '{"uploadId":"main","jobId":"beyond","clips":[{"start":60,"end":70}]}' >"$MNT/control"
sc_failed beyond RANGE_BEYOND_END
echo '{"uploadId":"main","jobId":"none","clips":[{"start":1,"end":1.0001}]}' >"$MNT/control"
sc_failed none NO_CLIPS

# More clips than a worker may have files open, in each mode.
upload tiny.mp4
for mode in exact smart keyframe encode; do
	python3 -c "import json,sys; print(json.dumps({'uploadId': 'tiny', 'jobId': 'many-$mode', 'cut': '$mode',
		'clips': [{'start': 0, 'end': 0.2}] * 300}))" >"$MNT/control"
	sc_done "many-$mode" 120
	eq "$(find "$MNT/jobs/many-$mode/clips/" -name 'clip_*.mp4' | wc -l)" 300 "clips of many-$mode"
	[[ $mode == encode ]] || # (x264 decides otherwise once in some thousand)
		eq "$(find "$MNT/jobs/many-$mode/clips/" -name 'clip_*.mp4' -exec sha256sum {} + | awk '{print $1}' | sort -u | wc -l)" 1 "contents of one range, $mode"
done

# Sound in long blocks: clips of a frame, within one of them, have it all the same, to the sample.
upload longblocks.mp4
echo '{"uploadId":"longblocks","jobId":"blocks","clips":[{"start":0.2,"end":0.24},{"start":1,"end":1.04},{"start":2.8,"end":2.84},{"start":2.96,"end":3}]}' >"$MNT/control"
sc_done blocks
pcm() { # FILE SAMPLE: 40 ms of its sound
	ffmpeg -nostdin -v error -y -i "$1" -map 0:a -f s16le "$SC_TEST/pcm"
	tail -c +$(($2 * 2 + 1)) "$SC_TEST/pcm" | head -c 3840 | sha256sum
}
n=0
for ms in 200 1000 2800 2960; do
	n=$((n + 1))
	eq "$(pcm "$MNT/jobs/blocks/clips/clip_00$n.mp4" 0)" "$(pcm "$(media longblocks.mp4)" $((ms * 48)))" "sound at $ms ms"
done

# The last field of a stream is its last frame's, though libavformat's parser is gone by then.
upload matrix-h264-paff.ts
src=$(media matrix-h264-paff.ts)
echo '{"uploadId":"matrix-h264-paff","jobId":"fields","clips":[{"start":2.92,"end":2.94},{"start":2.96,"end":2.98}]}' >"$MNT/control"
sc_done fields
eq "$(status_of fields '[.result.artifacts[].duration]|tostring')" "[0.04,0.04]" "whole frames"
compare_clips "$src" "$MNT/jobs/fields/clips" --mode exact --status "$MNT/jobs/fields/status" ||
	fail "fields: not the source's frames"
check_invariants
sc_umount
