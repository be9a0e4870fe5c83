#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# alone: yes (a mount namespace of its own would keep the mounts of other tests)
# storyclip finds its mount: by --mount, the environment, the only one, the one that is meant.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

storyclip=$SC_BIN/storyclip
sc_mount
upload tiny.mp4

# by its place: the working directory, and the video; whatever else is mounted on this machine
(cd "$MNT/jobs" && "$storyclip" status) >"$LOG/out"
contains "$(cat "$LOG/out")" "$MNT: "
id=$("$storyclip" cut "$MNT/incoming/tiny.mp4" --every 1)
id=${id%% *}
exists "$MNT/jobs/$id"
sc_done "$id"
contains "$("$storyclip" --mount "$MNT" status)" "$MNT: "
contains "$(STORYCLIP_MOUNT=$MNT "$storyclip" status)" "$MNT: "
code=0
err=$("$storyclip" --mount "$ROOT" ls 2>&1) || code=$?
eq "$code" 3
contains "$err" "--mount '$ROOT': no mount of storyclipfs is there"

# In a mount namespace of its own the others can be put aside.
need_root
need unshare
alone=$LOG/alone.sh
cat >"$alone" <<'SCRIPT'
set -euo pipefail
storyclip=$1 mnt=$2 odd=$3
cd /
# the deepest first
while read -r point; do
	[[ $point == "$mnt" ]] || umount -l "$(printf %b "${point//\\/\\0}")"
done < <(awk '/ - fuse\.storyclipfs / {print $5}' /proc/self/mountinfo | tac)
echo "one: $("$storyclip" status)"
# seen through a second mount point it is two; names with blanks are written in octal
mount --bind "$mnt" "$odd"
echo "two: $("$storyclip" ls 2>&1 || echo "code $?")"
cd "$odd"
echo "inside: $("$storyclip" status)"
cd /
umount "$odd"
umount "$mnt"
echo "none: $("$storyclip" ls 2>&1 || echo "code $?")"
SCRIPT
odd="$SC_TEST/an odd	name"
mkdir "$odd"
unshare --mount --propagation private bash "$alone" "$storyclip" "$MNT" "$odd" >"$LOG/out"
said=$(cat "$LOG/out")
contains "$said" "one: $MNT: "
contains "$said" "2 mounts of storyclipfs: say which by --mount '$MNT' or --mount '${odd//	/?}'"
contains "$said" "inside: ${odd//	/?}: "
contains "$said" "none: storyclip: no storyclipfs is mounted here"
eq "$(grep -c 'code 3' "$LOG/out")" 2 "exit codes 3"
sc_umount
