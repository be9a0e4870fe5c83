#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Readers against jobs that change as fast as they can: no text is stale, mixed or cut, by whichever
# way it is read. The changes are a worker's numbered reports, through the real pipe and engine.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

reads=${SC_READS:-1000000}
versions=${SC_VERSIONS:-10000}
jobs=4
sc_use standin
export STORYCLIP_TEST_REPORTS=20000000 # more than are sent: it is ended by cancel
sc_mount workers=$jobs
upload tiny.mp4
files=()
for n in $(seq $jobs); do
	echo "{\"uploadId\":\"tiny\",\"jobId\":\"r$n\"}" >"$MNT/control"
	files+=("$MNT/jobs/r$n/status")
done
for n in $(seq $jobs); do
	sc_wait_for "[[ \$(status_of r$n .message) == Exporting*[1-9] ]]"
done
# somebody lists all of it meanwhile, and reads progress
(while ls -laR "$MNT/jobs" && cat "$MNT"/jobs/*/progress; do :; done >"$SC_TEST/listed") &
lister=$!
"$SC_TOOLS/fs_reader" --reads "$reads" --versions "$versions" \
	--reports $STORYCLIP_TEST_REPORTS --seconds $((240 * SC_SLOW)) "${files[@]}"
kill $lister
wait $lister || :
# Whoever was told of the end reads no older status: by wait, and by the reply to the cancel.
for n in $(seq $jobs); do
	timeout 20 cat "$MNT/jobs/r$n/wait" >"$SC_TEST/wait" &
	waiter=$!
	echo cancel >"$MNT/jobs/r$n/control"
	eq "$(status_of "r$n" .status)" cancelled "status right after the cancel"
	wait $waiter
	cmp "$SC_TEST/wait" "$MNT/jobs/r$n/status"
done
sc_umount
