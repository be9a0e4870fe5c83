#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# contrib/logrotate with the real logrotate: the log is rotated and the daemon goes on writing to the new one.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need logrotate
sed "s,/var/log/storyclip,$LOG," "${SC_TESTS%/*}/contrib/logrotate" >"$SC_TEST/rotate.conf"
[[ $EUID -ne 0 ]] || chown root:root "$SC_TEST/rotate.conf" "$LOG"
chmod 644 "$SC_TEST/rotate.conf"
rotate() {
	logrotate --force --state "$SC_TEST/state" "$SC_TEST/rotate.conf" 2>"$LOG/said" || fail "logrotate: $(<"$LOG/said")"
	eq "$(<"$LOG/said")" "" "what logrotate complains of"
}

sc_mount
upload tiny.mp4
sc_done "$(sc_submit '{"uploadId":"tiny.mp4","jobId":"before"}')"
sc_wait_for '[[ -s $LOG/daemon.log ]]'
before=$(<"$LOG/daemon.log")
inode=$(stat -c %i "$LOG/daemon.log")
rotate
eq "$(<"$LOG/daemon.log.1")" "$before" "the rotated log"
eq "$(stat -c '%s %i' "$LOG/daemon.log")" "0 $inode" "the log after the rotation"
rotate # an empty one is left alone
missing "$LOG/daemon.log.2" "$LOG/daemon.log.2.gz"
sc_umount
# What the daemon had to say of its end stands at the start of the new file, without a hole before it.
[[ -s $LOG/daemon.log ]] || fail "nothing was logged after the rotation"
eq "$(tr -d '\0' <"$LOG/daemon.log" | wc -c)" "$(stat -c %s "$LOG/daemon.log")" "bytes of the log that are no NUL"
