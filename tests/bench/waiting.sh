#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What waiting costs: readers parked in a job's `wait`, and who polls its `status`.
#
#     tests/bench/waiting.sh BUILD [DIRECTORY (/dev/shm)]
#
# ROUNDS (5) is how often each is done; best and median are shown. READERS ("1000 10000").
# park: threads that read wait, until all are parked. stat: of its log, for which the kernel asks
# the daemon each time, while they are. wake: from the write of `cancel` until the last has read the
# end. killed: from SIGKILL of 3,000 readers' process until it is gone. poll: from a worker's report
# (its pipe to the daemon and the daemon's threads included) until poll(2) has returned.
set -euo pipefail

build=$(realpath "${1:?usage: $0 BUILD [DIRECTORY]}")
rounds=${ROUNDS:-5}
read -ra numbers <<<"${READERS:-1000 10000}"
waiters=$build/tests/tools/fs_waiters
[[ -x $waiters ]] || {
	echo "$build is no build directory" >&2
	exit 2
}
ulimit -n "$(ulimit -Hn)"
work=$(mktemp -d "${2:-/dev/shm}/storyclip-bench.XXXXXX")
mnt=$work/mnt
end() {
	! mountpoint -q "$mnt" || umount "$mnt" 2>/dev/null || umount -l "$mnt"
	rm -rf "$work" 2>/dev/null || { sleep 1 && rm -rf "$work"; }
}
trap end EXIT
mkdir "$mnt"

start() { # PROGRAMS: a fresh mount with one upload that has a writer, so that its jobs wait
	mkdir "$work/root"
	"$build/$1/storyclipfs" "$work/root" "$mnt" -o "log=$work/log,workers=1,max_queue=100"
	"$build/../tests/lib/make-media" tiny.mp4 >/dev/null 2>&1 || :
	head -c 65536 /dev/urandom >"$mnt/incoming/a.mp4"
}
stop() {
	umount "$mnt"
	until rm -rf "$work/root" 2>/dev/null && [[ ! -e $work/root ]]; do sleep 0.1; done
}
daemon() {
	local p args
	for p in /proc/[0-9]*; do
		{ mapfile -d '' -t args <"$p/cmdline"; } 2>/dev/null || continue
		[[ ${args[0]:-} != */storyclipfs || " ${args[*]} " != *" $work/root "* ]] || echo "${p#/proc/}"
	done
}
column() { # FILE N: best and median of a column
	awk -v n="$2" '{ print $n }' "$1" | sort -g |
		awk '{ v[NR] = $1 } END { printf "%g | %g", v[1], v[int((NR + 1) / 2)] }'
}
row() { # NAME FILE COLUMN TARGET
	echo "| $1 | $(column "$2" "$3") | $4 |"
}

for n in "${numbers[@]}"; do
	for ((round = 0; round < rounds; round++)); do
		# Fresh each time: what a daemon has grown to would hide what the next readers need.
		start src
		exec {writer}>>"$mnt/incoming/a.mp4"
		echo '{"uploadId":"a.mp4","jobId":"j"}' >"$mnt/control"
		"$waiters" park "$mnt/jobs/j/wait" "$n" "$mnt/jobs/j/log" "$(daemon)" "$mnt/jobs/j/control" \
			>>"$work/park.$n"
		echo '{"uploadId":"a.mp4","jobId":"k"}' >"$mnt/control"
		((n != 1000)) ||
			"$waiters" kill "$mnt/jobs/k/wait" 3000 "$mnt/jobs/k/log" >>"$work/kill"
		echo cancel >"$mnt/jobs/k/control"
		exec {writer}>&-
		stop
	done
done
for every in 2000 300000; do
	export STORYCLIP_TEST_STAMPS=$every
	start tests/hooked-standin
	echo '{"uploadId":"a.mp4","jobId":"s"}' >"$mnt/control"
	until [[ $(jq -r .message "$mnt/jobs/s/status") == Exporting*[0-9] ]]; do sleep 0.05; done
	for ((round = 0; round < rounds; round++)); do
		if ((every == 2000)); then
			"$waiters" poll "$mnt/jobs/s/status" 1 1000 >>"$work/poll.1"
		else
			"$waiters" poll "$mnt/jobs/s/status" 1000 5 >>"$work/poll.1000"
		fi
	done
	echo cancel >"$mnt/jobs/s/control"
	stop
done

. /etc/os-release
echo "$PRETTY_NAME, Linux $(uname -r), $("$build/src/storyclipfs" --version | head -n 1), $(nproc) processors; $rounds rounds"
echo
echo "| | best | median | target |"
echo "| --- | ---: | ---: | ---: |"
declare -A wake=([1000]=25 [10000]=250)
for n in "${numbers[@]}"; do
	row "park $n readers, ms" "$work/park.$n" 1 ""
	row "bytes per reader in the daemon" "$work/park.$n" 2 320
	row "stat elsewhere, p50, µs" "$work/park.$n" 3 ""
	row "stat elsewhere, p99, µs" "$work/park.$n" 4 350
	row "wake all $n, ms" "$work/park.$n" 5 "${wake[$n]:-}"
	row "of that from the first to the last, ms" "$work/park.$n" 6 ""
done
[[ ! -e $work/kill ]] || row "3000 readers killed, ms" "$work/kill" 1 ""
row "poll wake-up, one poller, p50, µs" "$work/poll.1" 2 60
row "poll wake-up, one poller, p99, µs" "$work/poll.1" 3 150
row "poll wake-up, 1000 pollers, p50, µs" "$work/poll.1000" 2 ""
row "poll wake-up, 1000 pollers, the last, µs" "$work/poll.1000" 4 ""
