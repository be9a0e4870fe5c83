#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# MPEG-4 whose B pictures are packed behind others (old writers of AVI): they are taken apart before they
# are cut, and their times come from their order. The clips have the frames of the video as it was
# before it was packed, none lost, none twice, and do not say that they are packed.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need ffmpeg
frames() { # FILE…: a hash for each frame
	local file
	for file; do
		ffmpeg -nostdin -v error -i "$file" -map 0:v -f framemd5 - | sed -n 's/^[^#].* //p'
	done
}
frames "$(media unpacked.avi)" >"$LOG/right"
eq "$(wc -l <"$LOG/right")" 300

sc_mount
for name in packed.avi packed.mp4 packed.mkv; do
	upload "$name"
	contains "$(strings -n 8 "$(media "$name")")" DivX503b1393p "$name"
	for cut in exact keyframe; do
		id=$cut.$name
		echo "{\"uploadId\":\"$name\",\"clipDuration\":1.3,\"cut\":\"$cut\",\"jobId\":\"$id\"}" >"$MNT/control"
		sc_done "$id"
		frames "$MNT/jobs/$id/clips"/*.mp4 >"$LOG/frames"
		cmp "$LOG/right" "$LOG/frames" || fail "$name, $cut: the frames are not the source's"
		for clip in "$MNT/jobs/$id/clips"/*.mp4; do
			if strings -n 8 "$clip" | grep -q DivX503b1393p; then fail "$clip says that it is packed"; fi
		done
	done
done
for cut in exact keyframe encode; do # and as ffmpeg shows the packed one, with its sound
	id=$cut.packed.avi
	if [[ $cut == encode ]]; then
		echo "{\"uploadId\":\"packed.avi\",\"clipDuration\":1.3,\"cut\":\"$cut\",\"jobId\":\"$id\"}" >"$MNT/control"
		sc_done "$id"
	fi
	compare_clips "$(media packed.avi)" "$MNT/jobs/$id/clips" --mode "$cut" --status "$MNT/jobs/$id/status" ||
		fail "packed.avi, $cut: the clips are not the source"
done
check_invariants
sc_umount
