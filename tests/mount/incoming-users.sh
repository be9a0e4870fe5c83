#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Several users share incoming/: files are theirs, and the rights are those of the backing directory.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

# shellcheck source=tests/lib/web.sh
. "$SC_TESTS/lib/web.sh"

need setpriv
sc_mount
in=$MNT/incoming
as() { # UID COMMAND…
	local uid=$1
	shift
	setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
}

as 2001 sh -c "echo hers >$in/hers"
as 2002 sh -c "echo his >$in/his; chmod 600 $in/his"
eq "$(stat -c %u:%g "$in/hers" "$ROOT/tmp/uploads/hers" | xargs)" "2001:2001 2001:2001"
eq "$(stat -c %a "$in")" 1777
eq "$(as 2002 cat "$in/hers")" hers
errno EACCES as 2001 cat "$in/his"
sh_errno EACCES "setpriv --reuid=2002 --regid=2002 --clear-groups sh -c 'echo x >>$in/hers'"
errno EPERM as 2002 chmod 666 "$in/hers"
# the sticky bit
errno EPERM as 2002 rm -f "$in/hers"
errno EPERM as 2002 mv "$in/hers" "$in/taken"
as 2001 mv "$in/hers" "$in/renamed"
errno EPERM as 2001 chown 2002 "$in/renamed"
chown 2002:2002 "$in/renamed"
eq "$(stat -c %u "$ROOT/tmp/uploads/renamed")" 2002

# a directory of a group, entered by a supplementary group
mkdir "$in/team" && chown 0:3000 "$in/team" && chmod 2770 "$in/team"
errno EACCES as 2001 ls "$in/team"
errno EACCES as 2001 touch "$in/team/no"
setpriv --reuid=2001 --regid=2001 --groups=3000 sh -c "echo shared >$in/team/file; cat $in/team/file" >/dev/null
eq "$(stat -c %u:%g "$in/team/file")" 2001:3000 "owner and group in a setgid directory"

# requests need the right to read; jobs belong to who asked
cp "$(media tiny.mp4)" "$in/secret.mp4" && chmod 600 "$in/secret.mp4"
cp "$(media tiny.mp4)" "$in/open.mp4" && chmod 644 "$in/open.mp4"
sh_errno EACCES "setpriv --reuid=2001 --regid=2001 --clear-groups bash -c 'echo \"{\\\"uploadId\\\":\\\"secret.mp4\\\"}\" >$MNT/control'"
contains "$(as 2001 cat "$MNT/control")" UPLOAD_FORBIDDEN "the last reply to that user"
as 2001 bash -c "echo '{\"uploadId\":\"open.mp4\",\"clipDuration\":1,\"jobId\":\"hers\"}' >$MNT/control"
contains "$(as 2001 cat "$MNT/control")" '"jobId":"hers"'
lacks "$(as 2002 cat "$MNT/control")" hers "the last reply to another user"
sc_done hers
eq "$(stat -c %u "$MNT/jobs/hers" "$MNT/jobs/hers/status" "$MNT/jobs/hers/clips" | xargs)" "2001 2001 2001"
eq "$(stat -c %a "$MNT/jobs/hers" "$MNT/jobs/hers/status" "$MNT/jobs/hers/control" "$MNT/control" "$MNT/jobs" | xargs)" \
	"755 444 644 666 777"
errno EACCES as 2002 rmdir "$MNT/jobs/hers"
sh_errno EACCES "setpriv --reuid=2002 --regid=2002 --clear-groups sh -c 'echo cancel >$MNT/jobs/hers/control'"
errno EACCES as 2002 rm -f "$MNT/jobs/hers/clips/clip_001.mp4"
errno EACCES as 2002 rm -f "$MNT/jobs/hers/status"
exists "$MNT/jobs/hers/clips/clip_001.mp4"
# how a command for root alone is answered
for word in pause resume; do
	reply=$(as 2002 bash -c 'exec 3<>"$1"; echo "$2" >&3 2>/dev/null; cat <&3' - "$MNT/control" $word)
	eq "$(jq -r '"\(.success) \(.code)"' <<<"$reply")" "false FORBIDDEN" "$word"
done
# root may
as 2001 bash -c "echo '{\"uploadId\":\"open.mp4\",\"clipDuration\":1,\"jobId\":\"hers2\"}' >$MNT/control"
sc_done hers2
rm -r "$MNT/jobs/hers2"
missing "$MNT/jobs/hers2"
as 2001 rm -r "$MNT/jobs/hers"
missing "$MNT/jobs/hers" "$ROOT/outputs/hers"

