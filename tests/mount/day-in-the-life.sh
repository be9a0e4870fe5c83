#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A day in the life: mounted by a line of fstab, uploads by rsync and by PUT, requests by sidecar and by
# control, clips fetched through nginx, and the daemon restarted twice under all of it, once by force.
# timeout: 300
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"
# shellcheck source=tests/lib/web.sh
. "$SC_TESTS/lib/web.sh"

need rsync mount.fuse3
# The line names the program by its place, as mount.fuse3(8) allows: it is the one with steps, to be
# stopped while jobs are known to run. (ops-mount8.sh has the lines of an installation.)
mkdir "$SC_TEST/bin"
cat >"$SC_TEST/bin/storyclipfs" <<END
#!/bin/sh
STORYCLIP_HOOKS=$HOOKS exec "$SC_HOOKED/storyclipfs" "\$@"
END
chmod 755 "$SC_TEST/bin/storyclipfs"

cat >"$SC_TEST/main.conf" <<END
CDN_BASE=$base/clips
STORYCLIP_WORKERS=1
STORYCLIP_LOG=$LOG/daemon.log
END
echo "$SC_TEST/bin/storyclipfs#$ROOT $MNT fuse nofail,_netdev,x-systemd.automount,config=$SC_TEST/main.conf 0 0" >"$SC_TEST/fstab"
mount_options=("config=$SC_TEST/main.conf") # for check_invariants

by_fstab() {
	env -i /bin/mount -T "$SC_TEST/fstab" "$MNT" 5>&- || fail "mount by fstab"
	[[ -f $MNT/health ]] || fail "it does not answer"
	daemon_pid=$(sc_pid)
}

put() { # FILE NAME
	eq "$(code -T "$1" "$base/incoming/$2")" 201 "PUT of $2"
}

ask_by_put() { # UPLOAD JSON
	printf '%s' "$2" >"$SC_TEST/request"
	put "$SC_TEST/request" "$1.process"
}

states() { # JOBS: what a browser sees of each
	local id
	for id; do
		curl -s -m 30 "$base/jobs/$id/status" | jq -r .status
	done | xargs
}

