#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Paused, nothing is started and everything is accepted; resumed, what has the lower priority runs
# first, and of equals what is older. Only root may pause.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
need_root

sc_use standin
sc_mount workers=1
upload tiny.mp4

tell() { # WORD: prints the reply
	local fd
	exec {fd}<>"$MNT/control"
	echo "$1" >&"$fd"
	cat <&"$fd"
	exec {fd}>&-
}
health() {
	jq -r "$1" "$MNT/health"
}

# a running job goes on
hook_set engine-claimed once-wait
sc_submit '{"uploadId":"tiny","jobId":"running"}' >/dev/null
hook_wait_reached engine-claimed
cat "$MNT/metrics" >/dev/null
eq "$(tell pause | jq -c '[.success,.status]')" '[true,"paused"]' "reply to pause"
eq "$(awk '$1 == "storyclip_paused" {print $2}' "$MNT/metrics")" 1 "metrics right after the reply"
hook_go engine-claimed
sc_done running
eq "$(health .workers.busy)" 0 "workers right after the end"
eq "$(health .status)" paused
contains "$(health '.reasons[]')" paused

for job in 5:later 0:first 0:second -20:urgent 19:last 5:latest; do
	sc_submit "{\"uploadId\":\"tiny\",\"jobId\":\"${job#*:}\",\"priority\":${job%:*}}" >/dev/null
done
eq "$(sql "SELECT count(*) FROM jobs WHERE status='queued' AND attempt=0")" 6 "jobs that wait"
eq "$(health .queue)" 6

chmod 755 "$SC_TEST"
if id nobody >/dev/null 2>&1; then
	for word in pause resume; do
		said=$(setpriv --reuid=nobody --clear-groups bash -c "echo $word >'$MNT/control'" 2>&1) &&
			fail "nobody may $word"
		contains "$said" "${errno_text[EACCES]}" "answer to nobody's $word"
	done
	eq "$(health .status)" paused
fi

eq "$(tell resume | jq -c '[.success,.status]')" '[true,"running"]' "reply to resume"
for id in urgent first second later latest last; do
	sc_done "$id"
done
eq "$(sql "SELECT group_concat(job_id, ' ') FROM
	(SELECT job_id FROM jobs WHERE job_id<>'running' ORDER BY started_at, cookie)")" \
	"urgent first second later latest last" "order of the starts"
eq "$(health .status)" ok

# A priority survives a restart, a pause does not.
tell pause >/dev/null
sc_submit '{"uploadId":"tiny","jobId":"b","priority":1}' >/dev/null
sc_submit '{"uploadId":"tiny","jobId":"a","priority":-1}' >/dev/null
sc_umount
sc_mount workers=1
sc_done a
sc_done b
eq "$(sql "SELECT job_id FROM jobs ORDER BY started_at DESC, cookie LIMIT 1")" b
eq "$(health .status)" ok
for bad in -21 20 1.5 '"high"'; do
	sc_refused EINVAL INVALID_REQUEST "{\"uploadId\":\"tiny\",\"priority\":$bad}" >/dev/null
done
sc_umount
