# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# nginx as www-data on a port of this machine alone, with contrib/nginx/storyclip.conf for $MNT and
# $ROOT; sourced behind sc.sh.

need_root
need nginx curl
id -u www-data >/dev/null 2>&1 || skip "there is no user www-data"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# shellcheck disable=SC2034 # for the tests
base=http://127.0.0.1:$port
nginx=

# The file of contrib/ with its places, and the surroundings that Debian's nginx.conf gives.
web_configure() { # [DIRECTIVE OF THE UPLOADS' LOCATION]
	mkdir -p "$SC_TEST/nginx"
	sed -e "s,/srv/storyclip/main,$MNT,; s,/var/lib/storyclip/main/outputs,$ROOT/outputs," \
		-e "s,listen 80;,listen 127.0.0.1:$port;," \
		-e "s,^\t\tdav_methods PUT;,&${1:-}," \
		"${SC_TESTS%/*}/contrib/nginx/storyclip.conf" >"$SC_TEST/nginx/site"
	cat >"$SC_TEST/nginx/conf" <<-END
		user www-data;
		pid $SC_TEST/nginx/pid;
		error_log $LOG/nginx.log;
		worker_processes 2;
		daemon off;
		events {}
		http {
			access_log off;
			client_body_temp_path $SC_TEST/nginx/body;
			proxy_temp_path $SC_TEST/nginx/proxy;
			fastcgi_temp_path $SC_TEST/nginx/fastcgi;
			uwsgi_temp_path $SC_TEST/nginx/uwsgi;
			scgi_temp_path $SC_TEST/nginx/scgi;
			include $SC_TEST/nginx/site;
		}
	END
	nginx -t -q -c "$SC_TEST/nginx/conf" -e "$LOG/nginx.log" 2>"$LOG/nginx-t" || fail "nginx -t: $(<"$LOG/nginx-t")"
	eq "$(<"$LOG/nginx-t")" "" "what nginx -t warns of"
}

web_start() {
	nginx -c "$SC_TEST/nginx/conf" -e "$LOG/nginx.log" &
	nginx=$!
	sc_wait_for 'curl -s -o /dev/null "$base/"'
}

web_stop() {
	kill "$nginx"
	wait "$nginx" || true
}

# The answer's number alone
code() { # CURL-ARGUMENTS…
	curl -s -o /dev/null -m 10 -w '%{http_code}' --path-as-is "$@"
}
