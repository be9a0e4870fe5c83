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
check_invariants
sc_umount
