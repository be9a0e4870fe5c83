#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# strict: a clip holds no byte of the source but those of the samples that it needs.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need ffprobe

# How many of the source's packets that the clip does not have can be found in its bytes. A packet is
# known by 24 bytes of its middle that are nowhere else in the source.
neighbours() { # SOURCE CLIP
	python3 - "$1" "$2" <<'END'
import json, subprocess, sys

source, clip = sys.argv[1:]

def packets(path):
    out = subprocess.run(["ffprobe", "-v", "error", "-show_packets", "-show_data_hash", "md5", "-show_entries",
                          "packet=pos,size,data_hash", "-of", "json", path], capture_output=True, check=True)
    return json.loads(out.stdout)["packets"]

with open(source, "rb") as f:
    theirs = f.read()
with open(clip, "rb") as f:
    mine = f.read()
kept = {p["data_hash"] for p in packets(clip)}
found = asked = 0
for p in packets(source):
    pos, size = int(p["pos"]), int(p["size"])
    if p["data_hash"] in kept or size < 64:
        continue
    needle = theirs[pos + size // 2 - 12:pos + size // 2 + 12]
    if theirs.count(needle) == 1:
        asked += 1
        found += needle in mine
assert asked > 50 and len(kept) > 50, (asked, len(kept))
print(found)
END
}

sc_mount
upload main.mp4
src=$(media main.mp4)
cut() { # ID FIELDS
	echo "{\"uploadId\":\"main.mp4\",\"jobId\":\"$1\",\"clips\":[{\"start\":3.3,\"end\":7.1},{\"start\":20,\"end\":24}]$2}" \
		>"$MNT/control"
	sc_done "$1"
	compare_clips "$src" "$MNT/jobs/$1/clips" --mode "${3:-exact}" --status "$MNT/jobs/$1/status" ||
		fail "$1: the clips are not the source"
}

cut strict ',"strict":true'
cut bare ',"strict":true,"cut":"keyframe"' keyframe
cut plain ''
for clip in clip_001 clip_002; do
	eq "$(neighbours "$src" "$MNT/jobs/strict/clips/$clip.mp4")" 0 "neighbours in $clip"
	eq "$(neighbours "$src" "$MNT/jobs/bare/clips/$clip.mp4")" 0 "neighbours in $clip, keyframe"
done
# the search itself: without strict there are some, as whole blocks are copied
le 1 "$(neighbours "$src" "$MNT/jobs/plain/clips/clip_001.mp4")" "neighbours that strict leaves out"
# what is hidden is then exactly the samples of hidden frames
le "$(status_of strict '.result.artifacts[0].hiddenBytes')" "$(status_of plain '.result.artifacts[0].hiddenBytes')"
eq "$(jq -c '.strict' "$MNT/jobs/strict/request" "$MNT/jobs/plain/request" | xargs)" "true null"
sc_umount

# the mount's setting is what a request means that does not say it
sc_mount strict
cut as-mount ''
cut other ',"strict":false'
eq "$(neighbours "$src" "$MNT/jobs/as-mount/clips/clip_001.mp4")" 0 "neighbours, strict by the mount"
le 1 "$(neighbours "$src" "$MNT/jobs/other/clips/clip_001.mp4")" "neighbours, strict=false"
sc_umount
STORYCLIP_STRICT=on sc_mount
cut as-variable ''
eq "$(neighbours "$src" "$MNT/jobs/as-variable/clips/clip_001.mp4")" 0 "neighbours, strict by the environment"
check_invariants
sc_umount
