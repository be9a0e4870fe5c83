#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Say of each job how it ends, from now on, until interrupted: one open file, nothing is asked again.
#
#     examples/follow-events.sh MOUNT
set -eu
# Who wants to know of all jobs opens events first and then looks at jobs.json: nothing falls between.
exec jq --unbuffered -r '
	if .event == "ended" then "\(.id) \(.status): \(.message)"
	elif .event == "lost" then "\(.lost) changes were missed, jobs.json has how things are"
	else empty end' <"$1/events"
