#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Look at a job's status until it has ended, then print its clips' addresses.
#
#     examples/poll-until-done.sh MOUNT JOB
set -eu
status=$1/jobs/$2/status

while :; do
	# One read is one version: the fields below belong together.
	now=$(cat "$status")
	case $(echo "$now" | jq -r .status) in
	'done')
		echo "$now" | jq -r '.outputs[]'
		exit 0
		;;
	failed | cancelled)
		echo "$now" | jq -r '"\(.status): \(.message)"' >&2
		exit 1
		;;
	esac
	echo "$now" | jq -r '"\(.progress)% \(.message)"' >&2
	sleep 0.5
done
