#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything that clients may do with a mount, by many of them at once, until the daemon is told to stop.

    stress.py MOUNTPOINT ROOT VIDEO STORYCLIP DAEMON-PID SECONDS SEED

Each client is a process that picks random things to do, some of them on the jobs and files of the others.
What it may not get is an errno that nobody could explain (EIO, EBADF, ENOTCONN before the stop), or no answer:
a client that does not come back from one call is named. SIGTERM comes while all are at work. Prints how often
each thing was done and the errnos that were seen, and exits with 1 when one was wrong.
"""
import collections
import contextlib
import errno
import fcntl
import json
import mmap
import os
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

MNT, ROOT, VIDEO, CLI = sys.argv[1:5]
DAEMON, SECONDS, SEED = int(sys.argv[5]), float(sys.argv[6]), int(sys.argv[7])
IN, JOBS, BACK = MNT + "/incoming", MNT + "/jobs", ROOT + "/tmp/uploads"
SLOW = int(os.environ.get("SC_SLOW", "1"))
STUCK = 60 * SLOW  # seconds in one call; the longest waits of a daemon under load are a tenth of that
with open(VIDEO, "rb") as f:
    BYTES = f.read()

# What others, removing, renaming, cutting and pausing at the same time, explain.
EXPLAINED = {errno.ENOENT, errno.EEXIST, errno.EBUSY, errno.ETXTBSY, errno.EINVAL, errno.EALREADY, errno.ENOTEMPTY,
             errno.ENOTUNIQ, errno.EPERM, errno.ENODATA, errno.ESTALE, errno.EINTR, errno.EISDIR, errno.ENOTDIR,
             errno.EDQUOT, errno.EFBIG, errno.ENOTSUP, errno.EAGAIN, errno.EXDEV,
             errno.ENODEV}  # a shared mapping of a file just made, with libfuse 3.14 (README)
ENDED = {errno.ENOTCONN, errno.ESHUTDOWN, errno.ECONNABORTED}


class Stop(Exception):
    """The mount has gone."""


class Client:
    def __init__(self, number, kind):
        self.number, self.kind = number, kind
        self.rng = random.Random(SEED * 1000 + number)
        self.count = 0
        self.seen = collections.Counter()

    def name(self):
        self.count += 1
        return "s%d-%d" % (self.number, self.count)

    def any_of(self, folder):
        names = os.listdir(folder)
        return folder + "/" + self.rng.choice(names) if names else folder + "/none"

    def any_job(self):
        return self.any_of(JOBS)


def read(path, size=1 << 16):
    with open(path, "rb", buffering=0) as f:
        out = b""
        while True:
            part = f.read(size)
            if not part:
                return out
            out += part


def read_json(path):
    return json.loads(read(path))


# ---- uploads and requests


def write_upload(c, path):
    kind = c.rng.randrange(4)
    if kind == 0:
        shutil.copy2(VIDEO, path)
    elif kind == 1:  # as rsync does
        tmp = os.path.dirname(path) + "/.%s.Xy12ab" % os.path.basename(path)
        with open(tmp, "wb") as f:
            f.write(BYTES)
        os.utime(tmp, (1e9, 1e9))
        os.rename(tmp, path)
    elif kind == 2:  # in pieces, from the end
        with open(path, "wb", buffering=0) as f:
            f.truncate(len(BYTES))
            for at in reversed(range(0, len(BYTES), 8192)):
                os.pwrite(f.fileno(), BYTES[at:at + 8192], at)
    else:  # first something else, then truncated
        with open(path, "wb") as f:
            f.write(BYTES[:5000])
        with open(path, "wb") as f:
            f.write(BYTES)
            f.flush()
            os.fsync(f.fileno())


def request(c, upload):
    fields = {"uploadId": upload, "clipDuration": c.rng.choice([0.5, 1, 5])}
    if c.rng.random() < 0.5:
        fields["jobId"] = c.name()
    if c.rng.random() < 0.3:
        fields["idempotencyKey"] = "k%d" % c.rng.randrange(50)
    if c.rng.random() < 0.3:
        fields["priority"] = c.rng.randrange(-1, 1)  # strict: what comes behind others may wait for ever
    if c.rng.random() < 0.2:
        fields["deleteUpload"] = True
    if c.rng.random() < 0.2:
        fields["cut"] = c.rng.choice(["keyframe", "smart", "encode"])
    return fields


def hand_in(c, fields):
    """By one of the ways through `control`; the job's id."""
    if c.rng.random() < 0.5:
        text = json.dumps(fields)
    else:
        text = " ".join("%s=%s" % (k, str(v).lower() if v is True else v) for k, v in fields.items()) + "\n"
    fd = os.open(MNT + "/control", os.O_RDWR)
    try:
        data = text.encode()
        if c.rng.random() < 0.3:
            os.write(fd, data[:7])
            data = data[7:]
        os.write(fd, data)
        return json.loads(os.read(fd, 4096))["jobId"]
    finally:
        os.close(fd)


