#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copy a video in and ask for clips of five seconds. Prints the job's id.
#
#     examples/cp-and-control.sh MOUNT VIDEO
set -eu
mount=$1
video=$2
name=$(basename "$video")

cp "$video" "$mount/incoming/$name"

# The same descriptor for request and reply: nobody else's reply can come in between.
exec 3<>"$mount/control"
if ! printf '{"uploadId":"%s","clipDuration":5}\n' "$name" >&3; then
	cat <&3 >&2 # says what is wrong
	exit 1
fi
jq -r .jobId <&3
