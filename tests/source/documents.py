#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documents say what the program says: settings in README and --help, steps of tests in HACKING.

    documents.py STORYCLIPFS
"""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
problems = []


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def compare(what, got, want, where):
    for name in sorted(want - got):
        problems.append("%s: %s is missing" % (where, what % name))
    for name in sorted(got - want):
        problems.append("%s: %s does not exist" % (where, what % name))
    if not want:
        problems.append("no %s was found: the test reads the wrong place" % what)


# Settings: option and variable of each.
usage = subprocess.run([sys.argv[1], "--help"], check=True, capture_output=True, text=True).stdout
in_help = set(re.findall(r"^ +-o (\w+)\[?=\S+ +(\w+)$", usage, re.M))
readme = read("README.md")
in_readme = set((o, v) for v, o in re.findall(r"^\| `(\w+)` \| `(\w+)=\w*`", readme, re.M))
in_readme |= set((o, v) for v, o in re.findall(r"^\| `(\w+)` \| `(\w+)=[A-Z:]+`", readme, re.M))
compare("the setting %s=, %s", in_readme, in_help, "README.md")

# Steps at which test builds can be stopped.
called = set()
for folder, _, names in os.walk(os.path.join(TOP, "src")):
    for name in names:
        if name.endswith(".c"):
            text = read(os.path.relpath(os.path.join(folder, name), TOP))
            called |= set(re.findall(r'hook_reach\("([a-z0-9-]+)"\)', text))
table = read("contrib/HACKING.md").split("## Steps at which")[1].split("\n## ")[0]
rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
compare("the step %s", set(re.findall(r"`([a-z0-9-]+)`", " ".join(rows))), called, "contrib/HACKING.md")

# Names of files in the documents exist.
for document in ("README.md", "contrib/HACKING.md"):
    for path in re.findall(r"\b((?:examples|tests|contrib|src|include)/[\w./-]*\w)", read(document)):
        # A test may be named as an example; a build's files lie elsewhere.
        if not os.path.exists(os.path.join(TOP, path)) and not re.search(r"build/" + re.escape(path), read(document)):
            problems.append("%s: there is no %s" % (document, path))

print("\n".join(problems))
sys.exit(1 if problems else 0)
