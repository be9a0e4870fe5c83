#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# All scripts of the repository are well in the eyes of shellcheck, or compile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if ! command -v shellcheck >/dev/null; then
	echo "skip: needs shellcheck"
	exit 77
fi
shell=()
python=()
while IFS= read -r -d '' file; do
	read -r first <"$file" || true
	case $first in
	'#!'*python*) python+=("$file") ;;
	'#!'*sh) shell+=("$file") ;;
	esac
done < <(find .ci contrib examples tests -type f -print0)
echo "${#shell[@]} shell scripts, ${#python[@]} in Python"
[[ ${#shell[@]} -gt 20 ]]
shellcheck -x "${shell[@]}" tests/lib/sc.sh
for file in "${python[@]}"; do
	python3 -c 'import sys; compile(open(sys.argv[1], encoding="utf-8").read(), sys.argv[1], "exec")' "$file"
done
