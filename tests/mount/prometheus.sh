#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian's Prometheus scrapes the mount's file through nginx: every query of the dashboard and of the alerts
# is answered, those of which there is data with data; the alerts pass their own test.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need promtool prometheus nginx curl
top=${SC_TESTS%/tests}
promtool check rules "$top/contrib/prometheus/storyclipfs.rules.yml" >"$LOG/rules" || fail "$(cat "$LOG/rules")"
promtool test rules "$top/contrib/prometheus/storyclipfs.test.yml" >"$LOG/rules" 2>&1 || fail "$(cat "$LOG/rules")"

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
web=$(free_port)
api=$(free_port)
sc_mount workers=1
mkdir "$SC_TEST/nginx" "$SC_TEST/prometheus"
cp "$top"/contrib/prometheus/*.rules.yml "$SC_TEST/prometheus/"
cat >"$SC_TEST/nginx/nginx.conf" <<EOF
daemon off;
pid $SC_TEST/nginx/pid;
error_log $LOG/nginx.log;
events {}
http {
	access_log off;
	client_body_temp_path $SC_TEST/nginx/a; proxy_temp_path $SC_TEST/nginx/b;
	fastcgi_temp_path $SC_TEST/nginx/c; uwsgi_temp_path $SC_TEST/nginx/d; scgi_temp_path $SC_TEST/nginx/e;
	sendfile on;
	server {
		listen 127.0.0.1:$web;
		location = /metrics { root $MNT; default_type "text/plain; version=0.0.4"; }
	}
}
EOF
[[ $EUID -ne 0 ]] || sed -i '1i user root;' "$SC_TEST/nginx/nginx.conf"
nginx -e "$LOG/nginx.log" -c "$SC_TEST/nginx/nginx.conf" 2>"$LOG/nginx.err" &
nginx=$!
cat >"$SC_TEST/prometheus/prometheus.yml" <<EOF
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [storyclipfs.rules.yml]
scrape_configs:
  - job_name: storyclipfs
    static_configs: [{targets: ["127.0.0.1:$web"]}]
EOF
prometheus --config.file="$SC_TEST/prometheus/prometheus.yml" --storage.tsdb.path="$SC_TEST/prometheus/data" \
	--web.listen-address="127.0.0.1:$api" >"$LOG/prometheus.log" 2>&1 &
prometheus=$!

query() { # EXPR: how many results, or why there is none
	curl -sG "http://127.0.0.1:$api/api/v1/query" --data-urlencode "query=$1" |
		jq -r 'if .status == "success" then (.data.result | if type == "array" then length else 1 end) else .error end'
}
upload short.mp4
sc_wait_for '[[ $(query storyclip_build_info) == 1 ]]' 40
sc_done "$(sc_submit '{"uploadId":"short","clipDuration":5}')"
sc_wait_for '[[ $(query "rate(storyclip_job_phase_seconds_count{phase=\"done\"}[5m]) > 0") == 1 ]]' 40

# the dashboard: every query; without data only those about what has not happened
mapfile -t exprs < <(jq -r '.panels[].targets[].expr' "$top/contrib/grafana/storyclipfs.json")
((${#exprs[@]} > 25)) || fail "only ${#exprs[@]} queries in the dashboard"
for expr in "${exprs[@]}"; do
	n=$(query "$expr")
	matches "$n" '^[0-9]+$' "answer to $expr"
	[[ $expr == *'state="failed"'* ]] || ((n > 0)) || fail "no data for $expr"
done
# the alerts: every expression and each part that is compared
mapfile -t alerts < <(curl -s "http://127.0.0.1:$api/api/v1/rules" | jq -r '.data.groups[].rules[]|"\(.health) \(.lastError // "") \(.query)"')
eq "${#alerts[@]}" "$(grep -c 'alert:' "$top/contrib/prometheus/storyclipfs.rules.yml")" "alerts that Prometheus knows"
sc_wait_for '[[ -z $(curl -s "http://127.0.0.1:$api/api/v1/rules" | jq -r ".data.groups[].rules[]|select(.health != \"ok\")|.name") ]]'
# each metric that they name is there
for name in $( (printf '%s\n' "${exprs[@]}" && cat "$top/contrib/prometheus/storyclipfs.rules.yml") |
	grep -o 'storyclip_[a-z_]*' | sort -u); do
	(($(query "$name") > 0)) || fail "there is no $name"
done
kill $prometheus $nginx
wait $prometheus $nginx || true
sc_umount
