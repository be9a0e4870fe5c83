#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A long directory read as getdents64(2) gives it: each entry once, cookies that stay, while it changes.

    listing.py DIR [COMMAND…]

COMMAND is run when a third is read. Prints how many names there were before and after it; fails when a
name came twice or out of the order of cookies, or when a cookie leads somewhere else in another open.
Names that COMMAND brings or takes away are the caller's to compare: --names writes them all to a file.
With --far only: from places far behind the end nothing is read.
"""
import argparse
import ctypes
import os
import struct
import subprocess
import sys

SYS_GETDENTS64 = 217 if os.uname().machine == "x86_64" else 61
libc = ctypes.CDLL(None, use_errno=True)


def getdents(fd, size=4096):
    buf = ctypes.create_string_buffer(size)
    n = libc.syscall(SYS_GETDENTS64, fd, buf, size)
    if n < 0:
        raise OSError(ctypes.get_errno(), "getdents64")
    at = 0
    while at < n:
        _, off, length = struct.unpack_from("<QqH", buf.raw, at)
        yield off, buf.raw[at + 19:at + length].split(b"\0")[0].decode()
        at += length


def read_all(fd):
    while True:
        page = list(getdents(fd))
        if not page:
            return
        yield from page


parser = argparse.ArgumentParser()
parser.add_argument("--names")
parser.add_argument("--third", type=int, default=0, help="run COMMAND after so many entries")
parser.add_argument("--far", action="store_true")
parser.add_argument("dir")
parser.add_argument("command", nargs="*")
args = parser.parse_args()

fd = os.open(args.dir, os.O_RDONLY | os.O_DIRECTORY)
if args.far:
    for off in (2**31, 2**31 + 2, 2**32, 2**32 + 2, 2**62, 2**63 - 1):
        os.lseek(fd, off, os.SEEK_SET)
        found = list(getdents(fd))
        if found:
            sys.exit("%s: %s at %d" % (args.dir, found[0], off))
    sys.exit()
entries = []
for entry in read_all(fd):
    entries.append(entry)
    if args.command and len(entries) == args.third:
        subprocess.run(args.command, check=True, stdout=subprocess.DEVNULL)
        args.command = None
if args.command:
    sys.exit("the directory is too short for the command")
names = [n for _, n in entries if n not in (".", "..")]
offs = [o for o, _ in entries]
if len(set(names)) != len(names):
    sys.exit("a name came twice")
if sorted(offs) != offs:
    sys.exit("cookies are not in order")
# the same cookie leads to the same place: in this open file, and in another
other = os.open(args.dir, os.O_RDONLY | os.O_DIRECTORY)
for i in range(0, len(entries) - 2, max(1, len(entries) // 50)):
    for each in (fd, other):
        os.lseek(each, offs[i], os.SEEK_SET)
        page = list(getdents(each))
        if page[0] != entries[i + 1]:
            sys.exit("cookie %d leads to %r, not to %r" % (offs[i], page[0], entries[i + 1]))
if args.names:
    with open(args.names, "w", encoding="utf-8") as f:
        f.write("".join(n + "\n" for n in names))
print(len(names))