def uploads(c):
    path = "%s/%s.mp4" % (IN, c.name())
    write_upload(c, path)
    if c.rng.random() < 0.3:
        os.rename(path, path[:-4] + "-m.mp4")
        path = path[:-4] + "-m.mp4"
    if c.rng.random() < 0.3:
        os.chmod(path, 0o640)
    job = hand_in(c, request(c, os.path.basename(path)))
    if c.rng.random() < 0.3:
        os.unlink(path)
    act_on(c, JOBS + "/" + job)
    if c.rng.random() < 0.8 and os.path.exists(path):
        os.unlink(path)


def act_on(c, job):
    what = c.rng.randrange(5)
    if what == 0:
        with open(job + "/control", "w", encoding="ascii") as f:
            f.write("cancel\n")
    if what <= 3:
        state = read_json(job + "/wait")["status"]
        assert state in ("done", "failed", "cancelled"), state
        if state == "done":
            for name in sorted(os.listdir(job + "/clips")):
                assert read(job + "/clips/" + name)[4:8] == b"ftyp"
        elif c.rng.random() < 0.3:
            with open(job + "/control", "w", encoding="ascii") as f:
                f.write("retry\n")
    if what == 1:
        shutil.rmtree(job)
    elif what == 2:
        os.rmdir(job)


def sidecars(c):
    path = "%s/%s.mp4" % (IN, c.name())
    order = ""
    if c.rng.random() < 0.7:
        order = json.dumps({"clipDuration": 1, "jobId": c.name(), "priority": 1})
    steps = [lambda: write_upload(c, path), lambda: sidecar(c, path + ".process", order)]
    c.rng.shuffle(steps)
    for step in steps:
        step()
    time.sleep(c.rng.random() / 4)
    for name in (path, path + ".process", path + ".process.error"):
        if os.path.lexists(name):
            os.unlink(name)


def sidecar(c, path, order):
    if c.rng.random() < 0.5:
        with open(path, "w", encoding="ascii") as f:
            f.write(order)
        return
    with open(path + ".tmp", "w", encoding="ascii") as f:
        f.write(order)
    os.rename(path + ".tmp", path)


def bad_requests(c):
    hand_in(c, c.rng.choice([
        {"uploadId": "nope"}, {"uploadId": "../x"}, {"uploadId": "a", "clipDuration": -1}, {"what": 1},
        {"uploadId": "x" * 5000}, {"uploadId": ".hidden"}]))


# ---- jobs of all


def controls(c):
    job = c.any_job()
    what = c.rng.randrange(6)
    if what <= 2:
        with open(job + "/control", "w", encoding="ascii") as f:
            f.write(("cancel", "retry", "nonsense")[what])
    elif what == 3:
        os.rmdir(job)
    elif what == 4:
        os.unlink(c.any_of(job + "/clips"))
    else:
        shutil.rmtree(job)


