#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The installed unit is understood by systemd and passes its review.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need systemd-analyze meson
stage=$SC_TEST/stage
meson install -C "$SC_BUILD" --no-rebuild --quiet --destdir "$stage" >"$LOG/install.log" 2>&1 ||
	fail "meson install: $(tail -n 5 "$LOG/install.log")"
unit=$(find "$stage" -name 'storyclipfs@.service')
# verify wants the program to be where the unit says.
sed -i "s|^ExecStart=|ExecStart=$stage|" "$unit"
said=$(systemd-analyze verify --man=no "${unit%@.service}@main.service" 2>&1) || fail "verify: $said"
eq "$said" "" "systemd-analyze verify"
systemd-analyze security --no-pager --offline=true --threshold=60 "$unit" >"$LOG/security" 2>&1 ||
	fail "security: $(tail -n 1 "$LOG/security")"
tail -n 1 "$LOG/security"

# The lines of fstab become units that systemd understands.
generator=$(find /lib/systemd/system-generators /usr/lib/systemd/system-generators \
	-name systemd-fstab-generator 2>/dev/null | head -n 1)
[[ -n $generator ]] || fail "there is no systemd-fstab-generator"
# The lines that are commented out too, the automount on a place of its own.
sed -E 's,^#/,/,' "${SC_TESTS%/*}/contrib/fstab.example" |
	awk '/x-systemd.automount/ {sub("/srv/storyclip/main", "/srv/storyclip/auto")} {print}' >"$SC_TEST/fstab"
mkdir "$SC_TEST"/{normal,early,late}
SYSTEMD_FSTAB=$SC_TEST/fstab SYSTEMD_SYSROOT_FSTAB=/dev/null "$generator" "$SC_TEST"/{normal,early,late} ||
	fail "the fstab generator refused contrib/fstab.example"
exists "$SC_TEST/normal/srv-storyclip-main.mount" "$SC_TEST/normal/srv-storyclip-auto.automount"
grep -qx 'Type=fuse.storyclipfs' "$SC_TEST/normal/srv-storyclip-auto.mount" || fail "type of the mount unit"
grep -q '^RequiresMountsFor=.*/var/lib/storyclip' "$SC_TEST/normal/srv-storyclip-auto.mount" ||
	fail "the automount does not wait for ROOT's file system"
exists "$SC_TEST/normal/remote-fs.target.wants/srv-storyclip-main.mount"
# And mount(8) reads them without a complaint about their form.
findmnt --verify --tab-file "$SC_TEST/fstab" >"$LOG/findmnt" 2>&1 || true
contains "$(<"$LOG/findmnt")" "0 parse errors" "findmnt --verify"
