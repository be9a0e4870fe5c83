#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# cut=smart in HEVC: as cut-smart.sh; copying may begin at any keyframe, also of an open group, and the
# numbers of x265's parameter sets are not the source's.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need ffmpeg
[[ $(ffmpeg -hide_banner -encoders 2>/dev/null) == *libx265* ]] || skip "this FFmpeg has no libx265"
smart() { # UPLOAD [SOURCE]: of the same frames
	id=smart.$1
	[[ ${2-} ]] || upload "$1"
	echo "{\"uploadId\":\"$1\",\"clipDuration\":1.3,\"cut\":\"smart\",\"jobId\":\"$id\"}" >"$MNT/control"
	sc_done "$id" 120
	compare_clips "$(media "${2-$1}")" "$MNT/jobs/$id/clips" --mode smart --status "$MNT/jobs/$id/status" ||
		fail "$1: the clips are not the source"
	eq "$(status_of "$id" '[.result.artifacts[].hiddenHeadMs]|unique|join(" ")')" 0 "hidden head of $1"
	eq "$(status_of "$id" '[.result.artifacts[].method]|join(" ")')" "copy head head encode" "$1"
	# of 68 frames behind the first clip; keyframes are 30 apart
	eq "$(sed -nE 's/.*clip [0-9]+: ([0-9]+) frames encoded, ([0-9]+) copied$/\1+\2/p' "$MNT/jobs/$id/log" | tr '\n' ' ')" \
		"27+5 25+9 2+0 " "frames of $1"
}
what() { # what the first frame is, with what is said of its light
	ffprobe -v error -select_streams v -show_entries \
		stream=profile,level,pix_fmt,color_range,color_space,color_transfer,color_primaries,chroma_location:frame_side_data \
		-read_intervals '%+#1' -of csv=p=0 "$1" | tr ',' '\n' | grep -v -e SEI -e '^$'
}
numbers() { # FIELD: those that stand in a clip's headers, as another reader of the bits has it
	grep -oE " $1 .*" "$LOG/headers" | awk '{print $NF}' | sort -nu | tr '\n' ' '
}

sc_mount
for name in codec-hevc-mp3.mp4 codec-hevc-ac3.ts hevc-light.mp4; do
	smart "$name"
done
clip=$MNT/jobs/$id/clips/clip_002.mp4
eq "$(what "$clip")" "$(what "$(media hevc-light.mp4)")" "light and colours of a head"
contains "$(what "$clip" | tr "\n" ,)" ",1000,400," "light of a head"
ffmpeg -nostdin -v trace -i "$clip" -map 0:v -c copy -bsf:v trace_headers -f null - >"$LOG/headers" 2>&1 ||
	fail "the headers cannot be read"
eq "$(numbers vps_video_parameter_set_id)" "0 15 "
eq "$(numbers sps_seq_parameter_set_id)" "0 15 "
eq "$(numbers pps_pic_parameter_set_id)" "0 30 "
eq "$(numbers slice_pic_parameter_set_id)" "0 30 "
rm "$LOG/headers"

# without a table of keyframes all samples are called some: what is encoded is decoded from a true one
"$SC_TESTS/lib/edit-mp4" --sync all "$(media hevc-light.mp4)" "$MNT/incoming/unmarked.mp4"
smart unmarked.mp4 hevc-light.mp4

# without a keyframe no decoder need show anything: nothing is copied
for name in noirap.mp4 noirap.mkv; do
	ffmpeg -nostdin -v error -i "$(media matrix-hevc-aac.mp4)" -t 1 -map 0:v -copyinkf -c copy -tag:v hvc1 -bsf:v "noise=drop=eq(n\\,0)" \
		"$MNT/incoming/$name"
	for mode in exact keyframe smart; do
		echo "{\"uploadId\":\"$name\",\"clipDuration\":1,\"cut\":\"$mode\",\"jobId\":\"$mode.$name\"}" >"$MNT/control"
		sc_failed "$mode.$name" UNSUPPORTED_CODEC
		matches "$(status_of "$mode.$name" .error.message)" 'without a picture that decoding can begin at: use .*"encode"'
	done
done

upload hevc-fields.mp4
echo '{"uploadId":"hevc-fields.mp4","clipDuration":1,"cut":"smart","jobId":"fields"}' >"$MNT/control"
sc_failed fields UNSUPPORTED_CODEC
for word in x265 '"cut":"exact"' '"cut":"encode"'; do
	contains "$(status_of fields .error.message)" "$word"
done
check_invariants
sc_umount
