#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The folders include each other one way only, and each foreign library belongs to one folder.

Reads the #include lines of src/ and include/. What a folder may use stands in USES, in the order
of a library stack; whatever is not listed is forbidden.
"""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Folder → the contracts (include/storyclip/*.h) of which folders it may include.
USES = {
    "common": {"common"},
    "model": {"model", "common"},
    "proto": {"proto", "model", "common"},
    "media": {"media", "model", "common"},
    "sandbox": {"sandbox", "common"},
    "worker": {"media", "sandbox", "proto", "model", "common"},
    "publish": {"sandbox", "proto", "model", "common"},
    "store": {"store", "model", "common"},
    "engine": {"engine", "store", "proto", "model", "common"},
    "intake": {"intake", "engine", "store", "model", "common"},
    "view": {"view", "engine", "store", "model", "common"},
    "fs": {"fs", "view", "intake", "engine", "store", "model", "common"},
    "daemon": {"daemon", "fs", "view", "intake", "engine", "store", "model", "common"},
    "cli": {"model", "common"},
}
# A folder's header may name the types of those that it builds upon.
HEADER_OF = {
    "job.h": "model", "request.h": "model", "error.h": "model", "config.h": "model",
    "caller.h": "common", "locking.h": "common", "child.h": "proto",
}
# Folders of src/media, each of which may include itself, those before it, and the files beside the folders.
# The border to what needs libav names what lies on its other side, and is called by the modes.
MEDIA = ["mp4", "index", "clip", "copy", "encode", "recode", "prove", "cut"]
MEDIA_BORDER = "library"
FOREIGN = [  # pattern of a library's header, folders that may include it
    (r"fuse_lowlevel\.h|fuse_opt\.h|fuse\.h|fuse3/", {"fs"}),
    (r"sqlite3\.h", {"store"}),
    (r"lib(av\w+|sw\w+)/", {"media"}),
    (r"seccomp\.h", {"sandbox"}),
    (r"jansson\.h", {"intake", "proto", "store", "engine", "cli"}),
]

problems = []
seen = 0


def owner_of(header):
    """The folder whose contract include/storyclip/HEADER is."""
    if header.startswith("common/"):
        return "common"
    return HEADER_OF.get(header, os.path.splitext(header)[0])


def check_media(path, name):
    used = os.path.normpath(os.path.join(os.path.dirname(path), name)).split(os.sep)[2:]
    own = path.split(os.sep)[2]
    if own not in MEDIA or len(used) < 2:
        return
    order = MEDIA + [MEDIA_BORDER] if own == MEDIA[-1] else MEDIA[:MEDIA.index(own) + 1]
    if used[0] not in order:
        problems.append("%s: src/media/%s may not use %s" % (path, own, name))


def check_line(path, folder, line):
    global seen
    found = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
    if not found:
        return
    seen += 1
    name = found.group(2)
    if name.startswith("storyclip/"):
        used = owner_of(name[len("storyclip/"):])
        if used not in USES[folder]:
            problems.append("%s: %s may not use %s" % (path, folder, name))
        return
    if found.group(1) == '"':
        here = os.path.normpath(os.path.join(TOP, os.path.dirname(path), name))
        inside = os.path.join(TOP, "src", folder) + os.sep
        own = os.path.join(TOP, "src", folder, name)
        if path.startswith("src/") and not (here.startswith(inside) or os.path.exists(own)):
            problems.append("%s: %s is not a header of src/%s" % (path, name, folder))
        if path.startswith("src/media/") and here.startswith(inside):
            check_media(path, name)
        return
    for pattern, allowed in FOREIGN:
        if re.match(pattern, name) and folder not in allowed:
            problems.append("%s: only %s may include <%s>" % (path, ", ".join(sorted(allowed)), name))


def check_file(path, folder):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        for line in f:
            check_line(path, folder, line)


for top, _, names in os.walk(os.path.join(TOP, "src")):
    for name in names:
        if name.endswith((".c", ".h")):
            path = os.path.relpath(os.path.join(top, name), TOP)
            folder = path.split(os.sep)[1]
            if folder not in USES:
                problems.append("%s: the folder %s is not in the list of %s" % (path, folder, sys.argv[0]))
            else:
                check_file(path, folder)
for top, _, names in os.walk(os.path.join(TOP, "include", "storyclip")):
    for name in names:
        path = os.path.relpath(os.path.join(top, name), TOP)
        owner = owner_of(path[len("include/storyclip/"):])
        if owner in USES:
            check_file(path, owner)
        else:
            problems.append("%s: which folder's contract is it? Say so in HEADER_OF" % path)

print("%d includes read" % seen)
if seen < 50:
    problems.append("too few includes were found: the test reads the wrong place")
print("\n".join(problems))
sys.exit(1 if problems else 0)
