#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wait for changes of files in a mount by poll(2), select(2), epoll (both ways) and Python's selectors.

    fs_poll.py MOUNTPOINT VIDEO

Each client waits for a snapshot (status), for a stream (events) and for a job's end (wait); the change
is made once it sleeps. VIDEO is copied in and kept open for writing, so that jobs wait in the queue.
"""
import ctypes
import json
import os
import select
import selectors
import shutil
import struct
import sys
import threading

LIMIT = 60  # seconds; nothing here depends on how long it takes
MOUNT = sys.argv[1]


def path(*parts):
    return os.path.join(MOUNT, *parts)


def read_json(name):
    with open(path(name), encoding="utf-8") as f:
        return json.load(f)


def write(name, text):
    with open(path(name), "w", encoding="utf-8") as f:
        f.write(text)


def check(what, got, want):
    if got != want:
        sys.exit("%s: %r, not %r" % (what, got, want))


# ---- the clients: each returns the set of what it was told ("in", "pri", "hup"), empty when time is up

BITS = {select.POLLIN: "in", select.POLLPRI: "pri", select.POLLHUP: "hup", select.POLLERR: "err"}


def named(bits):
    return {name for bit, name in BITS.items() if bits & bit}


def by_poll(fd):
    poller = select.poll()
    poller.register(fd, select.POLLIN | select.POLLPRI)
    return lambda seconds: named(dict(poller.poll(seconds * 1000)).get(fd, 0))


def by_epoll(flags):
    def client(fd):
        poller = select.epoll()
        poller.register(fd, select.EPOLLIN | select.EPOLLPRI | flags)
        return lambda seconds: named(dict(poller.poll(seconds)).get(fd, 0))
    return client


def by_select(fd):
    def wait(seconds):
        readable, _, exceptional = select.select([fd], [], [fd], seconds)
        return ({"in"} if readable else set()) | ({"pri"} if exceptional else set())
    return wait


def by_selectors(fd):
    selector = selectors.DefaultSelector()
    selector.register(fd, selectors.EVENT_READ)
    return lambda seconds: {"in" for _ in selector.select(seconds)}


CLIENTS = {
    "poll": by_poll,
    "select": by_select,
    "epoll": by_epoll(0),
    "epoll-edge": by_epoll(select.EPOLLET),
    "selectors": by_selectors,
}


def when_asleep(action):
    """Run it in another thread once this one sleeps."""
    stat = "/proc/self/task/%d/stat" % threading.get_native_id()

    def run():
        state = "R"
        while state != "S":
            with open(stat, encoding="ascii") as f:
                state = f.read().rsplit(")", 1)[1].split()[0]
        action()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def told(name, fd, wait, action):
    """What the client is told when this happens; before, it must be told nothing."""
    check(name + " before the change", wait(0), set())
    thread = when_asleep(action)
    got = wait(LIMIT)
    thread.join()
    return got


def check_status(name, client, job):
    fd = os.open(path("jobs", job, "status"), os.O_RDONLY)
    before = os.pread(fd, 1 << 16, 0)
    wait = client(fd)
    got = told(name + " of status", fd, wait, lambda: write("jobs/%s/control" % job, "cancel\n"))
    # Whoever was told opens the newer text, from the first moment on.
    check(name + ": status after it was told", read_json("jobs/%s/status" % job)["status"], "cancelled")
    check(name + " of status", got, {"in"} if name == "selectors" else {"in", "pri"})
    check(name + ": the open file", os.pread(fd, 1 << 16, 0), before)
    os.close(fd)
    # Opened again, there is nothing newer.
    fd = os.open(path("jobs", job, "status"), os.O_RDONLY)
    check(name + " after opening again", client(fd)(0), set())
    os.close(fd)


def check_wait(name, client, job):
    fd = os.open(path("jobs", job, "wait"), os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.read(fd, 1)
        sys.exit("wait gave something before the end")
    except BlockingIOError:
        pass
    got = told(name + " of wait", fd, client(fd),
               lambda: write("jobs/%s/control" % job, "cancel\n"))
    check(name + " of wait", got, {"in"})
    check(name + ": wait", json.loads(os.read(fd, 1 << 16))["status"], "cancelled")
    os.close(fd)


def check_events(name, client, job):
    fd = os.open(path("events"), os.O_RDONLY | os.O_NONBLOCK)
    wait = client(fd)
    got = told(name + " of events", fd, wait, lambda: submit(job))
    check(name + " of events", got, {"in"})
    line = json.loads(os.read(fd, 1 << 16))
    check(name + ": events", (line["event"], line["id"], line["status"]), ("created", job, "queued"))
    # All read: it sleeps again, and is told again.
    got = told(name + " of events again", fd, wait, lambda: write("jobs/%s/control" % job, "cancel\n"))
    check(name + " of events again", got, {"in"})
    line = json.loads(os.read(fd, 1 << 16))
    check(name + ": events", (line["event"], line["status"]), ("ended", "cancelled"))
    os.close(fd)


def submit(job):
    write("control", json.dumps({"uploadId": "polled.mp4", "jobId": job}))


def check_others():
    """Files that are always ready, as ordinary files are, and texts that never change."""
    for name in ("control", "incoming/polled.mp4", "jobs/fixed/log", "jobs/fixed/control"):
        fd = os.open(path(name), os.O_RDONLY)
        poller = select.poll()
        poller.register(fd, select.POLLIN | select.POLLOUT | select.POLLPRI)
        check("poll of " + name, poller.poll(LIMIT * 1000), [(fd, select.POLLIN | select.POLLOUT)])
        os.close(fd)
    for name in ("README", "jobs/fixed/request", "jobs/fixed/status"):
        fd = os.open(path(name), os.O_RDONLY)
        check("poll of " + name, by_poll(fd)(0), set())
        os.close(fd)
    # Nobody says when these change: they are looked at while somebody asks.
    for name in ("health", "metrics", "uploads.json", "jobs.json"):
        fd = os.open(path(name), os.O_RDONLY)
        waiter = by_poll(fd)
        submit("other-" + name)
        thread = when_asleep(lambda: write("jobs/other-%s/control" % name, "cancel\n"))
        check("poll of " + name, waiter(LIMIT), {"in", "pri"})
        thread.join()
        os.close(fd)


# ---- inotify: what programs do through the mount, and nothing else

IN_MODIFY, IN_CLOSE_WRITE, IN_OPEN, IN_CREATE, IN_ALL = 0x2, 0x8, 0x20, 0x100, 0xfff


def inotify_events(fd):
    """{watch: all that was told of it}"""
    found = {}
    try:
        data = os.read(fd, 1 << 16)
    except BlockingIOError:
        return found
    while data:
        watch, mask, _, size = struct.unpack_from("iIII", data)
        found[watch] = found.get(watch, 0) | mask & IN_ALL
        data = data[16 + size:]
    return found


def check_inotify(job):
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK)
    names = ("jobs", "by-status/queued", "jobs/%s/status" % job, "jobs/%s/clips" % job, "incoming")
    watch = {n: libc.inotify_add_watch(fd, os.fsencode(path(n)), IN_ALL) for n in names}
    check("watches", min(watch.values()) > 0, True)
    submit(job + "-2")
    for name in (job, job + "-2"):
        write("jobs/%s/control" % name, "cancel\n")
    check("what inotify tells of the daemon's work", inotify_events(fd), {})
    read_json("jobs/%s/status" % job)
    shutil.copy(path("incoming", "polled.mp4"), path("incoming", "copy"))
    found = inotify_events(fd)
    wanted = IN_CREATE | IN_OPEN | IN_MODIFY | IN_CLOSE_WRITE
    check("what inotify tells of a copy", found.get(watch["incoming"], 0) & wanted, wanted)
    # The watch is on the version that was there: a newer one is another file to the kernel.
    check("what inotify tells of a newer version", found.get(watch["jobs/%s/status" % job]), None)
    os.close(fd)


def main():
    video = path("incoming", "polled.mp4")
    shutil.copy(sys.argv[2], video)
    with open(video, "ab"):  # it has a writer: its jobs stay in the queue
        for name, client in CLIENTS.items():
            for kind, check_one in (("s", check_status), ("w", check_wait), ("e", check_events)):
                job = "%s-%s" % (name, kind)
                if kind != "e":
                    submit(job)
                check_one(name, client, job)
        submit("fixed")
        check_others()
        submit("inotify")
        check_inotify("inotify")


main()
