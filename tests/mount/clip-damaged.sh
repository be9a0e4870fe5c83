#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A clip that is not on the disk as it was meant is never shown: VERIFY_FAILED, and nothing is left.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need python3
sc_use hooked
sc_mount
upload main.mp4

# Damage the first clip once it is written: by what Python does with its bytes.
damaged() { # MODE NAME STATEMENT-ON-data
	local id=$1-$2
	hook_set clip-written once-wait
	echo "{\"uploadId\":\"main.mp4\",\"jobId\":\"$id\",\"cut\":\"$1\",\"clips\":[{\"start\":3.3,\"end\":7.1}]}" >"$MNT/control"
	hook_wait_reached clip-written
	python3 - "$(find "$ROOT/work" -name '.clip_001.tmp')" "$3" <<'END'
import sys
path, statement = sys.argv[1:]
with open(path, "rb") as f:
    data = bytearray(f.read())
before = bytes(data)

def add(box, place, n):  # to the 32 bits at a place of the first box of that type
    at = data.index(box) + 4 + place
    data[at:at + 4] = (int.from_bytes(data[at:at + 4], "big") + n).to_bytes(4, "big")

exec(statement)
assert bytes(data) != before
with open(path, "r+b") as f:
    f.write(data)
    f.truncate(len(data))
END
	hook_go clip-written
	sc_failed "$id" VERIFY_FAILED
	missing "$ROOT/outputs/$id"
	eq "$(find "$ROOT/work" -name '*clip*')" "" "left by $id"
	hook_clear clip-written
}

for mode in exact smart; do
	damaged $mode truncated 'del data[-5000:]'
	damaged $mode longer 'data += b"x"'
	damaged $mode size 'add(b"stsz", 20, 1)'
	damaged $mode place 'add(b"stco", 8, 1 << 24)'
	damaged $mode duration 'add(b"stts", 12, 1)'
	damaged $mode edit 'add(b"elst", 12, 7)'
	damaged $mode description 'add(b"avcC", 8, 1)'
	damaged $mode index 'data[data.index(b"moov"):data.index(b"moov") + 4] = b"free"'
done
damaged exact sync 'add(b"stss", 8, 2)'

# left alone the same job is done
echo '{"uploadId":"main.mp4","jobId":"whole","cut":"smart","clips":[{"start":3.3,"end":7.1}]}' >"$MNT/control"
sc_done whole

# A source of which two seconds are lost: encode makes the clips on both sides, and says which is left out
python3 - "$(media short.mp4)" "$MNT/incoming/lost.mp4" <<'END'
import subprocess
import sys
source, target = sys.argv[1:]
with open(source, "rb") as f:
    data = bytearray(f.read())
out = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
                      "packet=pts_time,size,pos", "-of", "csv=p=0", source],
                     stdout=subprocess.PIPE, check=True).stdout.decode()
for line in out.split():
    time, size, at = line.split(",")[:3]
    if 1 <= float(time) < 2:
        data[int(at):int(at) + int(size)] = bytes(int(size))
with open(target, "wb") as f:
    f.write(data)
END
echo '{"uploadId":"lost.mp4","jobId":"lost","cut":"encode","clipDuration":1,"maxClips":3}' >"$MNT/control"
sc_done lost 60
eq "$(status_of lost '[.result.artifacts[].filename]|join(" ")')" "clip_001.mp4 clip_003.mp4"
contains "$(status_of lost '.warnings|join(" ")')" "clip 2 (1.000 to 2.000 s) is left out"
eq "$(ls "$ROOT/outputs/lost")" "clip_001.mp4
clip_003.mp4"
check_invariants
sc_umount