fetch() { # JOB: every clip by each address, whole and a part
	local id=$1 published url clip
	while read -r published; do
		clip=$ROOT/outputs/$id/${published##*/}
		for url in "$published" "$base/jobs/$id/clips/${clip##*/}"; do
			eq "$(curl -s -m 30 -o "$SC_TEST/got" -w '%{http_code} %{content_type}' "$url")" "200 video/mp4" "$url"
			cmp "$SC_TEST/got" "$clip"
			eq "$(curl -s -m 30 -o "$SC_TEST/got" -r 1000-4999 -w '%{http_code}' "$url")" 206 "$url, a part"
			cmp "$SC_TEST/got" <(tail -c +1001 "$clip" | head -c 4000)
		done
	done < <(curl -s -m 30 "$base/jobs/$id/status" | jq -r '.outputs[]')
}

video=$(media short.mp4)
# Each upload has bytes of its own.
camera=$SC_TEST/camera
mkdir -p "$camera/trip" "$camera/late"
for name in trip/one trip/two trip/three late/four late/five late/six; do
	{
		cat "$video"
		printf '\0\0\0\x18free%-16s' "$name"
	} >"$camera/$name.mp4"
done

# ---- the morning: the first uploads, and a job that is done before anything happens
by_fstab
web_configure
web_start
rsync -a "$camera/trip" "$MNT/incoming/"
put "$camera/late/four.mp4" web/four.mp4
echo '{"uploadId":"trip/one","jobId":"early"}' >"$MNT/control"
sc_wait_for '[[ $(states early) == done ]]'
fetch early

# ---- noon: a request of each kind; one job runs, the others wait
hook_set cut-clip once-wait
eq "$(sc_submit '{"uploadId":"trip/one.mp4","jobId":"control","clipDuration":2}')" control
hook_wait_reached cut-clip
echo jobId=sidecar >"$MNT/incoming/trip/two.mp4.process"
ask_by_put web/four.mp4 '{"jobId":"put"}'
: >"$camera/trip/three.mp4.process"
rsync -a "$camera/trip" "$MNT/incoming/"
ask_by_put web/five.mp4 '{"jobId":"ahead"}'
sc_wait_for '[[ $(sql "SELECT COUNT(*) FROM jobs") == 5 ]]'
third=$(basename "$(readlink "$MNT/by-upload/trip%2Fthree.mp4")")
eq "$(states early control sidecar put "$third")" "done running queued queued queued"
missing "$MNT/jobs/ahead" # its upload is not there
worker=$(hook_pid cut-clip)

# ---- a restart: nobody's request fails for ever, nothing is written beside the mount
sc_umount
sc_wait_gone "$worker" 5
eq "$(code "$base/jobs/control/status")" 404 "status while nothing is mounted"
eq "$(code "$base/clips/early/clip_001.mp4")" 200 "a clip while nothing is mounted"
matches "$(code -T "$camera/late/five.mp4" "$base/incoming/web/five.mp4")" '^[45]' "PUT while nothing is mounted"
eq "$(find "$MNT" -mindepth 1)" "" "what lies beneath the mount"
cp "$camera/late/six.mp4" "$ROOT/tmp/uploads/six.mp4"
hook_set cut-clip once-wait
by_fstab
hook_wait_reached cut-clip
eq "$(states early control sidecar put "$third")" "done running queued queued queued"
put "$camera/late/five.mp4" web/five.mp4
sc_wait_for '[[ $(states ahead) == queued ]]'
eq "$(sc_submit '{"uploadId":"six","jobId":"behind"}')" behind

# ---- the afternoon: killed under a running job, an rsync and a PUT
mkfifo "$SC_TEST/slow"
setsid rsync -a --bwlimit=50 "$camera/late" "$MNT/incoming/" 2>"$LOG/rsync" &
copying=$!
sc_wait_for '[[ -n $(find "$MNT/incoming/late" -name ".*.mp4.*") ]]'
kill -STOP -- "-$copying"
curl -s -m 120 -o /dev/null -w '%{http_code}' -T - "$base/incoming/web/six.mp4" <"$SC_TEST/slow" >"$LOG/put" &
putting=$!
exec 5>"$SC_TEST/slow" # kept from the daemon, or the PUT has no end
head -c 100000 "$camera/late/six.mp4" >&5
sc_wait_for '[[ -n $(find "$SC_TEST/nginx/body" -type f) ]]'
worker=$(hook_pid cut-clip)
sc_kill9
sc_wait_gone "$worker" 5
matches "$(code "$base/jobs/control/status")" '^(404|500)$' "status of a dead mount"
eq "$(code "$base/clips/early/clip_001.mp4")" 200 "a clip while the mount is dead"
kill -CONT -- "-$copying"
by_fstab # it clears the dead mount point
tail -c +100001 "$camera/late/six.mp4" >&5
exec 5>&-
wait "$putting"
eq "$(<"$LOG/put")" 201 "PUT under way while the daemon was killed"
wait "$copying" && fail "rsync noticed nothing"
rsync -a "$camera/late" "$camera/trip" "$MNT/incoming/" # once more, as a person would
echo '{"jobId":"again"}' >"$MNT/incoming/late/four.mp4.process"

# ---- the evening: everything is there, once
jobs="early control sidecar put $third ahead behind again"
sc_wait_for '[[ $(states '"$jobs"') == "done done done done done done done done" ]]' 120
eq "$(find "$MNT/jobs" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs)" "$(tr ' ' '\n' <<<"$jobs" | sort | xargs)" "jobs"
eq "$(find "$ROOT/outputs" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs)" "$(tr ' ' '\n' <<<"$jobs" | sort | xargs)" "outputs"
for id in $jobs; do
	sc_done "$id"
	eq "$(grep -c ' done: ' "$MNT/jobs/$id/log")" 1 "ends in the log of $id"
	fetch "$id"
	compare_clips "$MNT/incoming/$(status_of "$id" .uploadId | sed 's/\.mp4$//').mp4" "$MNT/jobs/$id/clips" \
		--mode exact --status "$MNT/jobs/$id/status" || fail "$id is not its source"
done
eq "$(sql "SELECT job_id||':'||attempt||':'||failures FROM jobs WHERE attempt<>1 OR failures<>0")" control:3:0 \
	"jobs that were started again"
for name in trip/one trip/two trip/three late/four late/five late/six; do
	cmp "$camera/$name.mp4" "$MNT/incoming/$name.mp4"
done
for name in four five six; do
	cmp "$camera/late/$name.mp4" "$MNT/incoming/web/$name.mp4"
done
cmp "$camera/late/six.mp4" "$MNT/incoming/six.mp4"
eq "$(sql "SELECT path||' '||state FROM uploads WHERE path NOT LIKE '%.process' AND path NOT LIKE '%/.%' ORDER BY path" | xargs)" \
	"late/five.mp4 complete late/four.mp4 complete late/six.mp4 complete six.mp4 complete trip/one.mp4 complete trip/three.mp4 complete trip/two.mp4 complete web/five.mp4 complete web/four.mp4 complete web/six.mp4 complete"
eq "$(find "$MNT/incoming" -name '*.error')" "" "refused sidecars"
eq "$(find "$ROOT/work" -mindepth 1)" "" "what is left in work"
eq "$(jq -r '"\(.status) \(.queue) \(.workers.busy)"' "$MNT/health")" "ok 0 0" "health"
remember_uploads
check_invariants
eq "$(sql 'SELECT COUNT(*) FROM jobs')" 8 "jobs after another start, which finds all sidecars"
web_stop
sc_umount
