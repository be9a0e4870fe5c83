#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The second scan of a broadcast stream takes the streams as the first has found them. Where they are not
# so, it is noticed at the first packet that differs, and the clips are the same.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need ffmpeg
src=$(media codec-h264-aac.ts)
cut() { # NAME [layout=…] [RANGES]
	mkdir "$SC_TEST/$1"
	timeout 60 "$SC_TOOLS/cut_tool" "$src" "$SC_TEST/$1" exact 1.3 100 "${@:2}" >"$SC_TEST/$1.out" 2>"$SC_TEST/$1.err" ||
		fail "$1: $(cat "$SC_TEST/$1.err")"
}
bytes_read() { # NAME
	jq -s 'last.read' < <(grep '^{"read"' "$SC_TEST/$1.err")
}
cut true layout=true
once=$(bytes_read true)
ls "$SC_TEST/true"/clip_003.mp4 >/dev/null || fail "too few clips to say anything"
for how in 0 1 fewer; do
	cut "$how" "layout=$how"
	diff -r "$SC_TEST/true" "$SC_TEST/$how" || fail "$how: other clips"
	diff "$SC_TEST/true.out" "$SC_TEST/$how.out" || fail "$how: other words about the clips"
	(($(bytes_read "$how") > once)) || fail "$how: nobody noticed"
done
# Also where the first packet that a clip needs has gone by unseen.
cut late-true layout=true 2-2.8
for how in 0 1 fewer; do
	cut "late-$how" "layout=$how" 2-2.8
	diff -r "$SC_TEST/late-true" "$SC_TEST/late-$how" || fail "$how: other clips"
done