def job_files(c):
    job = c.any_job()
    for name in ("status", "progress", "request"):
        fd = os.open(job + "/" + name, os.O_RDONLY)
        try:
            size = os.fstat(fd).st_size
            data = os.pread(fd, size + 1, 0)
            assert len(data) == size, (name, len(data), size)
            if name != "progress":
                json.loads(data)
            if size and c.rng.random() < 0.3:
                with mmap.mmap(fd, size, prot=mmap.PROT_READ) as m:
                    assert m[:] == data
        finally:
            os.close(fd)
    read(job + "/log")
    os.readlink(job + "/source")


def waits(c):
    """Waits that are broken off, by a signal or by closing, or that end."""
    fd = os.open(c.any_job() + "/wait", os.O_RDONLY)
    try:
        signal.setitimer(signal.ITIMER_REAL, c.rng.random())
        os.read(fd, 4096)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.close(fd)


def polls(c):
    paths = [MNT + "/events", MNT + "/health", c.any_job() + "/status", c.any_job() + "/wait"]
    fds = []
    try:
        poll = select.poll()
        for path in paths:
            fds.append(os.open(path, os.O_RDONLY))
            poll.register(fds[-1], select.POLLIN | select.POLLPRI)
        for _ in range(3):
            poll.poll(c.rng.randrange(400))
    finally:
        for fd in fds:
            os.close(fd)


def events(c):
    fd = os.open(MNT + "/events", os.O_RDONLY)
    text = b""
    try:
        for _ in range(c.rng.randrange(1, 30)):
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            try:
                text += os.read(fd, c.rng.choice([10, 4096, 65536]))
            except InterruptedError:
                break
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.close(fd)
    last = 0
    for line in text.split(b"\n")[:-1]:
        number = json.loads(line).get("seq", last + 1)
        assert number > last, (number, last)
        last = number


# ---- listings and texts


def listings(c):
    what = c.rng.randrange(5)
    if what == 0:
        for entry in os.scandir(JOBS):
            entry.stat(follow_symlinks=False)
    elif what == 1:
        for state in ("queued", "running", "done", "failed", "cancelled"):
            for entry in os.scandir("%s/by-status/%s" % (MNT, state)):
                os.readlink(entry.path)
    elif what == 2:
        for entry in os.scandir(MNT + "/by-upload"):
            os.readlink(entry.path)
    elif what == 3:
        for _, _, files in os.walk(IN):
            del files
    else:
        os.statvfs(MNT)
        os.listdir(MNT)


def texts(c):
    name = c.rng.choice(["health", "metrics", "jobs.json", "uploads.json", "README"])
    data = read(MNT + "/" + name, c.rng.choice([100, 4096, 1 << 20]))
    if name in ("health", "jobs.json", "uploads.json"):
        json.loads(data)


def cli(c):
    args = c.rng.choice([["status"], ["ls"], ["ls", "--json", "--state", "done"], ["status", "--json"], ["cut"], ["rm"],
                         ["cancel"]])
    if args == ["cut"]:
        args = ["cut", VIDEO, "--every", "1", "--wait"]
    elif len(args) == 1 and args[0] in ("rm", "cancel"):
        args = args + [os.path.basename(c.any_job())]
    out = subprocess.run([CLI, *args, "--mount", MNT], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, check=False)
    # 3 says that the mount went away: then the next call of ours ends this client.
    assert out.returncode in (0, 1, 3, 4, 5), (args, out.returncode, out.stdout)


# ---- files that are nobody's upload, and who works behind the mount


