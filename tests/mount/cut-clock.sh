#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A clock that begins again within a file: what comes behind it is put where what was before has ended, none lost,
# none twice, sound with it, and a warning says when. The clips are those of the video as it was before. And MPEG's
# clock, which begins again at 0 behind 26.5 hours by itself: wherever that is, the clips are the same to the byte.
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
same_clips() { # JOB JOB
	diff -r "$MNT/jobs/$1/clips" "$MNT/jobs/$2/clips" >&2 || fail "$2: the clips are not those of $1"
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
# By more than a minute: libavformat takes that for the end of the clock's 26.5 hours.
upload far.ts
cut far.ts exact
sc_done far.ts.exact
same_clips again.ts.exact far.ts.exact
contains "$(status_of far.ts.exact '.warnings|tostring')" "clock begins again at 2." "far.ts"
cut far.ts encode
sc_done far.ts.encode
eq "$(frames "$MNT"/jobs/far.ts.encode/clips/*.mp4 | wc -l)" 100

# By less than a picture may be shown out of order: only that a keyframe is decoded before the picture before it tells.
upload near.ts
cut near.ts exact
sc_done near.ts.exact
same_clips again.ts.exact near.ts.exact
contains "$(status_of near.ts.exact '.warnings|tostring')" "clock begins again at 2." "near.ts"
cut near.ts encode
sc_done near.ts.encode
eq "$(frames "$MNT"/jobs/near.ts.encode/clips/*.mp4 | wc -l)" 100

# Sound that is of another form from there on has one in the clips.
upload other.ts
cut other.ts exact
cut other.ts encode
sc_done other.ts.exact
sc_done other.ts.encode
frames "$MNT"/jobs/other.ts.exact/clips/*.mp4 >"$LOG/frames"
cmp "$LOG/right" "$LOG/frames" || fail "other.ts: the frames are not the source's"
contains "$(status_of other.ts.exact '.warnings|tostring')" "is encoded anew, as AAC" "other.ts"
for mode in exact encode; do
	ffmpeg -nostdin -v error -i "$MNT/jobs/other.ts.$mode/clips/clip_002.mp4" -map 0:a -f md5 - >"$LOG/sound.$mode"
done
cmp "$LOG/sound.exact" "$LOG/sound.encode" || fail "other.ts: the sound is not that of encode"

# Where the clock is 0: amid a group of pictures, at a B frame (its pts, not its dts, is behind), between the first
# packets of picture and sound, just behind the first one's decoding, and what is all before it. (In ticks from the
# file's first time, that of sound or picture; whole samples of sound, or its times are rounded in another way.)
while read -r name modes zeros; do
	modes=${modes//,/ }
	file=$(media "$name")
	first=$(ffprobe -v error -show_entries packet=dts -of csv=p=0 "$file" | tr -d , | sort -n | head -n 1)
	upload "$name"
	for mode in $modes; do cut "$name" "$mode"; done
	for zero in $zeros; do
		"$SC_TESTS/lib/turn-clock" $(((1 << 33) - (first + zero) / 15 * 15)) "$file" "$MNT/incoming/$zero.$name"
		for mode in $modes; do cut "$zero.$name" "$mode"; done
	done
	for mode in $modes; do
		sc_done "$name.$mode"
		for zero in $zeros; do
			sc_done "$zero.$name.$mode"
			same_clips "$name.$mode" "$zero.$name.$mode"
		done
	done
done <<-END
	clock.ts exact 362700 4500 900 700000
	clock.ts smart,keyframe 360000
	clock.mpg exact 360000 4500
END
cut 360000.clock.ts encode
sc_done 360000.clock.ts.encode
compare_clips "$(media clock.ts)" "$MNT/jobs/360000.clock.ts.encode/clips" --reference --mode encode --whole \
	--status "$MNT/jobs/360000.clock.ts.encode/status" || fail "the encoded clips are not the source"

check_invariants
sc_umount
