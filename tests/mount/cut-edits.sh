#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sources with edit lists of their own: one that begins between two frames, one behind nothing, several.
# timeout: 600
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
cut() { # MODE UPLOAD [OPTIONS-OF-THE-COMPARISON…]
	local id=$1.$2
	echo "{\"uploadId\":\"$2\",\"clipDuration\":1.1,\"cut\":\"$1\",\"jobId\":\"$id\"}" >"$MNT/control"
	sc_done "$id" 120
	compare_clips "$(media "$2")" "$MNT/jobs/$id/clips" --mode "$1" --status "$MNT/jobs/$id/status" "${@:3}" ||
		fail "$id: the clips are not the source"
}

for name in edit-between.mp4 edit-empty.mp4; do
	upload "$name"
done
# The edit begins 300/12800 s behind the first frame, so the second is shown 212/12800 s after the sound begins.
for mode in exact smart encode; do
	cut $mode edit-between.mp4 --late 212/12800
	cut $mode edit-empty.mp4
done
eq "$(jq '.result.artifacts[0].start' "$MNT/jobs/exact.edit-between.mp4/status")" 0.016563
eq "$(jq '.result.artifacts[0].start' "$MNT/jobs/exact.edit-empty.mp4/status")" 0.5
# Several parts, one behind the other, compared with what they present.
cut_parts() { # MODE MEDIUM SECONDS [OPTIONS-OF-THE-COMPARISON…]
	local id=$1.$2.$3
	echo "{\"uploadId\":\"edit-$2.mp4\",\"clipDuration\":$3,\"cut\":\"$1\",\"jobId\":\"$id\"${strict:-}}" >"$MNT/control"
	sc_done "$id" 120
	compare_clips "$(media "edit-$2.ref.mov")" "$MNT/jobs/$id/clips" --mode "$1" --status "$MNT/jobs/$id/status" \
		--reference --whole "${@:4}" || fail "$id: the clips are not what the edit list presents"
}
for name in seam three pause halves open marked speed; do
	upload edit-$name.mp4
done
for mode in exact smart keyframe; do
	# The sound's parts end within a packet, of which ffmpeg plays the whole.
	cut_parts $mode seam 0.7 --seams 1
	cut_parts $mode three 0.7
	# Clips across the sound's pauses end in silence, which has no samples.
	cut_parts $mode pause 0.7 --seams 0.64,1.28
	# Nor does decoding begin at I pictures that are only called keyframes.
	cut_parts $mode marked 0.7 --seams 2,3
	cut_parts $mode open 0.7
done
for name in seam three pause halves marked open; do
	cut_parts encode $name 0.7
done
cut_parts smart halves 0.7
cut_parts exact three 10
strict=',"strict":true' cut_parts exact pause 10 --seams 0.64,1.28
# What is one behind the other in the source needs no edits of its own.
eq "$(ffprobe -v trace "$MNT/jobs/smart.halves.0.7/clips/clip_002.mp4" 2>&1 | grep -c 'Processing st: 0, edit list')" 1
eq "$(ffprobe -v trace "$MNT/jobs/exact.three.10/clips/clip_001.mp4" 2>&1 | grep -c 'Processing st: 0, edit list')" 3
# What a later part hides is told, too: one keyframe in 6 s, of which the first and the fifth are shown.
ffmpeg -nostdin -v error -f lavfi -i testsrc2=duration=6:rate=25:size=64x48 -c:v libx264 -preset ultrafast -g 250 \
	-video_track_timescale 12800 "$SC_TEST/one-keyframe.mp4"
"$SC_TESTS/lib/edit-mp4" "$SC_TEST/one-keyframe.mp4" "$MNT/incoming/edit-far.mp4" 0:1000,51200:1000
for mode in exact smart; do
	echo "{\"uploadId\":\"edit-far.mp4\",\"clipDuration\":2,\"cut\":\"$mode\",\"jobId\":\"$mode.far\"}" >"$MNT/control"
	sc_done $mode.far
	matches "$(status_of $mode.far '.warnings|join("\n")')" \
		"leaves something out in 1 of 1 clips .clip 1: 4.0 s.*'encode' has none" $mode.far
	eq "$(status_of $mode.far '.result.artifacts[0].hiddenHeadMs + 0')" 0
done
# An edit that lasts 0 goes to the end of the media, fragments or not, which ffmpeg shows nothing of: copied sound and
# sound encoded anew are those of the source without it.
for name in zero.mp4 zero.mov; do
	sound=aac begin=1024
	[[ $name != *.mov ]] || sound=pcm_s16le begin=0
	ffmpeg -nostdin -v error -f lavfi -i testsrc2=duration=3:rate=25:size=64x48 -f lavfi -i sine=500:duration=3 \
		-c:v libx264 -preset ultrafast -bf 0 -g 30 -c:a $sound "$SC_TEST/$name"
	"$SC_TESTS/lib/edit-mp4" "$SC_TEST/$name" "$MNT/incoming/$name" 0:0 $begin:0
	for mode in exact smart keyframe encode; do
		echo "{\"uploadId\":\"$name\",\"clipDuration\":0.7,\"cut\":\"$mode\",\"jobId\":\"$mode.$name\"}" >"$MNT/control"
		sc_done $mode.$name
		compare_clips "$SC_TEST/$name" "$MNT/jobs/$mode.$name/clips" --mode $mode --status "$MNT/jobs/$mode.$name/status" ||
			fail "$mode.$name: the clips are not the source"
	done
done
# Nothing is played at another speed.
for mode in exact smart keyframe; do
	echo "{\"uploadId\":\"edit-speed.mp4\",\"cut\":\"$mode\",\"jobId\":\"$mode.speed\"}" >"$MNT/control"
	sc_failed $mode.speed UNSUPPORTED_CODEC
	contains "$(status_of $mode.speed .error.message)" "at another speed by its edit list"
	contains "$(status_of $mode.speed .error.message)" '"cut":"encode"'
done
echo '{"uploadId":"edit-speed.mp4","cut":"encode","jobId":"encode.speed"}' >"$MNT/control"
sc_done encode.speed 60
contains "$(status_of encode.speed '.warnings[0]')" "another speed"
# A CRA picture in the midst of a clip's track is no new beginning: encode alone cuts such parts.
upload edit-cra.mp4
for mode in exact smart keyframe; do
	echo "{\"uploadId\":\"edit-cra.mp4\",\"cut\":\"$mode\",\"jobId\":\"$mode.cra\"}" >"$MNT/control"
	sc_failed $mode.cra UNSUPPORTED_CODEC
	contains "$(status_of $mode.cra .error.message)" "edited in several parts"
done
cut_parts encode cra 0.7
check_invariants
sc_umount
