#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sleep until a job has ended: no polling, one read. Exits 0 when it is done.
#
#     examples/wait.sh MOUNT JOB
set -eu
# Give up with: timeout 600 cat …
last=$(cat "$1/jobs/$2/wait")
echo "$last" | jq -r '"\(.status): \(.message)"'
[ "$(echo "$last" | jq -r .status)" = 'done' ]
