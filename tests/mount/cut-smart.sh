#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# cut=smart: only the frames from a cut to the next keyframe are encoded, in the source's own form; the
# rest is the source's bytes, and no frame before the cut is in the clip.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need ffmpeg
smart() { # UPLOAD SECONDS [FIELDS]: a job and its comparison
	id=smart.$1
	echo "{\"uploadId\":\"$1\",\"clipDuration\":$2,\"cut\":\"smart\",\"jobId\":\"$id\"${3:-}}" >"$MNT/control"
	sc_done "$id" 120
	compare_clips "$(media "$1")" "$MNT/jobs/$id/clips" --mode smart --status "$MNT/jobs/$id/status" ||
		fail "$1: the clips are not the source"
	eq "$(status_of "$id" '[.result.artifacts[].hiddenHeadMs]|unique|join(" ")')" 0 "hidden head of $1"
}
methods() {
	status_of "$id" '[.result.artifacts[].method]|join(" ")'
}
# Frames that the log says were encoded and copied.
counts() {
	sed -nE 's/.*clip [0-9]+: ([0-9]+) frames encoded, ([0-9]+) copied$/\1 \2/p' "$MNT/jobs/$id/log" |
		awk '{a += $1; b += $2} END {print a + 0, b + 0}'
}
# A refused mode, by the job's error.
refused() { # UPLOAD CODE WORDS…
	local word
	upload "$1"
	echo "{\"uploadId\":\"$1\",\"clipDuration\":1,\"cut\":\"smart\",\"jobId\":\"refused.$1\"}" >"$MNT/control"
	sc_failed "refused.$1" "$2"
	for word in "${@:3}"; do
		contains "$(status_of "refused.$1" .error.message)" "$word" "$1"
	done
}

sc_mount
for name in main.mp4 main.mkv codec-h264-mp2.ts interlaced.mp4 odd.mp4 fullrange.mp4 hdr-pq.mp4 rotated.mp4 vfr.mp4 \
	twosets.mp4 opengroups.mp4 lossless.mp4 refresh.mp4; do
	upload "$name"
done

smart main.mp4 5
eq "$(methods)" "copy$(printf ' head%.0s' {1..12})"
counts >"$LOG/counts" # of 1910 frames; keyframes are 47 apart, so half of that per clip
read -r encoded copied <"$LOG/counts"
le "$encoded" 480
le 1400 "$copied"
# like the source to more than 40 dB, measured over whole frames
psnr=$(ffmpeg -nostdin -hide_banner -i "$MNT/jobs/$id/clips/clip_002.mp4" -ss 5.005 -i "$(media main.mp4)" \
	-lavfi 'psnr=shortest=1:stats_file=-' -f null - 2>/dev/null |
	sed -nE 's/.*psnr_avg:([0-9.]+) .*/\1/p' | sort -n | head -1)
le 40 "${psnr%.*}" "the least likeness of a frame"
# one avcC holds both pairs of parameter sets, and players begin with the header
eq "$(ffprobe -v error -select_streams v -show_entries stream=codec_name,profile,level,pix_fmt -of csv=p=0 "$MNT/jobs/$id/clips/clip_002.mp4")" \
	"$(ffprobe -v error -select_streams v -show_entries stream=codec_name,profile,level,pix_fmt -of csv=p=0 "$(media main.mp4)")"

smart main.mkv 5
smart codec-h264-mp2.ts 1.3
smart interlaced.mp4 0.7 ',"strict":true'
eq "$(ffprobe -v error -select_streams v -show_entries frame=interlaced_frame -of csv=p=0 "$MNT/jobs/$id/clips/clip_002.mp4" |
	tr -d ',' | sed '/^$/d' | sort -u)" 1 "frames of the interlaced clip"
for name in odd.mp4 fullrange.mp4 hdr-pq.mp4 rotated.mp4 vfr.mp4 twosets.mp4; do
	smart "$name" 0.7
	contains "$(methods)" head "$name"
done
# cuts at keyframes encode nothing
echo '{"uploadId":"twosets.mp4","cut":"smart","jobId":"at-keyframes","clips":[{"start":0.8,"end":1.6},{"start":1.6,"end":3}]}' >"$MNT/control"
sc_done at-keyframes
id=at-keyframes
eq "$(methods)" "copy copy"
eq "$(counts)" "0 0"
# nothing may follow a head but an IDR: this source has only one; a cut at another keyframe needs no head
smart opengroups.mp4 1.5
eq "$(methods)" "copy encode copy"
# what is decoded from one recovery point is right two of them later
smart refresh.mp4 2.3
eq "$(methods)" "copy encode encode"
# a head with loss would leave the decoder unable to show what has none
smart lossless.mp4 0.7
contains "$(methods)" head lossless.mp4

# other parameter sets, another size from some keyframe on; the times of the two overlap: all frames are there
for name in joined-sets.mkv joined-sizes.mp4 joined-over.mkv joined-over-sizes.mkv; do
	upload $name
	smart $name 1.3
	matches "$(methods)" "head.*head" "$name"
done
# a cut within what overlaps: the frames that are decoded before the keyframe there are not lost, in no mode
for name in joined-over.mkv joined-over-sizes.mp4; do
	[[ -e $MNT/incoming/$name ]] || upload $name
	for mode in exact keyframe smart; do
		id=over.$mode.$name
		echo "{\"uploadId\":\"$name\",\"cut\":\"$mode\",\"jobId\":\"$id\",\"clips\":[{\"start\":0,\"end\":2.92},{\"start\":2.92,\"end\":5.9}]}" >"$MNT/control"
		sc_done "$id"
		compare_clips "$(media $name)" "$MNT/jobs/$id/clips" --mode $mode --status "$MNT/jobs/$id/status" ||
			fail "$id: the clips are not the source"
	done
done
# frames of two sizes, one behind the other in the order of time, cannot be one head
echo '{"uploadId":"joined-over-sizes.mp4","cut":"smart","jobId":"between","clips":[{"start":2.96,"end":5.9}]}' >"$MNT/control"
sc_failed between UNSUPPORTED_CODEC
for word in "change their form midway" '"cut":"exact"' '"cut":"encode"'; do
	contains "$(status_of between .error.message)" "$word"
done
# encode makes one size of them, and says what has no time of its own
echo '{"uploadId":"joined-over-sizes.mp4","cut":"encode","jobId":"one-size","clips":[{"start":2,"end":4}]}' >"$MNT/control"
sc_done one-size
contains "$(status_of one-size '.warnings|join("\n")')" "2 of 52 frames are left out, as the source's times go back before them"
eq "$(ffprobe -v error -select_streams v -show_entries frame=width,height -of csv=p=0 "$MNT/jobs/one-size/clips/clip_001.mp4" |
	cut -d, -f1,2 | sed '/^$/d' | sort | uniq -c | tr -d ' ')" 50160,90 "frames by size"

refused codec-mpeg4-ac3.mp4 UNSUPPORTED_CODEC mpeg4 '"cut":"exact"' '"cut":"encode"'
refused audioonly.m4a NO_VIDEO '"cut":"exact"'
check_invariants
sc_umount
