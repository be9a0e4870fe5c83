#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ranges chosen by the caller: at frames and between them, overlapping, short, up to the end; and how many clips.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

sc_mount
upload main.mp4
src=$(media main.mp4)
cut() { # JOB REQUEST-FIELDS
	echo "{\"uploadId\":\"main\",\"jobId\":\"$1\",$2}" >"$MNT/control"
	sc_done "$1"
	compare_clips "$src" "$MNT/jobs/$1/clips" --mode exact --status "$MNT/jobs/$1/status" ||
		fail "$1: not the source's frames"
}
cut chosen '"clips":[{"start":0,"end":1},{"start":0.5,"end":0.6},{"start":1.5682333,"end":3.1},{"start":3.1,"end":3.2},{"start":10.01,"end":20.02},{"start":63,"end":63.7}]'
eq "$(status_of chosen '.totalClips')" 6
cut backwards '"clips":[{"start":30,"end":31},{"start":5,"end":6}]'
eq "$(status_of backwards "[.result.artifacts[].start|floor]|tostring")" "[30,5]" "order of the request"
cut few '"clipDuration":5,"maxClips":3'
eq "$(status_of few .totalClips)" 3
cut small '"clipDuration":0.5'
eq "$(status_of small .totalClips)" 50 "default of maxClips"
cut large '"clipDuration":3600'
eq "$(status_of large .totalClips)" 1

echo '{"uploadId":"main","jobId":"beyond","clips":[{"start":60,"end":70}]}' >"$MNT/control"
sc_failed beyond RANGE_BEYOND_END
echo '{"uploadId":"main","jobId":"none","clips":[{"start":1,"end":1.0001}]}' >"$MNT/control"
sc_failed none NO_CLIPS
check_invariants
sc_umount