def files(c):
    top = "%s/d%d" % (IN, c.number)
    with contextlib.suppress(FileExistsError):
        os.mkdir(top)  # and not below a mount point without its mount
    path = top + "/" + c.rng.choice("abcdefgh")
    other = "%s/d%d" % (IN, c.rng.randrange(40)) if c.rng.random() < 0.1 else top
    other += "/" + c.rng.choice("abcdefgh")
    what = c.rng.randrange(13)
    if what == 0:
        os.mkdir(path)
    elif what == 1:
        os.rmdir(path)
    elif what == 2:
        os.rename(path, other)
    elif what == 3:
        os.link(path, other)
    elif what == 4:
        os.unlink(path)
    elif what == 5:
        os.truncate(path, c.rng.randrange(100000))
    elif what == 6:
        os.setxattr(path, "user.x", b"%d" % c.count)
    elif what == 7:
        os.getxattr(path, "user.x")
        os.listxattr(path)
        os.removexattr(path, "user.x")
    elif what == 8:
        os.symlink("/etc/passwd", path)
    elif what == 9:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(fd, 0, 65536)
            os.pwrite(fd, b"x" * 100, c.rng.randrange(100000))
            with mmap.mmap(fd, 65536) as m:
                m[c.rng.randrange(65536)] = 1
            os.fdatasync(fd)
            os.copy_file_range(fd, fd, 4096, 0, 65536)
            os.lseek(fd, 0, os.SEEK_DATA)
            fcntl.flock(fd, fcntl.LOCK_EX)
        finally:
            os.close(fd)
    elif what == 10:
        with open(path, "ab") as f:
            f.write(b"more")
        read(path)
    elif what == 11:
        os.chmod(path, c.rng.choice([0o600, 0o644, 0o700]))
        os.utime(path)
        os.stat(path)
    else:
        shutil.rmtree(top)


def behind(c):
    """Changes in the backing directories and in the database."""
    os.stat(MNT + "/control")  # else it would never hear that the mount has gone
    name = c.name()
    what = c.rng.randrange(7)
    path = "%s/%s.mp4" % (BACK, name)
    if what == 0:
        shutil.copy(VIDEO, path)
    elif what == 1 and c.rng.random() < 0.3:
        shutil.copy(VIDEO, BACK + "/.x" + name)
        os.rename(BACK + "/.x" + name, path)
        with open(path + ".process", "w", encoding="ascii") as f:
            f.write('{"clipDuration":1}')
    elif what == 2:
        victim = c.any_of(BACK)
        if os.path.isfile(victim) and "/s" in victim:
            os.unlink(victim)
    elif what == 3:
        victim = c.any_of(BACK)
        if os.path.isfile(victim) and "-" in victim:
            os.rename(victim, path)
    elif what == 4:
        os.makedirs(BACK + "/b/" + name, exist_ok=True)
        shutil.copy(VIDEO, BACK + "/b/" + name + "/v.mp4")
        shutil.rmtree(BACK + "/b/" + c.rng.choice(os.listdir(BACK + "/b")))
    else:
        db = sqlite3.connect(ROOT + "/database/storyclip.db", timeout=20, isolation_level=None)
        try:
            row = db.execute("SELECT job_id FROM jobs ORDER BY random() LIMIT 1").fetchone()
            if what == 5 and row:
                db.execute("UPDATE jobs SET status='failed' WHERE job_id=? AND status IN ('queued','running')", row)
        except sqlite3.OperationalError as e:
            if "locked" not in str(e):
                raise
        finally:
            db.close()
    time.sleep(c.rng.random() / 4)


def root_person(c):
    what = c.rng.randrange(3)
    if what == 0:
        os.kill(DAEMON, signal.SIGHUP)
    else:
        for word in ("pause\n", "resume\n"):
            with open(MNT + "/control", "w", encoding="ascii") as f:
                f.write(word)
            time.sleep(c.rng.random() / 5)
    time.sleep(c.rng.random() / 2)


KINDS = [(uploads, 6), (sidecars, 2), (bad_requests, 1), (controls, 1), (job_files, 2), (waits, 2), (polls, 2),
         (events, 2), (listings, 2), (texts, 2), (cli, 1), (files, 3), (behind, 2), (root_person, 1)]

LOOKERS = {job_files, listings, texts}


