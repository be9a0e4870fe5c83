#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is shipped: no program is linked with libav, only the module that the worker loads when it needs
# it, which shows one name; and none has the hooks of test builds.
set -euo pipefail
build=${SC_BUILD:?the build directory}

fail() {
	echo "FAIL: $*"
	exit 1
}
needed() { # PROGRAM: the libraries that it asks for itself
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

for program in storyclipfs storyclip-publish storyclip-worker storyclip-libav.so; do
	file=$build/src/$program
	[[ -x $file ]] || fail "$file was not built"
	if grep -qF '%s.reached' "$file"; then fail "$program has the code of the hooks"; fi
	case $program in
	*.so) needed "$file" | grep -q '^libavcodec' || fail "$program is not linked with libavcodec" ;;
	*) if needed "$file" | grep -E '^lib(av|sw)'; then fail "$program is linked with libav"; fi ;;
	esac
done
shown=$(nm --dynamic --defined-only "$build/src/storyclip-libav.so" | cut -d' ' -f3)
[[ $shown == media_library_table ]] || fail "storyclip-libav.so shows other names, too: $shown"
for worker in "$build"/{src,tests/hooked}/storyclip-worker; do
	"$worker" --version | grep -q '^FFmpeg [0-9]' || fail "$worker cannot load libav"
done
# The other way round, so that this test can fail: the hooked ones do have them.
grep -qF '%s.reached' "$build/tests/hooked/storyclipfs" || fail "the hooked program has no hooks"
