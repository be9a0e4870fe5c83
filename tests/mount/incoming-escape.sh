#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# No path leads out of incoming/, while somebody in the backing directory swaps a directory for a link
# that leads out and back, thousands of times. The same calls in the backing directory itself do escape,
# or the test proves nothing. SC_OPERATIONS=100000 for more.
# timeout: 600
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

n=${SC_OPERATIONS:-4000}
sc_mount
mkdir "$SC_TEST/native"
said=$("$SC_TESTS/tools/fs_escape.py" "$SC_TEST/native" "$SC_TEST/native" "$SC_TEST/outside1" "$n")
echo "the file system itself: $said"
matches "$said" ' [1-9][0-9]* escaped' "without the mount"
said=$("$SC_TESTS/tools/fs_escape.py" "$MNT/incoming" "$ROOT/tmp/uploads" "$SC_TEST/outside2" "$n")
echo "incoming/: $said"
matches "$said" ' [1-9][0-9][0-9]* inside, [1-9][0-9]* refused, 0 escaped' "through the mount"

# A request is about a file inside, or about none.
mkdir "$ROOT/tmp/uploads/real" "$SC_TEST/videos"
cp "$(media short.mp4)" "$SC_TEST/videos/secret.mp4"
ln -s "$SC_TEST/videos" "$ROOT/tmp/uploads/out"
ln -s "$SC_TEST/videos/secret.mp4" "$ROOT/tmp/uploads/direct.mp4"
for id in out/secret.mp4 direct.mp4; do
	sc_refused ENOENT UPLOAD_NOT_FOUND "{\"uploadId\":\"$id\"}" >/dev/null
done
sc_umount
