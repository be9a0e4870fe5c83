#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# meson install puts everything where Debian looks for it, and the installed program runs from there.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need meson
stage=$SC_TEST/stage
meson install -C "$SC_BUILD" --no-rebuild --quiet --destdir "$stage" >"$LOG/install.log" 2>&1 ||
	fail "meson install: $(tail -n 5 "$LOG/install.log")"
prefix=$(meson introspect "$SC_BUILD" --buildoptions | jq -r '.[]|select(.name=="prefix").value')
at=$stage$prefix
for file in bin/storyclipfs bin/storyclip share/man/man1/storyclipfs.1 share/man/man1/storyclip.1 \
	lib/systemd/system/storyclipfs@.service share/bash-completion/completions/storyclipfs \
	share/bash-completion/completions/storyclip share/doc/storyclipfs/README.md \
	share/doc/storyclipfs/examples/storyclip.conf share/doc/storyclipfs/examples/fstab.example; do
	[[ -s $at/$file ]] || fail "not installed: $file"
done
[[ -n $(find "$stage" -path "*/etc/logrotate.d/storyclip") ]] || fail "not installed: logrotate.d/storyclip"
exists "$at"/libexec/storyclip/storyclip-{worker,libav.so,publish}
for file in bin/storyclipfs bin/storyclip libexec/storyclip/storyclip-worker; do
	[[ -x $at/$file ]] || fail "not executable: $file"
done
# Nothing of the tests, nothing but what belongs to it.
lacks "$(find "$stage" -type f)" test "installed files"
grep -qx "ExecStart=$prefix/bin/storyclipfs .*" "$at/lib/systemd/system/storyclipfs@.service" ||
	fail "the unit does not start the installed program"

version=$("$at/bin/storyclipfs" --version) || fail "the installed program does not run"
grep -q '^FFmpeg [0-9]' < <("$at/libexec/storyclip/storyclip-worker" --version) ||
	fail "the installed worker does not find libav"
contains "$version" "$(meson introspect "$SC_BUILD" --projectinfo | jq -r .version)" "--version"
"$at/bin/storyclip" --version >"$LOG/version" || fail "the installed storyclip does not run"
