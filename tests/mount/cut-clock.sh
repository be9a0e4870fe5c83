#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A clock that begins again within a file: what comes behind it is put where what was before has ended, none lost,
# none twice, sound with it, and a warning says when. The clips are those of the video as it was before.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need ffmpeg
frames() { # FILE…: a hash for each frame
	local file
	for file; do
		ffmpeg -nostdin -v error -i "$file" -map 0:v -fps_mode passthrough -f framemd5 - 2>>"$LOG/ffmpeg" | sed -n 's/^[^#].* //p'
	done
}
cut() { # NAME CUT: job NAME.CUT
	echo "{\"uploadId\":\"$1\",\"clipDuration\":1.3,\"cut\":\"$2\",\"jobId\":\"$1.$2\"}" >"$MNT/control"
}

sc_mount
while read -r name right modes; do
	upload "$name"
	for mode in $modes; do cut "$name" "$mode"; done
	for mode in $modes; do
		sc_done "$name.$mode"
		compare_clips "$(media "$right")" "$MNT/jobs/$name.$mode/clips" --reference --mode "$mode" --whole \
			--status "$MNT/jobs/$name.$mode/status" || fail "$name, $mode: the clips are not the source"
		contains "$(status_of "$name.$mode" '.warnings|tostring')" "clock begins again at 2." "$name, $mode"
	done
done <<-END
	again.mkv whole.mkv exact keyframe smart encode
	before.mkv whole4.mkv exact keyframe encode
END

upload again.ts
frames "$(media again.ts)" >"$LOG/right"
eq "$(wc -l <"$LOG/right")" 100
cut again.ts exact
sc_done again.ts.exact
frames "$MNT"/jobs/again.ts.exact/clips/*.mp4 >"$LOG/frames"
cmp "$LOG/right" "$LOG/frames" || fail "again.ts: the frames are not the source's"
cut again.ts encode
sc_done again.ts.encode
eq "$(frames "$MNT"/jobs/again.ts.encode/clips/*.mp4 | wc -l)" 100
check_invariants
sc_umount
