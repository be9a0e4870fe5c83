#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/contract.md has a row for each name of the code's tables, and names only tests that are there."""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
problems = []


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def table(path, begin, row):
    """The names of a table in a C source, from the line that begins with `begin` to its end."""
    body = read(path).split(begin, 1)[1].split("\n};", 1)[0]
    names = re.findall(row, body)
    if not names:
        problems.append("%s: the table %s was not understood" % (path, begin))
    return names


contract = read("docs/contract.md")
rows = {}  # section: [cells of a row]
section = None
for line in contract.splitlines():
    if line.startswith("## "):
        section = line[3:]
    elif line.startswith("| ") and not line.startswith("| ---"):
        rows.setdefault(section, []).append([cell.strip() for cell in line.strip("|").split(" | ")])


def names_in(title, cells):
    """Backquoted names in these columns of a section, and whether the row is open."""
    found = {}
    for row in rows[title]:
        for cell in cells:
            name = re.fullmatch(r"`([\w./<>-]+)`", row[cell]) if len(row) > cell + 1 else None
            if name:
                found.setdefault(name.group(1), row[-1].startswith("*open"))
    return found


def compare(what, said, known):
    for name in known:
        if name not in said:
            problems.append("docs/contract.md: no row for the %s %s" % (what, name))
    for name, is_open in said.items():
        if name not in known and not is_open:
            problems.append("docs/contract.md: the %s %s does not exist" % (what, name))


options = table("src/daemon/config.c", "settings_table[] = {", r'\n\t\{"([a-z_]+)", "([A-Z_]+)"')
compare("setting", names_in("Settings", [0]), [o for o, _ in options])
compare("variable", names_in("Settings", [1]), [v for _, v in options])
fields = table("src/intake/request_fields.c", "fields[] = {", r'\n\t\{"(\w+)"')
compare("field", names_in("Starting a job", [0]), fields)
codes = table("src/model/error.c", "codes[SC_CODE_COUNT] = {", r'= \{"([A-Z_]+)"')
codes.remove("OK")
said = {n: o for n, o in names_in("Codes", [0, 1]).items() if not re.fullmatch("E[A-Z]+", n)}
compare("code", said, codes)
row = r'\{"([\w.-]+)", S_IF'
tree = table("src/fs/tree.c", "tree_root_rows[] = {", row)
tree += ["jobs/<id>/" + n for n in table("src/fs/tree.c", "tree_job_rows[] = {", row)]
compare("name", names_in("The tree", [0]), tree)

# What a row names is there, and each row names something.
for title, lines in rows.items():
    for cells in lines:
        if cells[-1] == "shown by" or re.match(r"see |\*no test yet\*$|\*open: (Cutting|Native speed|Nothing lost)\*$", cells[-1]):
            continue
        tests = re.findall(r"`([\w-]+/[\w.-]+)(?::([^`]+))?`", cells[-1])
        if not tests:
            problems.append("docs/contract.md: nothing shows '%s'" % cells[0])
        for path, word in tests:
            path = "tests/" + path
            if not os.path.exists(os.path.join(TOP, path)):
                problems.append("docs/contract.md: there is no %s" % path)
            elif word and word.lower() not in read(path).lower():
                problems.append("docs/contract.md: %s has no %s" % (path, word))

print("\n".join(problems))
sys.exit(1 if problems else 0)