# two users and nginx at work at the same time, under masks of their own
web_configure
web_start
cuts_of() { # UID MASK
	setpriv --reuid="$1" --regid="$1" --groups="$1,3000" bash -c '
		umask $2; mkdir "$3/of-$1" && for i in 1 2 3; do
			cp "$4" "$3/of-$1/$i.mp4" && chgrp 3000 "$3/of-$1/$i.mp4" && mv "$3/of-$1/$i.mp4" "$3/of-$1/v$i.mp4" &&
				echo "{\"uploadId\":\"of-$1/v$i\",\"clipDuration\":1,\"jobId\":\"j$1-$i\"}" >"$5/control" &&
				timeout 60 cat "$5/jobs/j$1-$i/wait" >/dev/null || exit 1
		done' - "$1" "$2" "$in" "$tiny" "$MNT"
}
# What nginx gives of a clip: 404 until it is there, then the whole of it, ever the same.
served() { # JOB CLIP
	local answer
	answer=$(curl -s -m 10 -o "$SC_TEST/served" -w '%{http_code} %header{content-length}' "$base/jobs/$1/clips/$2")
	case $answer in
	404*) return 1 ;;
	200*) eq "$answer" "200 $(stat -c %s "$SC_TEST/served")" "$1/$2 by nginx" ;;
	*) fail "nginx answered '$answer' for $1/$2" ;;
	esac
	if [[ -e $SC_TEST/$1-$2 ]]; then
		cmp "$SC_TEST/served" "$SC_TEST/$1-$2"
	else
		cp "$SC_TEST/served" "$SC_TEST/$1-$2"
	fi
}
tiny=$SC_TEST/tiny.mp4 # the media may lie where only root may look
cp "$(media tiny.mp4)" "$tiny" && chmod 644 "$tiny"
cuts_of 2001 027 &
first=$!
cuts_of 2002 077 &
second=$!
web_id=$(id -u www-data)
uploads=0
until ((uploads >= 3)) && [[ $(cat "$MNT"/jobs/j200[12]-3/status 2>/dev/null | grep -c '"status":"done"') == 2 ]]; do
	for id in j200{1,2}-{1,2,3}; do
		served "$id" clip_001.mp4 || true
	done
	# www-data's own: into incoming/ beside theirs
	if ((uploads < 3)); then
		eq "$(code -T "$tiny" "$base/incoming/web/$uploads.mp4")" 201 "PUT beside the others"
		uploads=$((uploads + 1))
	fi
	matches "$(code -T "$tiny" "$base/incoming/of-2002/taken.mp4")" '^(403|409|500)$' "PUT into a user's directory"
	errno EACCES as "$web_id" cat "$in/of-2002/v1.mp4"
done
for id in j200{1,2}-{1,2,3}; do
	for clip in clip_001.mp4 clip_002.mp4; do
		served "$id" "$clip" || fail "nginx has no $id/$clip"
		cmp "$SC_TEST/served" "$ROOT/outputs/$id/$clip"
		eq "$(curl -s -m 10 -o "$SC_TEST/served" -w '%{http_code}' "$base/clips/$id/$clip")" 200
		cmp "$SC_TEST/served" "$ROOT/outputs/$id/$clip"
	done
done
eq "$(cd "$in/web" && stat -c '%U %a %s %n' -- * | xargs)" "$(for i in 0 1 2; do
	echo "www-data 644 $(stat -c %s "$tiny") $i.mp4"
done | xargs)" "uploads by nginx"
wait $first || fail "the first user's work failed"
wait $second || fail "the second user's work failed"
eq "$(stat -c '%a %u:%g' "$in/of-2001/v1.mp4" "$in/of-2002/v3.mp4" "$in/of-2001" "$in/of-2002" | xargs)" \
	"640 2001:3000 600 2002:3000 750 2001:2001 700 2002:2002"
eq "$(stat -c %u "$MNT/jobs/j2001-3" "$MNT/jobs/j2002-1" | xargs)" "2001 2002"
# each sees only what its rights let it ask for
sh_errno EACCES "setpriv --reuid=2001 --regid=2001 --clear-groups bash -c 'echo uploadId=of-2002/v1 >$MNT/control'"
contains "$(as 2001 cat "$MNT/control")" UPLOAD_FORBIDDEN
# nginx's user too: a request by PUT is its own
printf '{"jobId":"forbidden"}' >"$SC_TEST/request"
cp "$tiny" "$in/theirs.mp4" && chown 2002 "$in/theirs.mp4" && chmod 600 "$in/theirs.mp4"
eq "$(code -T "$SC_TEST/request" "$base/incoming/theirs.mp4.process")" 500 "PUT of a request for what www-data may not read"
eq "$(jq -r .code "$in/theirs.mp4.process.error")" UPLOAD_FORBIDDEN
missing "$MNT/jobs/forbidden"
web_stop
sc_umount
