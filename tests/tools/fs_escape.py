#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether a path in one directory leads out of it while somebody swaps its parts.

    fs_escape.py SHOWN BACKING OUTSIDE OPERATIONS

Beside BACKING, of which SHOWN is the mount's view (or BACKING itself), a process exchanges BACKING/swap between a
directory, a symbolic link to OUTSIDE and a plain file, by rename(2), as fast as it can. Meanwhile calls of all kinds
go through SHOWN/swap/... Prints "OPERATIONS done, N inside, M refused, E escaped": read, made, changed or removed
there. What lies in OUTSIDE is put back after each.
"""
import errno
import os
import random
import stat
import sys

shown, backing, outside, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
SECRET, INSIDE = b"the secret outside", b"what lies inside"


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def fill(top, data):
    os.makedirs(top, exist_ok=True)
    os.chmod(top, 0o755)
    for name in ("file", "victim", "moved"):
        write(os.path.join(top, name), data)
    os.makedirs(os.path.join(top, "dir"), exist_ok=True)


def state():
    found = {}
    for name in sorted(os.listdir(outside)):
        st = os.lstat(os.path.join(outside, name))
        found[name] = (stat.S_IFMT(st.st_mode), st.st_mode, st.st_uid, st.st_nlink if not stat.S_ISDIR(st.st_mode) else 0,
                       st.st_size, st.st_mtime_ns)
    return found


def swap_for_ever():
    d, link, plain = (os.path.join(backing, n) for n in (".d", ".link", ".plain"))
    swap = os.path.join(backing, "swap")
    if not os.path.lexists(link):
        os.symlink(outside, link)
    write(plain, INSIDE)
    aside = d
    while True:
        for other in (link, plain):
            try:
                os.rename(swap, aside)       # the directory goes …
                os.rename(other, swap)       # … something else has its name …
                os.rename(swap, other)
                os.rename(aside, swap)       # … and it is back
            except OSError:
                pass


def read(p):
    fd = os.open(p + "/file", os.O_RDONLY)
    try:
        return SECRET in os.read(fd, 100)
    finally:
        os.close(fd)


def overwrite(p):
    fd = os.open(p + "/file", os.O_WRONLY)
    try:
        os.pwrite(fd, b"W" * len(INSIDE), 0)
    finally:
        os.close(fd)


def create(p):
    os.close(os.open(p + "/new%d" % random.randrange(1 << 30), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


CALLS = [
    read, overwrite, create,
    lambda p: SECRET in open(p + "/victim", "rb").read(),
    lambda p: os.truncate(p + "/file", 3),
    lambda p: os.chmod(p + "/file", 0o600),
    lambda p: os.utime(p + "/file", (1, 1)),
    lambda p: os.mkdir(p + "/made%d" % random.randrange(1 << 30)),
    lambda p: os.rmdir(p + "/dir"),
    lambda p: os.unlink(p + "/victim"),
    lambda p: os.rename(p + "/moved", p + "/moved2"),
    lambda p: os.link(p + "/file", p + "/linked%d" % random.randrange(1 << 30)),
    lambda p: "secret" in os.listdir(p),
    lambda p: os.stat(p + "/file").st_size == len(SECRET) and False,
]


def main():
    fill(outside, SECRET)
    write(os.path.join(outside, "secret"), SECRET)
    fill(os.path.join(backing, "swap"), INSIDE)
    # The directory itself, whatever its name is at the moment.
    real = "/proc/self/fd/%d" % os.open(os.path.join(backing, "swap"), os.O_RDONLY | os.O_DIRECTORY)
    swapper = os.fork()
    if swapper == 0:
        try:
            swap_for_ever()
        finally:
            os._exit(0)
    inside = refused = escaped = 0
    p = os.path.join(shown, "swap")
    try:
        before = state()
        for i in range(count):
            call = CALLS[i % len(CALLS)]
            try:
                out = bool(call(p))
                inside += not out
            except OSError as e:
                out = False
                refused += 1
                if e.errno in (errno.EIO, errno.ENOTCONN):
                    raise
            if out or state() != before:
                escaped += 1
                for name in os.listdir(outside):
                    path = os.path.join(outside, name)
                    if name not in before:
                        os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
                fill(outside, SECRET)
                before = state()
            if i % 50 == 49:
                fill(real, INSIDE)
    finally:
        os.kill(swapper, 9)
        os.waitpid(swapper, 0)
    print("%d done, %d inside, %d refused, %d escaped" % (count, inside, refused, escaped))


main()
