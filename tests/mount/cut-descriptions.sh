#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a clip's sample entry says of the picture, where the source's container has no such entry: as
# ffmpeg's own muxer writes it.
# timeout: 120
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need ffmpeg python3
box() { # TYPE FILE: its content
	python3 -c 'import sys
data = open(sys.argv[2], "rb").read()
at = data.find(sys.argv[1].encode())
print(data[at + 4:at - 4 + int.from_bytes(data[at - 4:at], "big")].hex() if at > 0 else "none")' "$1" "$2"
}

cut() { # UPLOAD MODE: $id, its first clip $clip
	id=$2.$1
	echo "{\"uploadId\":\"$1\",\"clipDuration\":1.3,\"cut\":\"$2\",\"jobId\":\"$id\"}" >"$MNT/control"
	sc_done "$id"
	clip=$MNT/jobs/$id/clips/clip_001.mp4
}

sc_mount

# 4:2:2 of 10 bits between start codes
name=matrix-h264-422-10bit.ts
upload $name
cut $name exact
ffmpeg -nostdin -v error -i "$(media $name)" -c copy "$SC_TEST/wanted.mp4"
matches "$(box avcC "$clip")" '^017a.*fefafa00$' "avcC of High 4:2:2"
eq "$(box avcC "$clip")" "$(box avcC "$SC_TEST/wanted.mp4")" "avcC of $name"
compare_clips "$(media $name)" "$MNT/jobs/$id/clips" --mode exact --status "$MNT/jobs/$id/status" ||
	fail "$id: the clips are not the source"

# several parameter sets in one stream: all are kept, as the frames of either need theirs
upload matrix-h264-aac.mp4
cut matrix-h264-aac.mp4 smart
ffmpeg -nostdin -v error -i "$MNT/jobs/$id/clips/clip_002.mp4" -map 0:v -c copy "$SC_TEST/two.ts"
cp "$SC_TEST/two.ts" "$MNT/incoming/two.ts"
cut two.ts keyframe
matches "$(box avcC "$clip")" '^0164....ffe2' "two sequence parameter sets"
compare_clips "$SC_TEST/two.ts" "$MNT/jobs/$id/clips" --mode keyframe --status "$MNT/jobs/$id/status" ||
	fail "$id: the clips are not the source"
# the screen and the light that HDR was made for, from Matroska, which says it beside the stream, and from MP4
light() { # FILE
	ffprobe -v error -select_streams v -show_entries stream_side_data_list -of json "$1" |
		jq -cS '[.streams[0].side_data_list[]? | select(.side_data_type | test("light|display"; "i"))] |
			map(to_entries | map(.value |= (if type == "string" and test("^[0-9]+/[0-9]+$")
				then split("/") | (.[0] | tonumber) / (.[1] | tonumber) * 10000 | round else . end)) | from_entries) |
			sort_by(.side_data_type)'
}
if grep -q libx265 <<<"$(ffmpeg -v error -encoders)"; then
	ffmpeg -nostdin -v error -f lavfi -i testsrc2=duration=3:rate=25:size=160x96 -c:v libx265 -preset ultrafast \
		-pix_fmt yuv420p10le -tag:v hvc1 -x265-params \
		keyint=30:min-keyint=30:log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc "$SC_TEST/dark.mp4"
	# ffmpeg writes these boxes only where it was told them: they are put behind the others of the entry
	python3 - "$SC_TEST/dark.mp4" "$MNT/incoming/light.mp4" <<-'PYTHON'
		import struct
		import sys
		data = bytearray(open(sys.argv[1], "rb").read())
		display = struct.pack(">8H2I", 13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450, 10000000, 50)
		boxes = struct.pack(">I4s", 32, b"mdcv") + display + struct.pack(">I4sHH", 12, b"clli", 1000, 400)
		at, end = 0, len(data)
		for kind in b"moov trak mdia minf stbl stsd hvc1".split():
		    while data[at + 4:at + 8] != kind:
		        at += struct.unpack_from(">I", data, at)[0]
		    end = at + struct.unpack_from(">I", data, at)[0]
		    struct.pack_into(">I", data, at, end - at + len(boxes))
		    at += 16 if kind == b"stsd" else 8
		data[end:end] = boxes
		open(sys.argv[2], "wb").write(data)
	PYTHON
	ffmpeg -nostdin -v error -i "$MNT/incoming/light.mp4" -c copy "$MNT/incoming/light.mkv"
	for name in light.mkv light.mp4; do
		matches "$(light "$MNT/incoming/$name")" '.*Content light.*Mastering display' "what $name says"
		for mode in exact smart keyframe; do
			cut $name $mode
			matches "$(box mdcv "$clip")" '^[0-9a-f]{48}$' "mdcv of $id"
			eq "$(box clli "$clip")" 03e80190 "clli of $id"
			eq "$(light "$clip")" "$(light "$MNT/incoming/$name")" "light of $id"
			eq "$(box mdcv "$clip")" "$(box mdcv "$MNT/incoming/light.mp4")" "mdcv of $id"
		done
		cut $name encode # either is said
		matches "$(status_of "$id" '.warnings|join("\n")')" 'the picture is HDR .smpte2084. *(; its brightness|and stays so)'
		[[ $(status_of "$id" .warnings[0]) == *"stays so"* ]] || eq "$(box mdcv "$clip")" none "mdcv of $id, mapped to BT.709"
	done
fi
check_invariants
sc_umount
