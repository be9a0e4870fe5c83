#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# cut=encode with a shape: sizes as players show them, and what ffmpeg's own filters would have made.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

n=0
encode() { # UPLOAD FIELDS: $clip is its first clip, $id its job
	n=$((n + 1))
	id=picture$n
	echo "{\"uploadId\":\"$1\",\"cut\":\"encode\",\"jobId\":\"$id\",\"clips\":[{\"start\":0,\"end\":1}]${2:+,$2}}" \
		>"$MNT/control"
	sc_done "$id" 120
	clip=$MNT/jobs/$id/clips/clip_001.mp4
}

# Size and pixels as ffmpeg decodes them, turned as a player would.
shown() {
	ffmpeg -nostdin -hide_banner -i "$clip" -frames:v 1 -vf showinfo -f null - 2>&1 |
		sed -nE 's|.*n: *0 .* sar:([0-9]+/[0-9]+) s:([0-9]+x[0-9]+).*|\2 \1|p'
}

frames() {
	ffprobe -v error -select_streams v -count_frames -show_entries stream=nb_read_frames -of csv=p=0 "$clip"
}

tags() {
	ffprobe -v error -select_streams v -show_entries stream=color_range,color_space,color_transfer,color_primaries \
		-of default=nw=1:nk=1 "$clip" | paste -sd' '
}

# How like the clip is to the source behind ffmpeg's filters, in whole dB.
like() { # SOURCE FILTERS AT-LEAST
	local db
	db=$(ffmpeg -nostdin -hide_banner -i "$clip" -i "$1" -lavfi "[1:v]$2[r];[0:v][r]psnr=shortest=1" -f null - 2>&1 |
		sed -nE 's/.*average:([0-9]+).*/\1/p')
	le "$3" "${db:-0}" "likeness of $id to $2"
}

sc_mount
for name in wide.mp4 anamorphic.mp4 odd.mp4 fullrange.mp4 interlaced.mp4 hdr-pq.mp4 hdr-hlg.mp4 rotated.mp4 \
	audioonly.m4a; do
	upload "$name"
done
src=$(media wide.mp4)

# the largest upright middle; exactly a size; bars; one of two sizes
encode wide.mp4 '"aspect":"9:16"'
eq "$(shown)" "406x720 1/1"
eq "$(frames)" 25
eq "$(status_of "$id" '.warnings|length')" 0
eq "$(tags)" "tv bt709 bt709 bt709"
like "$src" "crop=406:720:436:0" 36
encode wide.mp4 '"width":720,"height":1280'
eq "$(shown)" "720x1280 1/1"
eq "$(frames)" 25
like "$src" "crop=406:720:436:0,scale=720:1280:flags=bicubic" 36
encode wide.mp4 '"aspect":"9:16","width":360'
eq "$(shown)" "360x640 1/1"
encode wide.mp4 '"width":720,"height":1280,"fit":"pad"'
eq "$(shown)" "720x1280 1/1"
like "$src" "scale=720:406:flags=bicubic,pad=720:1280:0:436" 36
encode wide.mp4 '"aspect":"1:1","fit":"pad"'
eq "$(shown)" "1280x1280 1/1"
like "$src" "pad=1280:1280:0:280" 36
encode wide.mp4 '"height":360'
eq "$(shown)" "640x360 1/1"
like "$src" "scale=640:360:flags=bicubic" 36

# quality and preset reach the encoder
encode wide.mp4 '"quality":40,"preset":"ultrafast"'
eq "$(shown)" "1280x720 1/1"
coarse=$(stat -c %s "$clip")
encode wide.mp4 '"quality":10'
le "$coarse" $(($(stat -c %s "$clip") / 3)) "bytes of quality 40"

# pixels that are not square: kept by cropping, square when scaled
encode anamorphic.mp4
eq "$(shown)" "720x576 64/45"
encode anamorphic.mp4 '"aspect":"1:1"'
eq "$(shown)" "406x576 64/45" # 576 / (64/45) = 405, to an even number
like "$(media anamorphic.mp4)" "crop=406:576:156:0" 36
encode anamorphic.mp4 '"width":512'
eq "$(shown)" "512x288 1/1"
encode anamorphic.mp4 '"width":576,"height":576'
eq "$(shown)" "576x576 1/1"

# odd sizes lose their last column and row
encode odd.mp4
eq "$(shown)" "320x180 1/1"
encode odd.mp4 '"aspect":"4:3"'
eq "$(shown)" "240x180 1/1"
like "$(media odd.mp4)" "crop=320:180:0:0,crop=240:180:40:0,format=yuv420p" 34

# sizes are those of the turned picture (160x90, turned by 90 degrees), and it stays turned
encode rotated.mp4
eq "$(shown)" "90x160 1/1"
for fields in '"aspect":"9:16"' '"width":90'; do
	encode rotated.mp4 "$fields"
	eq "$(shown)" "90x160 1/1" "$fields"
	like "$(media rotated.mp4)" null 33
done
encode rotated.mp4 '"aspect":"16:9"'
eq "$(shown)" "90x50 1/1"
like "$(media rotated.mp4)" "crop=90:50:0:56" 33 # 55, on the grid of the source
encode rotated.mp4 '"width":180,"height":180,"fit":"pad"'
eq "$(shown)" "180x180 1/1"
like "$(media rotated.mp4)" "scale=102:180:flags=bicubic,pad=180:180:38:0" 33

