#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# examples/cp-and-control.sh does what it says, and says why when it cannot.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need jq
examples=$SC_TESTS/../examples
sc_mount
id=$("$examples/cp-and-control.sh" "$MNT" "$(media short.mp4)")
matches "$id" '^job_'
sc_done "$id"
eq "$(status_of "$id" .totalClips)" 2
# the name of an unfinished file is refused at once
cp "$(media short.mp4)" "$SC_TEST/x.mp4.part"
if said=$("$examples/cp-and-control.sh" "$MNT" "$SC_TEST/x.mp4.part" 2>&1); then fail "x.mp4.part was accepted"; fi
contains "$said" UPLOAD_NOT_FOUND
sc_umount
