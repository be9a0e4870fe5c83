#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Videos made to hurt: a clear code or good clips, in time and memory; nothing that a playlist names is
# touched. The quick ones through the worker; all of them: tests/hostile/run.py
# timeout: 240
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need python3 ffmpeg
[[ $SC_SLOW -eq 1 ]] || skip "a sanitizer's build has other limits"
"$SC_TESTS/hostile/run.py" --quick

# Through the mount: the job fails, nothing of the target is anywhere in what the mount shows.
sc_mount
printf 'SECRET-5d1f0c\n' >"$SC_TEST/secret"
printf '#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5.0,\n%s\n#EXT-X-ENDLIST\n' "$SC_TEST/secret" >"$MNT/incoming/hls.mp4"
printf "ffconcat version 1.0\nfile '%s'\n" "$SC_TEST/secret" >"$MNT/incoming/concat.mp4"
for name in hls concat; do
	for cut in exact encode; do
		echo "{\"uploadId\":\"$name\",\"cut\":\"$cut\",\"jobId\":\"$name-$cut\"}" >"$MNT/control"
		sc_failed "$name-$cut" INVALID_MEDIA
		lacks "$(cat "$MNT/jobs/$name-$cut"/{status,log})" SECRET "what the job shows"
		missing "$ROOT/outputs/$name-$cut"
	done
done
sc_umount
