#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The option wins over the environment, that over the file, that over the default.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

outputs() { # the OUTPUT_ROOT in use shows where the directory was made
	local name found=
	for name in option environment file default; do
		[[ -d $SC_TEST/$name ]] && found+="$name "
	done
	[[ -d $ROOT/outputs ]] && found+="default "
	echo "${found% }"
}
start() { # OPTIONS
	rm -rf "$SC_TEST"/{option,environment,file} "$ROOT/outputs"
	sc_mount "$@"
	workers=$(jq .workers.of "$MNT/health")
	sc_umount
}

cat >"$SC_TEST/conf" <<END
# a comment, and an empty line

OUTPUT_ROOT=$SC_TEST/file
STORYCLIP_WORKERS="3"
END

start
eq "$(outputs) $workers" "default $(nproc)"
start "config=$SC_TEST/conf"
eq "$(outputs) $workers" "file 3"
export OUTPUT_ROOT=$SC_TEST/environment STORYCLIP_WORKERS=4
start "config=$SC_TEST/conf"
eq "$(outputs) $workers" "environment 4"
start "config=$SC_TEST/conf,workers=5,output_root=$SC_TEST/option"
eq "$(outputs) $workers" "option 5"
unset OUTPUT_ROOT STORYCLIP_WORKERS

# the database may lie elsewhere; its directory is made
rm -r "$ROOT/database"
sc_mount "database=$SC_TEST/else/where.db"
exists "$SC_TEST/else/where.db"
missing "$ROOT/database/storyclip.db"
sc_umount

# -c is another word for config=
"$SC_BIN/storyclipfs" -c "$SC_TEST/conf" "$ROOT" "$MNT" -o "log=$LOG/daemon.log"
eq "$(jq .workers.of "$MNT/health")" 3
daemon_pid=$(sc_pid)
sc_umount

# What stands in fstab for others is accepted.
sc_mount nofail,_netdev,noauto,user,x-systemd.automount
sc_umount
