#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# contrib/nginx/storyclip.conf under a real nginx as www-data: clips with ranges and lasting caches,
# status that is never stale, uploads by PUT (bodies elsewhere, and on the mount), all else denied.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

# shellcheck source=tests/lib/web.sh
. "$SC_TESTS/lib/web.sh"

head_of() { # URL [CURL-ARGUMENTS…]
	curl -s -m 10 -D - -o "$SC_TEST/got" "$@" | tr -d '\r'
}
header() { # TEXT NAME VALUE|-
	local value
	value=$(sed -n "s/^$2: //Ip" <<<"$1")
	eq "$value" "${3#-}" "header $2"
}

sc_mount "cdn_base=$base/clips"
web_configure
web_start

# ---- in: PUT to the mount, by its last name only, as www-data
video=$(media short.mp4)
eq "$(code -T "$video" "$base/incoming/short.mp4")" 201 "PUT"
cmp "$video" "$MNT/incoming/short.mp4"
eq "$(stat -c '%U:%G %a' "$MNT/incoming/short.mp4")" "www-data:www-data 644" "owner of the upload"
eq "$(code -T "$video" "$base/incoming/some/where/deep.mp4")" 201 "PUT into directories that it makes"
cmp "$video" "$MNT/incoming/some/where/deep.mp4"
eq "$(code -T "$video" "$base/incoming/b%20%C3%A4'\"%25.mp4")" 201 "PUT of a difficult name"
cmp "$video" "$MNT/incoming/b ä'\"%.mp4"
eq "$(code -T "$video" "$base/incoming/short.mp4")" 204 "PUT over it"
eq "$(cd "$MNT/incoming" && find . -type f | sort | xargs -d '\n' echo)" \
	"./b ä'\"%.mp4 ./short.mp4 ./some/where/deep.mp4" "files in incoming/"

# ---- out
id=$(sc_submit '{"uploadId":"short.mp4","jobId":"web.1"}')
sc_done "$id"
for url in $(status_of "$id" '.outputs[]'); do
	head=$(head_of "$url")
	matches "$head" '^HTTP/1.1 200 ' "$url"
	cmp "$SC_TEST/got" "$ROOT/outputs/$id/${url##*/}"
	header "$head" Content-Type video/mp4
	header "$head" Cache-Control 'public, max-age=31536000, immutable'
	header "$head" X-Content-Type-Options nosniff
	header "$head" Accept-Ranges bytes
	tag=$(sed -n 's/^ETag: //Ip' <<<"$head")
	eq "$(code -H "If-None-Match: $tag" "$url")" 304 "the same clip again"
	head=$(head_of "$url" -r 1000-4999)
	matches "$head" '^HTTP/1.1 206 ' "$url with Range"
	cmp "$SC_TEST/got" <(tail -c +1001 "$ROOT/outputs/$id/${url##*/}" | head -c 4000)
	head=$(head_of "$base/jobs/$id/clips/${url##*/}")
	cmp "$SC_TEST/got" "$ROOT/outputs/$id/${url##*/}"
	header "$head" Cache-Control no-cache
	header "$head" Content-Type video/mp4
	eq "$(code -X DELETE "$url") $(code -T "$video" "$url") $(code -d x "$url")" "403 403 403" "$url, not by GET"
done
for name in "jobs/$id/status" "jobs/$id/progress" "jobs/$id/request" health; do
	head=$(head_of "$base/$name")
	matches "$head" '^HTTP/1.1 200 ' "$name"
	header "$head" Content-Type application/json
	header "$head" Cache-Control no-store
	header "$head" X-Content-Type-Options nosniff
	header "$head" ETag -
	header "$head" Last-Modified -
	header "$head" Accept-Ranges -
	[[ $name == health ]] || cmp "$SC_TEST/got" "$MNT/$name"
	jq -e . "$SC_TEST/got" >/dev/null || fail "$name is no JSON: $(<"$SC_TEST/got")"
	# Two versions in one second differ in nothing that HTTP compares: whatever the client has kept,
	# it gets the newest.
	kept=$(date -u -d "@$(stat -c %Y "$MNT/$name")" '+%a, %d %b %Y %H:%M:%S GMT')
	eq "$(code -H "If-Modified-Since: $kept" "$base/$name")" 200 "$name"
