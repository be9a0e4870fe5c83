#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Readers against jobs that change as fast as they can, on two mounts at once: no text is stale, mixed
# or cut, by whichever way it is read. The changes are a worker's numbered reports, through the real pipe
# and engine. SC_READS=10000000 SC_SLOW=10 reads so often (tests/bench/status.sh does it), SC_READERS=N at once.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

reads=${SC_READS:-200000}
versions=${SC_VERSIONS:-10000}
jobs=2
sc_use standin
export STORYCLIP_TEST_REPORTS=200000000 # more than are sent: it is ended by cancel
files=()
start() { # a mount whose jobs run
	local n
	sc_mount workers=$jobs
	upload tiny.mp4
	for n in $(seq $jobs); do
		echo "{\"uploadId\":\"tiny\",\"jobId\":\"r$n\"}" >"$MNT/control"
		files+=("$MNT/jobs/r$n/status")
	done
	for n in $(seq $jobs); do
		sc_wait_for "[[ \$(status_of r$n .message) == Exporting*[1-9] ]]"
	done
}
mkdir "$SC_TEST/root2" "$SC_TEST/mnt2"
first=("$ROOT" "$MNT")
ROOT=$SC_TEST/root2 MNT=$SC_TEST/mnt2
start
second=("$ROOT" "$MNT" "$daemon_pid")
ROOT=${first[0]} MNT=${first[1]}
start
# somebody lists all of it meanwhile, and reads progress
(while ls -laR "$MNT/jobs" "${second[1]}/jobs" && cat "$MNT"/jobs/*/progress; do :; done >"$SC_TEST/listed") &
lister=$!
"$SC_TOOLS/fs_reader" --reads "$reads" --versions "$versions" --readers "${SC_READERS:-4}" \
	--reports $STORYCLIP_TEST_REPORTS --seconds $((240 * SC_SLOW)) "${files[@]}"
kill $lister
wait $lister || :
# Whoever was told of the end reads no older status: by wait, and by the reply to the cancel.
finish() {
	local n waiter
	for n in $(seq $jobs); do
		timeout 20 cat "$MNT/jobs/r$n/wait" >"$SC_TEST/wait" &
		waiter=$!
		echo cancel >"$MNT/jobs/r$n/control"
		eq "$(status_of "r$n" .status)" cancelled "status right after the cancel"
		wait $waiter
		cmp "$SC_TEST/wait" "$MNT/jobs/r$n/status"
	done
	sc_umount
}
finish
ROOT=${second[0]} MNT=${second[1]} daemon_pid=${second[2]}
finish