# the range stays what it was, and is told
encode fullrange.mp4
matches "$(tags)" ^pc
like "$(media fullrange.mp4)" null 36
encode fullrange.mp4 '"width":160'
matches "$(tags)" ^pc
like "$(media fullrange.mp4)" "scale=160:90:flags=bicubic:in_range=full:out_range=full" 34

# fields become frames, one each, also where clips meet
for fields in '' '"width":160'; do
	encode interlaced.mp4 "$fields"
	eq "$(frames)" 25
	contains "$(status_of "$id" '.warnings[0]')" deinterlaced
	eq "$(status_of "$id" '.warnings|length')" 1
	eq "$(ffprobe -v error -select_streams v -show_entries frame=interlaced_frame \
		-of default=nw=1:nk=1 "$clip" | sort -u)" 0 "interlaced frames"
done
encode interlaced.mp4
like "$(media interlaced.mp4)" "bwdif=mode=send_frame:deint=interlaced" 34
echo '{"uploadId":"interlaced.mp4","cut":"encode","jobId":"fields","parts":7}' >"$MNT/control"
sc_done fields
eq "$(for clip in "$MNT"/jobs/fields/clips/*; do frames; done | awk '{ n += $1 } END { print n }')" 50

# HDR becomes what ordinary screens show
for name in hdr-pq.mp4 hdr-hlg.mp4; do
	for fields in '' '"aspect":"9:16","width":90'; do
		encode "$name" "$fields"
		contains "$(status_of "$id" '.warnings[0]')" HDR
		eq "$(frames)" 25
		if ffmpeg -hide_banner -filters 2>/dev/null | grep -q ' zscale '; then
			eq "$(tags)" "tv bt709 bt709 bt709" "$name"
		fi
	done
done

# a shape without a picture
echo '{"uploadId":"audioonly.m4a","cut":"encode","jobId":"deaf","aspect":"9:16"}' >"$MNT/control"
sc_failed deaf NO_VIDEO
echo '{"uploadId":"audioonly.m4a","cut":"encode","jobId":"heard","quality":30}' >"$MNT/control"
sc_done heard

# equal parts
echo '{"uploadId":"wide.mp4","jobId":"parts","parts":3}' >"$MNT/control"
sc_done parts
compare_clips "$src" "$MNT/jobs/parts/clips" --mode exact --status "$MNT/jobs/parts/status" ||
	fail "parts: not the source's frames"
eq "$(status_of parts '[.result.artifacts[].start+0]|tostring')" "[0,0.68,1.36]"
eq "$(jq -c 'del(.jobId)' "$MNT/jobs/parts/request")" '{"uploadId":"wide.mp4","parts":3,"cut":"exact"}'

# The movie's own matrix turns all tracks once more: by 180 degrees, and back by 90 what a track turns by 90.
turn_movie() { # FROM TO A B C D
	python3 - "$@" <<-'END'
		import struct, sys
		data = bytearray(open(sys.argv[1], "rb").read())
		a, b, c, d = (int(word) << 16 for word in sys.argv[3:])
		struct.pack_into(">9i", data, data.index(b"mvhd") + 40, a, b, 0, c, d, 0, 0, 0, 1 << 30)
		open(sys.argv[2], "wb").write(data)
	END
}
rotation() { # FILE
	ffprobe -v error -select_streams v -show_entries stream_side_data=rotation -of default=nk=1:nw=1 "$1"
}
turn_movie "$(media wide.mp4)" "$MNT/incoming/upside.mp4" -1 0 0 -1
turn_movie "$(media rotated.mp4)" "$MNT/incoming/back.mp4" 0 1 -1 0
turn_movie "$(media rotated.mp4)" "$MNT/incoming/forth.mp4" 0 -1 1 0
for name in upside back forth; do
	for mode in exact keyframe encode; do
		echo "{\"uploadId\":\"$name.mp4\",\"jobId\":\"movie-$name-$mode\",\"cut\":\"$mode\",\"parts\":1}" >"$MNT/control"
		sc_done "movie-$name-$mode"
	done
	eq "$(rotation "$MNT/jobs/movie-$name-exact/clips/clip_001.mp4")" "$(rotation "$MNT/incoming/$name.mp4")" "$name, exact"
	eq "$(rotation "$MNT/jobs/movie-$name-keyframe/clips/clip_001.mp4")" "$(rotation "$MNT/incoming/$name.mp4")" "$name, keyframe"
	for file in "$MNT/incoming/$name.mp4" "$MNT/jobs/movie-$name-encode/clips/clip_001.mp4"; do
		ffmpeg -nostdin -v error -i "$file" -frames:v 1 -f rawvideo -pix_fmt gray -s 8x8 - | od -An -v -tu1 >"$SC_TEST/turned.$(basename "$file")"
	done
	python3 - "$SC_TEST/turned.$name.mp4" "$SC_TEST/turned.clip_001.mp4" <<-'END' || fail "$name, encode: turned otherwise"
		import sys
		a, b = ([int(word) for word in open(path).read().split()] for path in sys.argv[1:])
		sys.exit(len(a) != 64 or max(abs(x - y) for x, y in zip(a, b)) > 24)
	END
done
[[ $(rotation "$MNT/incoming/upside.mp4") == *180 && $(rotation "$MNT/incoming/back.mp4") != "$(rotation "$MNT/incoming/forth.mp4")" ]] ||
	fail "the movies are not turned"
check_invariants
sc_umount