done

# ---- a request as a file, by PUT too: it acts with nginx's rename
eq "$(code -T "$video" "$base/incoming/asked.mp4")" 201
printf '{"jobId":"by-put","clipDuration":2}' >"$SC_TEST/request"
eq "$(code -T "$SC_TEST/request" "$base/incoming/asked.mp4.process")" 201 "PUT of a request"
sc_done by-put
: >"$SC_TEST/request"
eq "$(code -T "$SC_TEST/request" "$base/incoming/short.mp4.process")" 201 "PUT of an empty request"
sc_wait_for 'compgen -G "$MNT/jobs/job_*" >/dev/null'
sc_done "$(basename "$MNT"/jobs/job_*)"
printf '{"clipDuration":0}' >"$SC_TEST/request"
eq "$(code -T "$SC_TEST/request" "$base/incoming/asked.mp4.process")" 500 "PUT of a request that is refused"
eq "$(jq -r .code "$MNT/incoming/asked.mp4.process.error")" INVALID_REQUEST
eq "$(code "$base/incoming/asked.mp4.process.error")" 403
rm "$MNT/incoming"/{asked,short}.mp4.process*
rm -r "$MNT/jobs/by-put" "$MNT"/jobs/job_*

# ---- nothing else; what would wait answers at once
for name in / control events README incoming/ incoming/short.mp4 jobs/ "jobs/$id" "jobs/$id/" \
	"jobs/$id/control" "jobs/$id/wait" "jobs/$id/log" "jobs/$id/source" "jobs/$id/clips/" by-upload/ \
	"by-upload/short.mp4/status" "clips/" "clips/$id/" "clips/$id/../../database/storyclip.db" \
	"clips/../database/storyclip.db" "clips/..%2fdatabase%2fstoryclip.db" "jobs/$id/clips/..%2fwait" \
	"clips/.hidden/clip_001.mp4" "jobs/../health/../control" "incoming/..%2f..%2froot"; do
	matches "$(code "$base/${name#/}")" '^(403|404|400)$' "GET /$name"
done
eq "$(code -d '{"uploadId":"short"}' "$base/control") $(code -T "$video" "$base/control")" "403 403" "requests by HTTP"
eq "$(code -T "$video" "$base/jobs/$id/control")" 403
for name in .hidden.mp4 some/.hidden/x.mp4 ..%2fx.mp4; do
	matches "$(code -T "$video" "$base/incoming/$name")" '^40' "PUT of $name"
done
for method in DELETE MKCOL MOVE COPY PROPFIND POST; do
	matches "$(code -X "$method" -H "Destination: $base/incoming/x" "$base/incoming/short.mp4")" '^40' "$method"
done
cmp "$video" "$MNT/incoming/short.mp4"
eq "$(ls "$MNT/jobs")" "$id" "jobs"

# ---- a mount that goes and comes back is served again, nothing being told to nginx
sc_umount
matches "$(code "$base/jobs/$id/status")" '^404$' "status without the mount"
eq "$(code "$base/clips/$id/clip_001.mp4")" 200 "a published clip without the mount"
sc_mount "cdn_base=$base/clips"
eq "$(code "$base/jobs/$id/status")" 200 "status after another mount"
web_stop

# ---- bodies straight into the mount: hidden while they come, then renamed: no second copy
web_configure "\n\t\tclient_body_temp_path $MNT/incoming/.nginx;"
web_start
curl -s -m 60 -o /dev/null -w '%{http_code}' --limit-rate 1M -T "$video" "$base/incoming/direct.mp4" >"$LOG/code" &
curl=$!
sc_wait_for '[[ -n $(find "$MNT/incoming/.nginx" -type f) ]]'
missing "$MNT/incoming/direct.mp4"
wait "$curl"
eq "$(<"$LOG/code")" 201 "PUT with its body on the mount"
cmp "$video" "$MNT/incoming/direct.mp4"
eq "$(find "$MNT/incoming/.nginx" -type f)" "" "bodies left over"
id=$(sc_submit '{"uploadId":"direct"}')
sc_done "$id"
web_stop
sc_umount
