#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""llvm-cov's export as a few lines: `llvm-cov export … | coverage.py SOURCE…` (src/intake/request.c …)"""
import json
import os
import sys

data = json.load(sys.stdin)["data"][0]
sources = sys.argv[1:]


def source_of(path):
    path = os.path.normpath(path)
    return next((s for s in sources if path.endswith("/" + s)), None)


lines = [0, 0]
for f in data["files"]:
    if source_of(f["filename"]):
        s = f["summary"]
        print("  %s: %d of %d functions, %.1f %% of lines, %.1f %% of branches" % (
            source_of(f["filename"]), s["functions"]["covered"], s["functions"]["count"], s["lines"]["percent"],
            s["branches"]["percent"]))
        lines[0] += s["lines"]["covered"]
        lines[1] += s["lines"]["count"]
print("  all: %.1f %% of %d lines" % (100 * lines[0] / max(1, lines[1]), lines[1]))
missed = sorted(set(f["name"].split(":")[-1] for f in data["functions"]
                    if f["count"] == 0 and source_of(f["filenames"][0])))
if missed:
    print("  not reached: " + ", ".join(missed))
