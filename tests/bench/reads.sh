#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# How fast files are read from incoming/, beside a native directory and bindfs.
#
#     tests/bench/reads.sh BUILD [MEBIBYTES (256)] [DIRECTORY (/var/tmp)]
#
# From begin to end with the file in the page cache and without, 4 KiB at random places (20,000 cached,
# 2,000 not), and through nginx with sendfile (ab, where it is installed). Environment: ROUNDS (7).
mebibytes=${2:-256}
# shellcheck source=tests/bench/places.sh
. "${BASH_SOURCE[0]%/*}/places.sh" "$1" "${3:-/var/tmp}"

head -c "${mebibytes}M" /dev/urandom >"$work/source"
for place in "${places[@]}"; do
	cp "$work/source" "${dir[$place]}/one.mp4"
done
settle

forget() { # PLACE
	"$speed" drop "${dir[$1]}/one.mp4" "${behind[$1]}/one.mp4"
}
bytes() { # PLACE
	local file=${dir[$1]}/one.mp4
	forget "$1"
	note "cold, sequential" "$1" "$("$speed" read "$file")"
	"$speed" read "$file" >/dev/null
	note "warm, sequential" "$1" "$("$speed" read "$file")"
	note "warm, 4 KiB at random" "$1" "$("$speed" random "$file" 20000)"
	forget "$1"
	note "cold, 4 KiB at random" "$1" "$("$speed" random "$file" 2000)"
}
each_round bytes

if command -v nginx >/dev/null && command -v ab >/dev/null; then
	head -c 8M "$work/source" >"$work/eight"
	{
		echo "daemon on; pid $work/nginx.pid; error_log $work/nginx.log; worker_processes 1;"
		[[ $EUID -ne 0 ]] || echo "user root;"
		echo "events {} http { access_log off; sendfile on; tcp_nopush on; sendfile_max_chunk 2m;"
		echo "client_body_temp_path $work/n1; proxy_temp_path $work/n2; fastcgi_temp_path $work/n3;"
		echo "uwsgi_temp_path $work/n4; scgi_temp_path $work/n5; server { listen 127.0.0.1:18080;"
		for place in "${places[@]}"; do
			cp "$work/eight" "${dir[$place]}/eight.mp4"
			echo "location /$place/ { alias ${dir[$place]}/; }"
		done
		echo "} }"
	} >"$work/nginx.conf"
	nginx -c "$work/nginx.conf"
	served() { # PLACE
		timed "nginx with sendfile, 100 x 8 MiB" "$1" \
			ab -q -n 100 -c 2 "http://127.0.0.1:18080/$1/eight.mp4"
	}
	settle
	each_round served
	kill "$(cat "$work/nginx.pid")"
else
	echo "no nginx or no ab: the row of sendfile is left out" >&2
fi
echo "One file of $mebibytes MiB."
table ms 1000
