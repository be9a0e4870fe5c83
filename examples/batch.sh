#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Cut many videos: all are copied in and asked for first, then each is waited for. The clips of
# VIDEO go to TARGET/<its name>/.
#
#     examples/batch.sh MOUNT TARGET VIDEO…
set -eu
mount=$1
target=$2
shift 2
# Job ids of our own choosing: a batch run twice asks for nothing twice.
batch=${BATCH:-batch-$(date +%s)}

n=0
for video; do
	n=$((n + 1))
	name=$batch-$n-$(basename "$video")
	[ -e "$mount/jobs/$batch-$n" ] && continue
	cp "$video" "$mount/incoming/$name"
	printf '{"uploadId":"%s","jobId":"%s"}\n' "$name" "$batch-$n" >"$mount/control"
done

n=0
failed=0
for video; do
	n=$((n + 1))
	name=$(basename "$video")
	if [ "$(jq -r .status "$mount/jobs/$batch-$n/wait")" = 'done' ]; then
		mkdir -p "$target/$name"
		cp "$mount/jobs/$batch-$n/clips/"* "$target/$name/"
		echo "$name: $(jq .totalClips "$mount/jobs/$batch-$n/status") clips"
	else
		echo "$name: $(jq -r .message "$mount/jobs/$batch-$n/status")" >&2
		failed=1
	fi
done
exit $failed
