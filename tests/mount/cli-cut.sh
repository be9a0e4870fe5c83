#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# storyclip cut: videos get into the mount whole and once, become jobs, and their clips come back.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

storyclip=$SC_BIN/storyclip
export STORYCLIP_MOUNT=$MNT
sc_mount workers=1
in=$MNT/incoming

# Run it: what it printed in $out and $err, its exit code compared.
run() { # EXIT-CODE ARGUMENTS…
	local want=$1 code=0
	shift
	"$storyclip" "$@" >"$LOG/out" 2>"$LOG/err" </dev/null || code=$?
	out=$(cat "$LOG/out")
	err=$(cat "$LOG/err")
	[[ $code == "$want" ]] || fail "storyclip $*: exit code $code, not $want: $out $err"
}
request_of() { # ID JQ-FILTER
	jq -c "$2" "$MNT/jobs/$1/request"
}
uploads() {
	find "$in" -mindepth 1 -printf '%P\n' | sort | xargs
}

# ---- copied in, cut, waited for
video=$(media tiny.mp4)
run 0 cut "$video" --every 1 --wait
id=${out%% *}
eq "$out" "$id  queued  tiny.mp4
$id  done  2 clips  tiny.mp4" "what is printed in a pipe"
eq "$err" "" "standard error"
cmp "$video" "$in/tiny.mp4"
eq "$(request_of "$id" '[.uploadId,.clipDuration]')" '["tiny.mp4",1]'
sc_done "$id"

# the same video again: the same upload, without a copy
inode=$(stat -c %i "$ROOT/tmp/uploads/tiny.mp4")
run 0 cut "$video" --every 1
eq "$(stat -c %i "$ROOT/tmp/uploads/tiny.mp4")" "$inode" "inode of the upload"
eq "$(uploads)" "tiny.mp4" "uploads"
sc_done "${out%% *}"

# another video of that name: a number
mkdir "$SC_TEST/other"
cp "$(media short.mp4)" "$SC_TEST/other/tiny.mp4"
run 0 cut "$SC_TEST/other/tiny.mp4" --max 1 --wait
contains "$out" "done  1 clip  tiny-2.mp4"
cmp "$SC_TEST/other/tiny.mp4" "$in/tiny-2.mp4"
eq "$(uploads)" "tiny-2.mp4 tiny.mp4" "uploads"
run 0 cut "$SC_TEST/other/tiny.mp4" --max 1
eq "$(uploads)" "tiny-2.mp4 tiny.mp4" "uploads"

# one that lies there is used in place, also below a directory and through a symlink
mkdir "$in/a dir"
cp "$video" "$in/a dir/'quoted' \$name.mp4"
ln -s "$in/a dir/'quoted' \$name.mp4" "$SC_TEST/link.mp4"
run 0 cut "$SC_TEST/link.mp4" --json
id=$(jq -r .jobId <<<"$out")
eq "$(request_of "$id" .uploadId)" '"a dir/'"'quoted' "'$name.mp4"' "uploadId"
cd "$in/a dir"
run 0 cut ./*.mp4 --wait --every 1 --json
cd "$SC_TEST"
eq "$(jq -r '[.status,.totalClips]|join(" ")' <<<"$out")" "done 2" "JSON of a job that was waited for"
# a name that is not UTF-8
cp "$video" "$in/"$'gr\xfc\xdf.mp4'
run 0 cut "$in/"$'gr\xfc\xdf.mp4' --every 1 --wait
contains "$out" "done  2 clips  gr%FC%DF.mp4"

# ---- ranges, mode
run 0 cut "$video" --clips 0-0.5,0.7-1.25 --mode encode
eq "$(request_of "${out%% *}" '[.cut,.clips]')" '["encode",[{"start":0,"end":0.5},{"start":0.7,"end":1.25}]]'
sc_done "${out%% *}"

# ---- the clips come back, whole
run 0 cut "$video" --every 1 --out "$SC_TEST/out/deep"
id=${out%% *}
for clip in clip_001.mp4 clip_002.mp4; do
	cmp "$SC_TEST/out/deep/$clip" "$ROOT/outputs/$id/$clip"
done
eq "$(find "$SC_TEST/out/deep" -mindepth 1 | wc -l)" 2 "files in --out"
run 0 cut "$video" "$SC_TEST/other/tiny.mp4" --max 1 --out "$SC_TEST/two"
eq "$(cd "$SC_TEST/two" && find . -type f | sort | xargs)" "./tiny-2/clip_001.mp4 ./tiny/clip_001.mp4" "files of two"
echo >"$SC_TEST/file"
jobs=$(find "$MNT/jobs" -mindepth 1 -maxdepth 1 | wc -l)
run 1 cut "$video" --out "$SC_TEST/file"
contains "$err" "--out $SC_TEST/file: Not a directory"
eq "$(find "$MNT/jobs" -mindepth 1 -maxdepth 1 | wc -l)" "$jobs" "jobs after an --out that cannot be used"

# ---- what goes wrong
head -c 100000 /dev/urandom >"$SC_TEST/noise.mp4"
run 1 cut "$SC_TEST/noise.mp4" --wait
contains "$err" "(noise.mp4) failed: INVALID_MEDIA: "
cp "$video" "$SC_TEST/v.mp4.part"
run 5 cut "$SC_TEST/v.mp4.part"
contains "$err" "v.mp4.part: UPLOAD_NOT_FOUND: "
run 5 cut "$SC_TEST/v.mp4.part" "$SC_TEST/noise.mp4" "$video" --wait --json
eq "$(jq -r '"\(.success) \(.status)"' <<<"$out" | xargs)" "false null null failed null done" "a line for each"
run 1 cut "$SC_TEST/nothing.mp4"
contains "$err" "$SC_TEST/nothing.mp4: No such file or directory"
run 1 cut "$SC_TEST"
contains "$err" "not a regular file"
run 2 cut
run 2 cut "$video" --every 0
# what it cannot print is no success
code=0
"$storyclip" cut "$video" >/dev/full 2>/dev/null || code=$?
eq "$code" 1 "exit code when standard output is full"

# ---- given up while it copies: nothing is left
truncate -s 32G "$SC_TEST/big.mp4"
"$storyclip" cut "$SC_TEST/big.mp4" 2>"$LOG/err" &
sc_wait_for '[[ -n $(find "$in" -name ".storyclip.*" -size +0) ]]'
missing "$in/big.mp4"
kill -TERM $!
code=0
wait $! || code=$?
eq "$code" 143 "exit code after SIGTERM"
contains "$(cat "$LOG/err")" "big.mp4 to $in: interrupted"
eq "$(find "$in" -name '.storyclip.*')" "" "what a copy that was given up leaves"
missing "$in/big.mp4"

sc_umount
