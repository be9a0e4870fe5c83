#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# alone: yes (a mount namespace of its own would keep the mounts of other tests)
# timeout: 240
# The service under a real systemd, booted for this test in namespaces of its own: ready when it says
# so, visible outside of itself, jobs and owners right under all its locks, brought back by the
# watchdog and after a kill, stopped without a rest; and a line of fstab as an automount.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

unit=storyclipfs@main.service
stage=$SC_TEST/stage
mount=$SC_TEST/made/by/the/unit

# ---- what systemd finds: nothing of this machine's units, /run, /etc and the programs are the test's

boot() { # becomes process 1
	local prefix
	prefix=$(meson introspect "$SC_BUILD" --buildoptions | jq -r '.[]|select(.name=="prefix").value')
	mount --make-rprivate /
	mount -t tmpfs tmpfs /run
	mkdir -p /run/systemd/system "/run/systemd/system/$unit.d" /run/etc/{upper,work} /run/lock
	mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work /etc
	mkdir -p /etc/storyclip "$prefix/bin" "$prefix/libexec/storyclip"
	mount --bind "$stage$prefix/bin" "$prefix/bin"
	mount --bind "$stage$prefix/libexec/storyclip" "$prefix/libexec/storyclip"
	printf '%s\n' "STORYCLIP_ROOT=$ROOT" "STORYCLIP_MOUNT=$mount" STORYCLIP_WORKERS=3 \
		"STORYCLIP_LOG=$LOG/daemon.log" >/etc/storyclip/main.conf
	echo "$SC_TEST/auto-root $MNT fuse.storyclipfs nofail,noauto,x-systemd.automount,log=$LOG/auto.log 0 0" >/etc/fstab
	cp "$stage$prefix/lib/systemd/system/storyclipfs@.service" /run/systemd/system/
	printf '[Unit]\nDefaultDependencies=no\n' >/run/systemd/system/test.target
	# Of the unit nothing is changed but what would boot the rest of the machine, and times.
	cat >"/run/systemd/system/$unit.d/test.conf" <<-END
		[Unit]
		DefaultDependencies=no
		[Service]
		StandardOutput=append:$LOG/unit.log
		StandardError=append:$LOG/unit.log
		WatchdogSec=8
		TimeoutAbortSec=1
		RestartSec=100ms
		LimitCORE=0
	END
	exec env -i container=test PATH="$PATH" /lib/systemd/systemd --system --unit=test.target
}

# ---- the parts of the test; MNT is where the service mounts

property() {
	systemctl show -P "$1" "$unit"
}
main_pid() {
	property MainPID
}
answers_again() { # OLD-PID
	local pid
	pid=$(main_pid)
	[[ $pid != 0 && $pid != "$1" && -f $MNT/health ]]
}

try_service() {
	systemctl start "$unit" || fail "start: $(systemctl status --no-pager "$unit" 2>&1)"
	# Type=notify: it answers at once, and for others than itself.
	[[ -f $MNT/health ]] || fail "systemctl start returned before the mount answered"
	matches "$(grep -F " $MNT " /proc/self/mountinfo)" 'nosuid,nodev,noexec.* - fuse.storyclipfs '
	eq "$(property SubState) $(property NRestarts)" "running 0"
	eq "$(jq .workers.of "$MNT/health")" 3 "workers, of /etc/storyclip/main.conf"
	# The locks are on: seccomp, no new privileges, no capability beyond the list.
	eq "$(sed -n 's/^NoNewPrivs:\t//p; s/^Seccomp:\t//p' "/proc/$(main_pid)/status" | xargs)" "1 2" "locks"
	eq "$((0x$(sed -n 's/^CapBnd:\t//p' "/proc/$(main_pid)/status") >> 22 & 1))" 0 "CAP_SYS_BOOT"
	# The environment's socket is the daemon's alone.
	id=$(sc_submit '{"uploadId":"absent"}' 2>/dev/null) && fail "a request for nothing was accepted"
	:
}

try_job() {
	local owner=root
	upload short.mp4
	if id -u nobody >/dev/null 2>&1; then
		setpriv --reuid nobody --clear-groups cp "$MNT/incoming/short.mp4" "$MNT/incoming/users.mp4"
		eq "$(stat -c %U "$MNT/incoming/users.mp4")" nobody "owner of a user's upload"
		mkdir "$MNT/incoming/group"
		chmod 2775 "$MNT/incoming/group" || fail "setgid directories are refused"
	fi
	for cut in exact keyframe encode; do
		id=$(sc_submit "{\"uploadId\":\"short.mp4\",\"cut\":\"$cut\"}")
		sc_done "$id"
	done
	id -u www-data >/dev/null 2>&1 && owner=www-data
	eq "$(stat -c %U "$ROOT/outputs/$id/clip_001.mp4")" "$owner" "owner of a clip"
	rm -r "$MNT/jobs/$id"
	missing "$ROOT/outputs/$id"
}

