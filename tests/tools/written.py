#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether a file that is being written is as it must be, at once, through the mount.

    written.py PART INCOMING BACKING

Each part writes in INCOMING and compares what stat and read say there with what was written, and with
the file in BACKING, the directory behind.
"""
import errno
import fcntl
import mmap
import os
import sys

part, incoming, backing = sys.argv[1:]
NAME = part + ".mp4"
path = os.path.join(incoming, NAME)
behind = os.path.join(backing, NAME)


def same(what, name=NAME):
    """Size and mtime by name are those of the file behind. The size."""
    a, b = os.stat(os.path.join(incoming, name)), os.stat(os.path.join(backing, name))
    if (a.st_size, a.st_mtime_ns) != (b.st_size, b.st_mtime_ns):
        sys.exit("%s: size and mtime are %s in the mount, %s behind it" % (
            what, (a.st_size, a.st_mtime_ns), (b.st_size, b.st_mtime_ns)))
    return a.st_size


def check(what, got, wanted):
    if got != wanted:
        sys.exit("%s: %r, not %r" % (what, got, wanted))


def read(name=NAME):
    with open(os.path.join(incoming, name), "rb") as f:
        return f.read()


def writes():
    fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
    before = 0
    for i in range(200):
        os.write(fd, b"%03d\n" % i * (i + 1))
        now = os.fstat(fd).st_mtime_ns
        if now < before:
            sys.exit("mtime went back with a write")
        before = now
        check("size after write %d" % i, same("write %d" % i), os.fstat(fd).st_size)
    check("what was written", read(), b"".join(b"%03d\n" % i * (i + 1) for i in range(200)))
    os.pwrite(fd, b"far", 1 << 20)
    check("size with a hole", same("a sparse write"), (1 << 20) + 3)
    os.utime(path, ns=(10**18, 10**18 + 5))
    check("mtime that was set", os.stat(path).st_mtime_ns, 10**18 + 5)
    os.write(fd, b"x")
    if os.stat(path).st_mtime_ns == 10**18 + 5:
        sys.exit("a write after utime leaves the mtime")
    os.close(fd)
    same("closed")


def truncate():
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    os.write(fd, b"0123456789" * 1000)
    os.ftruncate(fd, 5)
    check("ftruncate", (same("ftruncate"), read()), (5, b"01234"))
    os.truncate(path, 8)
    check("truncate", (same("truncate"), read()), (8, b"01234\0\0\0"))
    os.pwrite(fd, b"ab", 6)
    check("write behind it", (same("write"), read()), (8, b"01234\0ab"))
    os.posix_fallocate(fd, 0, 10000)
    check("fallocate", same("fallocate"), 10000)
    other = os.open(path, os.O_WRONLY | os.O_TRUNC)
    check("O_TRUNC", (same("O_TRUNC"), os.fstat(fd).st_size, read()), (0, 0, b""))
    os.write(other, b"new")
    check("after it", (same("write"), os.pread(fd, 9, 0)), (3, b"new"))
    os.close(fd)
    os.close(other)


def append():
    lines = 300
    children = []
    for who in (b"a", b"b"):
        pid = os.fork()
        if pid == 0:
            fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
            for i in range(lines):
                os.write(fd, who * 20 + b"%05d\n" % i)
            os._exit(0)
        children.append(pid)
    for pid in children:
        check("an appender's end", os.waitpid(pid, 0)[1], 0)
    check("bytes of two appenders", same("appended"), 2 * lines * 26)
    got = read().splitlines()
    for who in (b"a", b"b"):
        check("lines of one appender", [line for line in got if line[:1] == who],
              [who * 20 + b"%05d" % i for i in range(lines)])


def placed():
    """Whether bytes go to their place or to the end is asked with each write, not with the open."""
    with open(path, "wb") as f:
        f.write(b"0123456789")
    fd = os.open(path, os.O_RDWR | os.O_APPEND)
    with mmap.mmap(fd, 10) as m:
        m[0:3] = b"abc"
        m.flush()
        check("a map of what was opened to append", (same("mapped"), read()), (10, b"abc3456789"))
        os.write(fd, b"end")
        m[3:6] = b"def"
    os.close(fd)
    wait_same("appended and unmapped")
    check("appended and mapped", read(), b"abcdef6789end")
    fd = os.open(path, os.O_RDWR)
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    os.write(fd, b"more")
    os.close(fd)
    check("O_APPEND set after the open", (same("set"), read()), (17, b"abcdef6789endmore"))


def cleared():
    """Not with passthrough: there the kernel goes by the open."""
    with open(path, "wb") as f:
        f.write(b"0123456789")
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"end")
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    os.pwrite(fd, b"XY", 1)
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    os.write(fd, b"!")
    os.close(fd)
    check("O_APPEND cleared and set", (same("cleared"), read()), (14, b"0XY3456789end!"))


def mmaped():
    with open(path, "wb") as f:
        f.write(b"\0" * 8192)
    fd = os.open(path, os.O_RDWR)
    os.utime(path, ns=(10**18, 10**18))
    m = mmap.mmap(fd, 8192)
    m[5000:5005] = b"bytes"
    check("read of what was mapped", read()[5000:5005], b"bytes")
    os.pwrite(fd, b"other", 100)
    check("map of what was written", m[100:105], b"other")
    os.ftruncate(fd, 10000)
    check("size while it is mapped", same("mapped"), 10000)
    m.flush()  # clean pages tell of the next write
    os.utime(path, ns=(10**18, 10**18))
    m[0:5] = b"again"
    m.flush()
    m.close()
    os.close(fd)
    check("bytes at the end", (read()[0:5], read()[100:105]), (b"again", b"other"))
    with open(behind, "rb") as f:
        check("bytes behind", f.read(), read())
    # The pages' time stamp is set by the kernel; it shows when the last map and descriptor have gone.
    wait_same("mmap, unmapped and closed")
    if os.stat(path).st_mtime_ns == 10**18:
        sys.exit("the mtime after a write by mmap is the one from before")


def kept():
    """A mapping that outlives its descriptor."""
    with open(path, "wb") as f:
        f.write(b"\0" * 8192)
    fd = os.open(path, os.O_RDWR)
    m = mmap.mmap(fd, 8192)
    os.close(fd)
    print("closed", flush=True)
    sys.stdin.readline()
    m[4000:4004] = b"late"
    m.close()
    wait_same("a mapping that outlives its descriptor")
    check("its bytes", read()[4000:4004], b"late")


def wait_same(what):
    """RELEASE comes some time after close(2) has returned."""
    import time
    end = time.monotonic() + 20
    while True:
        a, b = os.stat(path), os.stat(behind)
        if (a.st_size, a.st_mtime_ns) == (b.st_size, b.st_mtime_ns):
            return
        if time.monotonic() > end:
            same(what)
        time.sleep(0.01)


def rename():
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    os.write(fd, b"one")
    os.rename(path, path + ".moved.mp4")
    os.write(fd, b"two")
    check("its size by the new name", same("renamed", NAME + ".moved.mp4"), 6)
    check("its bytes", read(NAME + ".moved.mp4"), b"onetwo")
    with open(path, "wb") as f:
        f.write(b"another")
    os.rename(path, path + ".moved.mp4")
    os.write(fd, b"three")
    check("a replaced file goes on", os.pread(fd, 20, 0), b"onetwothree")
    check("the new one", read(NAME + ".moved.mp4"), b"another")
    os.unlink(path + ".moved.mp4")
    with open(path, "wb") as f:
        f.write(b"third")
    os.unlink(path)
    os.write(fd, b"!")
    check("an unlinked file goes on", os.fstat(fd).st_size, 12)
    os.close(fd)


def mixed():
    """Opens of one inode in every order: a request's name is opened without passthrough."""
    request = os.path.join(incoming, "mixed.mp4.process")
    first = os.open(request, os.O_CREAT | os.O_RDWR, 0o644)
    os.rename(request, path)
    os.write(first, b"by the daemon")
    second = os.open(path, os.O_RDONLY)
    check("a second open of it", os.read(second, 100), b"by the daemon")
    os.write(first, b" and on")
    check("a third", read(), b"by the daemon and on")
    os.close(first)
    os.close(second)
    os.unlink(path)
    readers = []
    writer = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    for i in range(20):
        os.write(writer, b"%02d" % i)
        readers.append(os.open(path, os.O_RDWR if i % 2 else os.O_RDONLY))
        check("reader %d" % i, os.pread(readers[i // 2], 100, 2 * i), b"%02d" % i)
        if i % 3 == 0:
            os.close(writer)
            writer = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except OSError as e:
        check("O_EXCL", e.errno, errno.EEXIST)
    for fd in readers + [writer]:
        os.close(fd)
    check("in the end", same("mixed"), 40)


{"writes": writes, "truncate": truncate, "append": append, "mmap": mmaped, "rename": rename,
 "mixed": mixed, "kept": kept, "placed": placed, "cleared": cleared}[part]()
