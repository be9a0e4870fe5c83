#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is shipped: only the worker is linked with libav, and no program has the hooks of test builds.
set -euo pipefail
build=${SC_BUILD:?the build directory}

fail() {
	echo "FAIL: $*"
	exit 1
}
needed() { # PROGRAM: the libraries that it asks for itself
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

for program in storyclipfs storyclip-publish storyclip-worker; do
	file=$build/src/$program
	[[ -x $file ]] || fail "$file was not built"
	if grep -qF '%s.reached' "$file"; then fail "$program has the code of the hooks"; fi
	case $program in
	storyclip-worker) needed "$file" | grep -q '^libavcodec' || fail "the worker is not linked with libavcodec" ;;
	*) if needed "$file" | grep -E '^lib(av|sw)'; then fail "$program is linked with libav"; fi ;;
	esac
done
# The other way round, so that this test can fail: the hooked ones do have them.
grep -qF '%s.reached' "$build/tests/hooked/storyclipfs" || fail "the hooked program has no hooks"
