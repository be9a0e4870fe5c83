#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# nginx as www-data serves OUTPUT_ROOT and the mount's clips: 200, 206 with Range, video/mp4, each address of outputs.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need_root
need nginx curl
id -u www-data >/dev/null 2>&1 || skip "there is no user www-data"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
base=http://127.0.0.1:$port
mkdir "$SC_TEST/nginx"
cat >"$SC_TEST/nginx/conf" <<END
user www-data;
pid $SC_TEST/nginx/pid;
error_log $LOG/nginx.log;
worker_processes 2;
daemon off;
events {}
http {
	types { video/mp4 mp4; application/json json; }
	default_type application/octet-stream;
	access_log off;
	client_body_temp_path $SC_TEST/nginx/body;
	proxy_temp_path $SC_TEST/nginx/proxy;
	fastcgi_temp_path $SC_TEST/nginx/fastcgi;
	uwsgi_temp_path $SC_TEST/nginx/uwsgi;
	scgi_temp_path $SC_TEST/nginx/scgi;
	sendfile on;
	server {
		listen 127.0.0.1:$port;
		location /outputs/ { alias $ROOT/outputs/; }
		location /jobs/ { alias $MNT/jobs/; }
	}
}
END
sc_mount "cdn_base=$base/outputs"
nginx -c "$SC_TEST/nginx/conf" -e "$LOG/nginx.log" &
nginx=$!
sc_wait_for 'curl -s -o /dev/null "$base/"'

upload main.mp4
id=$(sc_submit '{"uploadId":"main"}')
sc_done "$id"
eq "$(status_of "$id" '.outputs|length')" 13

fetched() { # URL FILE: whole, and a range out of it
	local head
	head=$(curl -s -D - -o "$SC_TEST/got" "$1")
	matches "$head" '^HTTP/1.1 200 ' "$1"
	contains "$head" "Content-Type: video/mp4" "$1"
	cmp "$SC_TEST/got" "$2"
	head=$(curl -s -D - -o "$SC_TEST/got" -r 1000-4999 "$1")
	matches "$head" '^HTTP/1.1 206 ' "$1 with Range"
	cmp "$SC_TEST/got" <(tail -c +1001 "$2" | head -c 4000)
}
for url in $(status_of "$id" '.outputs[]'); do
	clip=${url##*/}
	fetched "$url" "$ROOT/outputs/$id/$clip"
	fetched "$base/jobs/$id/clips/$clip" "$ROOT/outputs/$id/$clip"
done
ffprobe -v error "$(status_of "$id" '.outputs[12]')"

# the texts of a job too: complete, by their true size
curl -s "$base/jobs/$id/status" | cmp - "$MNT/jobs/$id/status"
eq "$(curl -s "$base/jobs/$id/progress")" 100
eq "$(curl -s -o /dev/null -w '%{http_code}' "$base/jobs/none/status")" 404
kill "$nginx"
wait "$nginx" || true
sc_umount
