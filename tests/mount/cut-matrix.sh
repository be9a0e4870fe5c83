#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Codecs and containers: `exact` and `keyframe` copy every picture and sound that MP4 can hold, encode
# other sound beside the copied picture, and lose nothing.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need ffmpeg
sc_mount
encoders=$(ffmpeg -v error -encoders)
has_encoder() { # NAME as in a file's name
	case $1 in
	hevc) grep -q libx265 <<<"$encoders" ;;
	av1) grep -q libaom-av1 <<<"$encoders" ;;
	vp9) grep -q libvpx-vp9 <<<"$encoders" ;;
	mp3) grep -q libmp3lame <<<"$encoders" ;;
	opus) grep -q libopus <<<"$encoders" ;;
	vorbis) grep -q libvorbis <<<"$encoders" ;;
	esac
}

modes_of() { # FILE: keyframes are cut at in the same way whatever the sound and the container
	case $1 in
	*hevc*.mp4 | *vp9*.webm | *mpeg2*.mkv) echo exact keyframe ;;
	*) echo exact ;;
	esac
}

files=(
	codec-hevc-mp3.mp4 codec-hevc-mp3.mkv
	codec-vp9-opus.mp4 codec-vp9-opus.webm
	codec-av1-flac.mp4 codec-av1-flac.mkv
	codec-mpeg4-ac3.mp4 codec-mpeg4-ac3.mkv
	codec-mpeg2-eac3.mp4 codec-mpeg2-eac3.mkv
	codec-mpeg4-alac.mov codec-mpeg4-alac.mkv
	codec-h264-mp3.mov
	codec-h264-pcm.mov codec-h264-vorbis.mkv # sound that becomes AAC
	codec-h264-aac.ts codec-h264-mp2.ts codec-hevc-ac3.ts codec-mpeg2-mp2.ts
)
used=()
for name in "${files[@]}"; do
	IFS=- read -r _ video audio <<<"${name%.*}"
	case $video-$audio in
	*hevc* | *av1* | *vp9* | *mp3* | *opus* | *vorbis*)
		has_encoder "$video" || [[ $video =~ ^(h264|mpeg) ]] || continue
		has_encoder "$audio" || [[ ! $audio =~ ^(mp3|opus|vorbis)$ ]] || continue
		;;
	esac
	upload "$name"
	used+=("$name")
	for mode in $(modes_of "$name"); do
		echo "{\"uploadId\":\"$name\",\"clipDuration\":1.3,\"cut\":\"$mode\",\"jobId\":\"$mode.$name\"}" >"$MNT/control"
	done
done
((${#used[@]} >= 4)) || fail "only ${#used[@]} files could be made"
for name in "${used[@]}"; do
	for mode in $(modes_of "$name"); do
		id=$mode.$name
		sc_done "$id"
		eq "$(status_of "$id" '[.result.artifacts[].method]|unique|join(" ")')" copy "$id"
		eq "$(status_of "$id" '[.result.artifacts[].dropped[]?]|length')" 0 "$id"
		n_recoded=0
		[[ $name != *-pcm.* && $name != *-vorbis.* ]] || n_recoded=1
		eq "$(status_of "$id" '[.warnings[]|select(contains("encoded anew, as AAC"))]|length')" $n_recoded "$id"
		compare_clips "$(media "$name")" "$MNT/jobs/$id/clips" --mode "$mode" --whole \
			--status "$MNT/jobs/$id/status" || fail "$id: the clips are not the source"
	done
done
# sound that is encoded anew though MP4 has its codec, and, by the version of FFmpeg, a picture that is not copied
upload hole.mp4
echo '{"uploadId":"hole.mp4","parts":2,"cut":"exact","jobId":"hole"}' >"$MNT/control"
sc_wait_job hole >/dev/null
matches "$(status_of hole '.error.message // (.warnings|join("\n"))')" \
	"(in aac .stream 1. is encoded anew, as AAC,|cannot copy the picture).*with a hole, where its container hides packets"
# files from outside are compared as well; one that ffprobe cannot open is named and passed over
mkdir "$SC_TEST/outside"
ln -s "$(media matrix-h264-silent.mp4)" "$SC_TEST/outside/b.mp4"
echo "no video" >"$SC_TEST/outside/a.mp4"
"$SC_TESTS/matrix/outside" --modes exact --jobs 1 "$SC_TEST/outside" >"$LOG/outside" || fail "$(cat "$LOG/outside")"
eq "$(sed -n '3,4p' "$LOG/outside")" "| a.mp4 | not opened |
| b.mp4 (h264) | ok 75 |"
check_invariants
sc_umount
