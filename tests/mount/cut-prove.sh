#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Clips that begin at what is only called a keyframe: that their frames are the source's is proven by
# decoding; else they begin earlier, or their first frames are encoded anew.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need ffmpeg ffprobe
cut() { # UPLOAD MODE RANGES [FIELDS]: a job
	id=$2.$1
	echo "{\"uploadId\":\"$1\",\"cut\":\"$2\",\"jobId\":\"$id\",$3${4:-}}" >"$MNT/control"
	sc_done "$id" 120
}
compare() { # UPLOAD MODE
	compare_clips "$(media "$1")" "$MNT/jobs/$id/clips" --mode "$2" --status "$MNT/jobs/$id/status" ||
		fail "$id: the clips are not the source"
}
methods() {
	status_of "$id" '[.result.artifacts[].method]|join(" ")'
}
warnings() {
	status_of "$id" '.warnings|join("\n")'
}

sc_mount
for name in ipictures-marked.mp4 ipictures-marked.mkv ipictures-far.mp4 opengroups.mp4 opengroups.mkv opengroups.ts refresh.mp4; do
	upload "$name"
done
# I pictures that are called keyframes: the last true one is long before
cut ipictures-marked.mp4 exact '"clipDuration":1.3,"strict":true'
compare ipictures-marked.mp4 exact
eq "$(methods)" "$(printf 'copy%.0s ' {1..9})copy"
contains "$(cat "$MNT/jobs/$id/log")" "clip 2: decoding cannot begin at its keyframe (frame at 0.920000 s); it begins at an earlier one (frame at 0.000000 s)"
lacks "$(warnings)" "encoded anew"
contains "$(warnings)" "'smart' has none" # some of these clips hold an IDR
cut ipictures-marked.mp4 smart '"clipDuration":1.7'
compare ipictures-marked.mp4 smart
eq "$(methods)" "copy encode encode head encode encode head encode"
cut ipictures-marked.mp4 keyframe '"clipDuration":3'
compare ipictures-marked.mp4 keyframe
# Matroska takes over no more than libavformat believes
cut ipictures-marked.mkv exact '"clipDuration":1.3'
compare ipictures-marked.mkv exact
# too long before: up to the next true one, or all of a short clip, is encoded
cut ipictures-far.mp4 exact '"clips":[{"start":8,"end":9},{"start":13,"end":16},{"start":12.5,"end":13.5}]'
compare ipictures-far.mp4 smart
eq "$(methods)" "copy head encode"
contains "$(warnings)" "2 of 3 clips (the first is clip 2)"
contains "$(warnings)" "encoded anew"
contains "$(cat "$MNT/jobs/$id/log")" "clip 3: decoding cannot begin"
matches "$(warnings)" "in 1 of 3 clips .clip 1: 8.0 s.*'encode' has none" # which smart would encode whole
# recovery points are what they say
while read -r name mode; do
	cut "$name" "$mode" '"clipDuration":1.4'
	compare "$name" "$mode"
	eq "$(methods)" "copy copy copy" "$id"
	lacks "$(cat "$MNT/jobs/$id/log")" "decoding cannot begin" "$id"
done <<END
opengroups.mp4 exact
opengroups.mkv keyframe
opengroups.ts exact
END
cut refresh.mp4 exact '"clipDuration":2.3'
compare refresh.mp4 exact
lacks "$(cat "$MNT/jobs/$id/log")" "decoding cannot begin"
# and where they are not, clips begin earlier
for name in lying.mp4 lying.ts; do
	upload $name
	cut $name exact '"clipDuration":1.3'
	compare $name exact
	eq "$(methods)" "$(printf 'copy%.0s ' {1..18})copy"
	contains "$(cat "$MNT/jobs/$id/log")" "clip 3: decoding cannot begin at its keyframe (frame at 2.400000 s); it begins at an earlier one (frame at 0.000000 s)"
done
# All of a broadcast stream's proofs take one scan of it, beside those of the index and of the cut.
mkdir "$SC_TEST/scans"
src=$(media lying.ts)
"$SC_TOOLS/cut_tool" "$src" "$SC_TEST/scans" exact 1.3 100 layout=true >/dev/null 2>"$SC_TEST/scans.err"
read_bytes=$(jq -s 'last.read' < <(grep '^{"read"' "$SC_TEST/scans.err"))
((read_bytes < 8 * $(stat -c %s "$src"))) || fail "proofs read $read_bytes bytes"
check_invariants
sc_umount
