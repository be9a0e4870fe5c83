#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each kind of bad input ends as it must: clips that play, with a warning that says where the damage is,
# or a code and a sentence that names the reason. The table: tests/tools/bad_inputs.py
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

need python3 ffmpeg ffprobe
"$SC_TESTS/tools/bad_inputs.py" "$SC_TOOLS/cut_tool" "$SC_TEST/bad"