def client(c, slot):
    """Until the mount goes. `slot`: 16 bytes that the parent sees, when the present call began."""
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(InterruptedError(errno.EINTR, "alarm")))
    wrong = 0
    while True:
        slot[:] = b"%16d" % int(time.monotonic())
        try:
            c.kind(c)
            c.seen["well"] += 1
            if c.kind in LOOKERS:  # that there is time for the others
                time.sleep(c.rng.random() / 50)
        except (OSError, shutil.Error) as e:
            number = e.errno if isinstance(e, OSError) and e.errno else None
            if number in ENDED or not os.path.ismount(MNT):
                break
            if number not in EXPLAINED and not isinstance(e, (shutil.Error, InterruptedError)):
                wrong += 1
                print("%s: %r" % (c.kind.__name__, e), flush=True)
            c.seen[errno.errorcode.get(number, "other")] += 1
        except Exception as e:  # an assertion, or a text that does not parse
            if not os.path.ismount(MNT):
                break
            wrong += 1
            print("%s: %s %s" % (c.kind.__name__, type(e).__name__, e), flush=True)
            if wrong > 20:
                break
    return wrong


def run_client(c, slot, out):
    wrong = client(c, slot)
    os.write(out, (json.dumps([c.kind.__name__, wrong, c.seen]) + "\n").encode())
    os._exit(1 if wrong else 0)


def stuck(pids, shared):
    for i, (pid, kind) in enumerate(pids.items()):
        since = time.monotonic() - int(shared[16 * i:16 * i + 16])
        if since > STUCK and os.path.exists("/proc/%d" % pid):
            with open("/proc/%d/wchan" % pid, encoding="ascii") as f:
                print("%s (pid %d) hangs for %d s in %s" % (kind, pid, since, f.read()), flush=True)
            for fd in os.scandir("/proc/%d/fd" % pid):
                path = os.readlink(fd.path)
                print("  it has %s open" % path, flush=True)
                if path.endswith("/wait"):  # of a job that may be behind many others
                    print(read(os.path.dirname(path) + "/status").decode(), flush=True)
            return True
    return False


def main():
    shared = mmap.mmap(-1, 16 * 64)
    r, w = os.pipe()
    pids = {}
    number = 0
    for kind, many in KINDS:
        if kind is root_person and os.geteuid() != 0:
            continue
        for _ in range(many):
            slot = memoryview(shared)[16 * number:16 * number + 16]
            slot[:] = b"%16d" % int(time.monotonic())
            pid = os.fork()
            if pid == 0:
                run_client(Client(number, kind), slot, w)
            pids[pid] = kind.__name__
            number += 1
    os.close(w)
    end = time.monotonic() + SECONDS
    bad = 0
    while time.monotonic() < end and not bad:
        time.sleep(min(0.5, max(0, end - time.monotonic())))
        if not os.path.exists("/proc/%d" % DAEMON):
            print("the daemon has ended before its time", flush=True)
            bad = 1
        bad += stuck(pids, shared)
    if os.path.exists("/proc/%d" % DAEMON):
        os.kill(DAEMON, signal.SIGTERM)
    end = time.monotonic() + STUCK
    left = dict(pids)
    while left and time.monotonic() < end:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            bad += status != 0
            left.pop(pid)
        else:
            time.sleep(0.05)
    for pid, kind in left.items():
        with open("/proc/%d/wchan" % pid, encoding="ascii") as f:
            print("%s (pid %d) has not ended with the mount: %s" % (kind, pid, f.read()), flush=True)
        os.kill(pid, signal.SIGKILL)
        bad += 1
    sums = collections.defaultdict(collections.Counter)
    with os.fdopen(r, encoding="ascii") as f:
        for line in f:
            kind, _, seen = json.loads(line)
            sums[kind].update(seen)
    for kind, seen in sums.items():
        print("%-13s %s" % (kind, ", ".join("%s %d" % item for item in seen.most_common())))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
