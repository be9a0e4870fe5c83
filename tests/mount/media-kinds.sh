#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Rotation and language survive; what cannot be cut says why; what is no video is refused as such.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
run() { # NAME CUT: submit, its id is the name
	upload "$1"
	echo "{\"uploadId\":\"$1\",\"clipDuration\":1,\"maxClips\":2,\"cut\":\"$2\",\"jobId\":\"$1\"}" >"$MNT/control"
}
probe() { # JOB ENTRY
	ffprobe -v error -show_entries "$2" -of default=nw=1:nk=1 "$MNT/jobs/$1/clips/clip_001.mp4"
}

run rotated.mp4 exact && sc_done rotated.mp4
eq "$(probe rotated.mp4 stream_side_data=rotation)" \
	"$(ffprobe -v error -show_entries stream_side_data=rotation -of default=nw=1:nk=1 "$(media rotated.mp4)")"
run language.mp4 exact && sc_done language.mp4
contains "$(probe language.mp4 stream_tags=language)" deu
run vfr.mp4 exact && sc_done vfr.mp4
compare_clips "$(media vfr.mp4)" "$MNT/jobs/vfr.mp4/clips" --mode exact \
	--status "$MNT/jobs/vfr.mp4/status" || fail "vfr.mp4: the clips are not the source"

# only sound
run audioonly.m4a exact && sc_done audioonly.m4a
eq "$(status_of audioonly.m4a '.result.artifacts[0]|[.filename,.type,.format,.url]|tostring')" \
	'["clip_001.m4a","audio","m4a","jobs/audioonly.m4a/clips/clip_001.m4a"]'
ffmpeg -nostdin -v error -xerror -i "$MNT/jobs/audioonly.m4a/clips/clip_001.m4a" -f null -

run vp8.mkv exact && sc_failed vp8.mkv UNSUPPORTED_CODEC
contains "$(status_of vp8.mkv .message)" vp8
# sound that goes on without a picture is in no clip, and the job says so
run longsound.mp4 exact && sc_done longsound.mp4
contains "$(status_of longsound.mp4 '.warnings|tostring')" "behind the last frame"
# bare pictures begin with a line of text, and are none
ffmpeg -nostdin -v error -f lavfi -i color=gray:duration=1:rate=25:size=64x48 -pix_fmt yuv420p -f yuv4mpegpipe "$MNT/incoming/bare.y4m"
echo '{"uploadId":"bare.y4m","cut":"encode","jobId":"bare"}' >"$MNT/control"
sc_done bare
eq "$(status_of bare '.result.artifacts[0].duration + 0')" 1
echo '{"uploadId":"bare.y4m","cut":"exact","jobId":"bare.exact"}' >"$MNT/control"
sc_failed bare.exact UNSUPPORTED_CODEC
# a movie that is no more than the name of another
{
	printf '\0\0\0\024ftypqt  \0\0\0\0qt  '
	printf '\0\0\0\075moov\0\0\0\065rmra\0\0\0\055rmda\0\0\0\045rdrf\0\0\0\0url \0\0\0\021http://a.org/x.mp'
} >"$MNT/incoming/reference.mov"
echo '{"uploadId":"reference.mov","jobId":"reference"}' >"$MNT/control"
sc_failed reference INVALID_MEDIA
contains "$(status_of reference .message)" "only refers to other files"
for name in truncated.mp4 noindex.mp4 truncated.avi truncated.flv; do
	run $name exact && sc_failed $name UPLOAD_INCOMPLETE
done
for name in text.mp4 playlist.mp4 concat.mp4; do
	run $name exact && sc_failed $name INVALID_MEDIA
done
: >"$MNT/incoming/empty.mp4"
echo '{"uploadId":"empty.mp4","jobId":"empty"}' >"$MNT/control"
sc_failed empty UPLOAD_INCOMPLETE
# the uploads stay, whatever became of their jobs
for name in vp8.mkv truncated.mp4 text.mp4 playlist.mp4; do
	cmp "$MNT/incoming/$name" "$(media $name)"
done
check_invariants
sc_umount
