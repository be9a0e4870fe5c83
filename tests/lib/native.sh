# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The same commands in a native directory and in incoming/, and what came of each. Sourced after
# sc.sh, with the mount up.
#
# native_same NAME SCRIPT runs the words of SCRIPT with each as the working directory; what they
# print, how they end and what lies there afterwards must be the same: kinds, modes, owners, sizes,
# bytes, extended attributes, access lists, and the times that the command has set (a time of this
# test's own run is "now").

native=$SC_TEST/native
# shellcheck disable=SC2154 # where a test wants it
in=$MNT/incoming
native_began=$(date +%s)
mkdir -p "$native"

native_listing() { # DIRECTORY
	(
		cd "$1" || exit
		find . -mindepth 1 -printf '%P\t%y %m %U:%G\t%s %T@\n' | LC_ALL=C sort |
			awk -F'\t' -v began="$native_began" '{
				split($3, f, " ")
				kind = substr($2, 1, 1)
				time = kind == "d" ? "-" : f[2] + 0 >= began - 1 ? "now" : f[2]
				print $1 "|" $2 "|" (kind == "d" ? "-" : f[1]) "|" time
			}'
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum
		if [[ ${native_with_xattr:-} ]]; then
			getfacl -R -p . 2>/dev/null
			find . -mindepth 1 -print0 | LC_ALL=C sort -z | xargs -0r getfattr -h -d -m '^user\.' 2>/dev/null
		fi
	)
}

native_run() { # DIRECTORY SCRIPT: its output and status, with the directory's own name taken out
	local out status=0
	out=$(cd "$1" && bash -c "$2" 2>&1 </dev/null) || status=$?
	printf '%s\nexit %s\n' "${out//"$1"/HERE}" "$status"
}

native_same() { # NAME SCRIPT
	local at want got
	mkdir -p "$native/$1" "$in/$1"
	want=$(native_run "$native/$1" "$2")
	got=$(native_run "$in/$1" "$2")
	[[ $got == "$want" ]] || fail "$1: said '$got', natively '$want'"
	want=$(native_listing "$native/$1")
	for at in "$in/$1" "$ROOT/tmp/uploads/$1"; do
		got=$(native_listing "$at")
		[[ $got == "$want" ]] ||
			fail "$1: differs (< natively, > $at): $(diff <(echo "$want") <(echo "$got") || true)"
	done
}

# Every file below incoming/ is known as complete, with its size, once the last close is through.
# (Lines of names with a newline sort apart, in both alike; bytes that are not UTF-8 are shown as %XX
# in the database and left out here.)
registry_whole() {
	(cd "$in" && find . -type f -printf '%P %s complete\n') | grep -av '[^ -~]' | LC_ALL=C sort >"$LOG/files"
	sc_wait_for 'registry_is_whole'
	eq "$(sql "SELECT COUNT(*) FROM uploads WHERE state='complete'")" "$(find "$in" -type f -printf x | wc -c)" "complete uploads"
}

registry_is_whole() {
	sql "SELECT path||' '||size||' '||state FROM uploads" | grep -av '[^ -~]\|%' | LC_ALL=C sort | cmp -s - "$LOG/files"
}

# A job of an uploaded video ends well.
cuts() { # UPLOAD…
	local u id
	for u; do
		id=$(sc_submit "{\"uploadId\":\"$u\",\"clipDuration\":1,\"maxClips\":1}")
		sc_done "$id"
	done
}
