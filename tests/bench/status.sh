#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# How fast status is looked at, beside a file of the same bytes on tmpfs; and what that asks of the daemon.
#
#     tests/bench/status.sh BUILD [DIRECTORY (/dev/shm)]
#
# ROUNDS (15) by turns; COUNT (8000) cats by each reader, ten times as many stats. The ratio is that of
# each pair of neighbours (median) and that of the best of each. Requests are those
# that libfuse lists for a mount of its own (storyclipfs -d). READS=10000000 adds the reader test of
# tests/mount/fs-reader.sh with so many reads, on two mounts at once.
set -euo pipefail

build=$(realpath "${1:?usage: $0 BUILD [DIRECTORY]}")
rounds=${ROUNDS:-15} count=${COUNT:-8000}
cats=$build/tests/tools/fs_cats
[[ -x $cats ]] || {
	echo "$build is no build directory" >&2
	exit 2
}
work=$(mktemp -d "${2:-/dev/shm}/storyclip-bench.XXXXXX")
mnt=$work/mnt
end() {
	! mountpoint -q "$mnt" || umount "$mnt" 2>/dev/null || umount -l "$mnt"
	rm -rf "$work" 2>/dev/null || { sleep 1 && rm -rf "$work"; }
}
trap end EXIT
mkdir "$mnt" "$work/root" "$work/root2"

# A job that stays as it is: it waits for its upload's writer. The tool makes no difference between files.
submit() {
	head -c 65536 /dev/urandom >"$mnt/incoming/a.mp4"
	exec {writer}>>"$mnt/incoming/a.mp4"
	echo '{"uploadId":"a.mp4","jobId":"j"}' >"$mnt/control"
	status=$mnt/jobs/j/status
}
stop() {
	exec {writer}>&-
	until umount "$mnt" 2>/dev/null; do sleep 0.1; done
}

"$build/src/storyclipfs" "$work/root" "$mnt" -o "log=$work/log"
submit
# Beside it, as deep below its mount: what a path costs is the kernel's in both.
native=$work/tmp/jobs/j/status
mkdir -p "${native%/*}"
cp "$status" "$native"
for ((round = 0; round < rounds; round++)); do
	for readers in 1 2; do
		for what in native status; do
			"$cats" cat "${!what}" "$count" $readers >>"$work/cat.$readers.$what"
			"$cats" stat "${!what}" $((count * 10)) $readers >>"$work/path.$readers.$what"
			(cd "${!what%/*}" && "$cats" stat status $((count * 10)) $readers) >>"$work/stat.$readers.$what"
		done
	done
done
stop

# Requests: what libfuse lists until a mark; a few less than ten are the mark's own, and the first look.
"$build/src/storyclipfs" -d "$work/root2" "$mnt" -o "log=$work/log" >"$work/requests" 2>&1 &
daemon=$!
until mountpoint -q "$mnt" && [[ -e $mnt/health ]]; do sleep 0.05; done
submit
cat "$status" >/dev/null
for what in cat stat; do
	: >"$work/requests"
	"$cats" $what "$status" 1000 1 >/dev/null
	ls "$mnt/no-such-name" 2>/dev/null || :
	sed -n '/no-such-name/q; s/.*opcode: \([A-Z]*\).*/\1/p' "$work/requests" | sort | uniq -c >"$work/requests.$what"
done
stop
wait "$daemon" || :

. /etc/os-release
echo "$PRETTY_NAME, Linux $(uname -r), $("$build/src/storyclipfs" --version | head -n 1), $(nproc) processors; $rounds rounds, by turns"
echo
echo "| | tmpfs, best, per second | status | ratio, median of pairs | of the best | target |"
echo "| --- | ---: | ---: | ---: | ---: | ---: |"
ratio() { # NAME FILE TARGET
	local native status pair
	read -r native < <(sort -gr "$work/$2.native")
	read -r status < <(sort -gr "$work/$2.status")
	pair=$(paste "$work/$2.native" "$work/$2.status" | awk '{ print $2 / $1 }' | sort -g |
		awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')
	awk -v name="$1" -v target="$3" -v a="$native" -v b="$status" -v pair="$pair" \
		'BEGIN { printf "| %s | %d | %d | %.2f | %.2f | %s |\n", name, a, b, pair, b / a, target }'
}
ratio "stat, 1 reader" stat.1 .85
ratio "stat, 2 readers" stat.2 .85
ratio "stat of the whole path, 1 reader" path.1 ""
ratio "stat of the whole path, 2 readers" path.2 ""
ratio "cat, 1 reader" cat.1 .10
ratio "cat, 2 readers" cat.2 .10
echo
echo "| requests to the daemon, each | | target |"
echo "| --- | --- | ---: |"
for what in cat stat; do
	echo "| $what of an unchanged status | $(awk '$1 >= 10 { n += $1; printf "%s%.3f %s", (k++ ? ", " : ""), $1 / 1000, $2 }
		END { printf "%s = %.3f", (k ? "" : "none"), n / 1000 }' "$work/requests.$what") | $([[ $what == cat ]] && echo 2 || echo 0) |"
done
if [[ -n ${READS:-} ]]; then
	echo
	SC_SLOW=10 SC_BUILD=$build SC_READS=$READS "${BASH_SOURCE[0]%/*}/../lib/run-one" "${BASH_SOURCE[0]%/*}/../mount/fs-reader.sh"
fi
