#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# examples/batch.sh cuts several videos, and a second run of the same batch asks for nothing twice.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need jq
examples=$SC_TESTS/../examples
sc_mount
export BATCH=b
videos=("$(media short.mp4)" "$(media tiny.mp4)")
for _ in first second; do
	"$examples/batch.sh" "$MNT" "$SC_TEST/out" "${videos[@]}" >"$LOG/said"
	eq "$(xargs <"$LOG/said")" "short.mp4: 2 clips tiny.mp4: 1 clips"
	eq "$(find "$SC_TEST/out" -type f | wc -l)" 3
	eq "$(sql 'SELECT COUNT(*) FROM jobs')" 2
done
ffmpeg -nostdin -v error -xerror -i "$SC_TEST/out/short.mp4/clip_002.mp4" -f null -
sc_umount