try_watchdog() {
	local pid
	pid=$(main_pid)
	# It is fed: more than two periods go by.
	local until=$(($(now_ms) + 17000))
	sc_wait_for "(( \$(now_ms) >= $until ))" 25
	eq "$(main_pid) $(property NRestarts)" "$pid 0" "the daemon after two watchdog periods"
	# A daemon that answers no more is replaced, and so is its dead mount.
	kill -STOP "$pid"
	sc_wait_for "answers_again $pid" 60
	eq "$(property NRestarts)" 1 "restarts by the watchdog"
	eq "$(status_of "$id" .status 2>/dev/null || echo gone)" gone "the job that was removed"
}

try_kill() {
	local pid job
	pid=$(main_pid)
	upload main.mp4
	job=$(sc_submit '{"uploadId":"main.mp4","cut":"encode","clipDuration":1}')
	sc_wait_for '[[ $(status_of '"$job"' .status) == running ]]'
	kill -KILL "$pid"
	sc_wait_for "answers_again $pid" 60
	sc_done "$job" 90
	eq "$(property NRestarts)" 2 "restarts"
}

try_stop() {
	local pid
	pid=$(main_pid)
	systemctl stop "$unit" || fail "stop"
	eq "$(property ActiveState) $(property Result)" "inactive success" "after the stop"
	sc_is_mounted && fail "it is still mounted"
	missing "/proc/$pid"
	eq "$(workers_of_root)" "" "processes left"
}

try_automount() {
	MNT=$auto
	systemctl start "$(systemd-escape -p --suffix automount "$MNT")" || fail "start of the automount"
	matches "$(grep -F " $MNT " /proc/self/mountinfo)" ' - autofs ' "what is there before the first access"
	lacks "$(grep -F " $MNT " /proc/self/mountinfo)" fuse "what is there before the first access"
	[[ -f $MNT/health ]] || fail "the first access does not mount"
	ROOT=$SC_TEST/auto-root
	upload tiny.mp4
	sc_done "$(sc_submit '{"uploadId":"tiny.mp4","clipDuration":1}')"
	systemctl stop "$(systemd-escape -p --suffix mount "$MNT")" || fail "stop of the mount unit"
	sc_wait_for '! sc_pid "$ROOT"'
	systemctl stop "$(systemd-escape -p --suffix automount "$MNT")"
}

inside() {
	auto=$MNT
	MNT=$mount
	sc_wait_for 'systemctl is-active --quiet test.target'
	try_service
	try_job
	try_watchdog
	try_kill
	try_stop
	try_automount
}

case ${1:-} in
boot) boot ;;
inside)
	inside
	exit
	;;
esac

# ---- the first half: boot, run the second half in there, end it

need_root
need systemd-analyze meson unshare nsenter
[[ -x /lib/systemd/systemd ]] || skip "needs systemd"
[[ ! -d /run/systemd/system ]] || skip "a machine that runs systemd is left alone"
[[ $SC_SLOW -eq 1 ]] || skip "sanitizers need what the unit forbids"
# mountinfo: what is at / must be the root of its file system
awk '$4 == "/" && $5 == "/" { well = 1 } END { exit !well }' /proc/self/mountinfo || skip "a systemd cannot be booted in a chroot"

media short.mp4 >"$LOG/media" && media main.mp4 >>"$LOG/media" && media tiny.mp4 >>"$LOG/media"
meson install -C "$SC_BUILD" --no-rebuild --quiet --destdir "$stage" >"$LOG/install.log" 2>&1 ||
	fail "meson install: $(tail -n 5 "$LOG/install.log")"
unshare --fork --kill-child --pid --mount --uts --ipc --cgroup --mount-proc "$0" boot >"$LOG/boot.log" 2>&1 &
outer=$!
sc_wait_for '[[ -n $(</proc/$outer/task/$outer/children) ]]'
systemd=$(xargs </proc/"$outer"/task/"$outer"/children)
enter() {
	nsenter -t "$systemd" -p -m -u -i -C -- "$@"
}
sc_wait_for '[[ $(</proc/$systemd/comm) == systemd ]] && enter systemctl show -P Version'
code=0
enter "$0" inside || code=$?
kill -KILL "$systemd"
wait "$outer" || true
# The empty groups that it made; another systemd would make its own.
find /sys/fs/cgroup -depth -mindepth 2 -type d \( -name init.scope -o -name 'system*.slice' -o -path '*/system.slice/*' \) \
	-exec rmdir {} + 2>/dev/null || true
[[ $code -eq 0 ]] || fail "the part inside ended with $code"
