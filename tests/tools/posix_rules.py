#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run the rules of POSIX on files and directories in two directories, and compare.

    posix_rules.py [-v] [--table] [--without SUBJECT] UNDER_TEST NATIVE RULES

RULES (posix_rules.txt) has the rules and says how they are written; to them come those that each call
with a path obeys (below). Every rule begins in an empty directory of its own on both sides. What each call
gives natively must be what the rule says, or the rule is wrong; what it gives under test must be the same,
or what the rule says of the mount ("mount: EPERM"), which is then a deliberate difference. Rules of other
users need root and are left out without. --table prints how many rules each subject has, as Markdown.
"""
import argparse
import ctypes
import errno
import os
import re
import shutil
import socket
import stat
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_NOFOLLOW, UTIME_NOW, UTIME_OMIT = -100, 0x100, (1 << 30) - 1, (1 << 30) - 2
CLOCK_REALTIME_COARSE = 5  # time(2) of inodes goes by it
UIDS = {"root": 0, "one": 2001, "two": 2002}

# Calls with a path P, each with what it needs to work; for the rules that all of them obey.
WITH_PATH = ["open P O_RDONLY", "open P O_CREAT|O_WRONLY", "mkdir P", "rmdir P", "unlink P", "rename P other", "rename file P",
             "link P other", "link file P", "symlink x P | mount: EPERM", "mkfifo P | mount: EPERM", "chmod P 644", "chown P 0 0",
             "truncate P 0", "utimens P 1 1", "stat P type", "list P"]
# What a rule for all calls makes first, the path, the answer, and which calls it is not for.
FOR_ALL = [
    ("ENOTDIR when a component is a file", [], "file/x", "ENOTDIR", ()),
    ("ENOENT when a component does not exist", [], "none/x", "ENOENT", ()),
    ("ENAMETOOLONG for a component of 256 bytes", [], "{256}", "ENAMETOOLONG", ()),
    ("ENAMETOOLONG for a path of more than PATH_MAX", [], "{path}", "ENAMETOOLONG", ()),
    ("ENOENT for an empty path", [], "''", "ENOENT", ()),
    ("EACCES without the right to search a component", ["mkdir d 777", "create d/x 666", "chmod d 666"],
     "@one d/x", "EACCES", ()),
    ("EACCES without the right to search a component, for its owner too", ["mkdir d 777", "chown d 2001 2001", "chmod d 600"],
     "@one d/x", "EACCES", ()),
]


class Call(Exception):
    """A rule that cannot be read."""


def numbers(word):
    return int(word, 8)


def flags_of(word):
    return sum(getattr(os, w) for w in word.split("|"))


class Side:
    """One of the two directories, with what is open in it and the times that were noted."""

    def __init__(self, top):
        self.top = top
        self.fds = {}
        self.marks = {}

    # ---- calls: each returns what it gives as text, or raises OSError

    def do_create(self, name, mode="644"):
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, numbers(mode)))

    def do_open(self, name, flags, mode="644"):
        os.close(os.open(name, flags_of(flags), numbers(mode)))

    def do_hold(self, key, name, flags, mode="644"):
        self.fds[key] = os.open(name, flags_of(flags), numbers(mode))

    def do_close(self, key):
        os.close(self.fds.pop(key))

    def do_put(self, name, text):
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    def do_get(self, name):
        with open(name, "rb") as f:
            return f.read().replace(b"\0", b"0").decode() or "nothing"

    def do_write(self, key, text):
        return str(os.write(self.fds[key], text.encode()))

    def do_read(self, key, size):
        return os.read(self.fds[key], int(size)).replace(b"\0", b"0").decode() or "nothing"

    def do_lseek(self, key, where, whence):
        return str(os.lseek(self.fds[key], int(where), getattr(os, whence)))

    def do_mkdir(self, name, mode="755"):
        os.mkdir(name, numbers(mode))

    def do_umask(self, mask):
        os.umask(numbers(mask))

    def do_rmdir(self, name):
        os.rmdir(name)

    def do_unlink(self, name):
        os.unlink(name)

    def do_rename(self, old, new):
        os.rename(old, new)

    def do_rename2(self, old, new, flags):
        bits = {"noreplace": 1, "exchange": 2, "both": 3, "whiteout": 4}[flags]
        self._c(libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), bits))

    def do_link(self, old, new):
        os.link(old, new, follow_symlinks=False)

    def do_symlink(self, to, name):
        os.symlink(to, name)

    def do_readlink(self, name):
        return os.readlink(name)

    def do_mkfifo(self, name, mode="644"):
        os.mkfifo(name, numbers(mode))

    def do_mknod(self, name, kind):
        kinds = {"file": stat.S_IFREG, "char": stat.S_IFCHR, "block": stat.S_IFBLK, "fifo": stat.S_IFIFO,
                 "socket": stat.S_IFSOCK}
        os.mknod(name, kinds[kind] | 0o644, os.makedev(1, 3))

    def do_bind(self, name):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(name)

    def do_chmod(self, name, mode):
        os.chmod(name, numbers(mode))

    def do_fchmod(self, key, mode):
        os.fchmod(self.fds[key], numbers(mode))

    def do_chown(self, name, uid, gid):
        os.chown(name, int(uid), int(gid))

    def do_fchown(self, key, uid, gid):
        os.fchown(self.fds[key], int(uid), int(gid))

    def do_truncate(self, name, size):
        os.truncate(name, int(size))

    def do_ftruncate(self, key, size):
        os.ftruncate(self.fds[key], int(size))

    def do_posix_fallocate(self, key, offset, size):
        os.posix_fallocate(self.fds[key], int(offset), int(size))

    def do_fallocate(self, key, mode, offset, size):
        bits = {"plain": 0, "keep": 1, "punch": 3, "punch-only": 2, "zero": 16, "collapse": 8, "insert": 32}[mode]
        self._c(libc.fallocate(self.fds[key], bits, ctypes.c_long(int(offset)), ctypes.c_long(int(size))))

    def do_utimens(self, name, atime, mtime):
        def pair(word):
            if word in ("now", "omit"):
                return 0, {"now": UTIME_NOW, "omit": UTIME_OMIT}[word]
            seconds, _, nanos = word.partition(".")
            return int(seconds), int(nanos or 0)

        times = struct.pack("=qqqq", *pair(atime), *pair(mtime))
        self._c(libc.utimensat(AT_FDCWD, os.fsencode(name), times, 0))

    def do_stat(self, name, *fields):
        return self._fields(os.stat(name), fields)

    def do_lstat(self, name, *fields):
        return self._fields(os.lstat(name), fields)

    def do_fstat(self, key, *fields):
        return self._fields(os.fstat(self.fds[key]), fields)

    def do_access(self, name, *what):
        return "yes" if os.access(name, sum(getattr(os, w) for w in what), effective_ids=True) else "no"

    def do_list(self, name):
        return ",".join(sorted(os.listdir(name))) or "nothing"

    def do_fsync(self, key):
        os.fsync(self.fds[key])

    def do_acl(self, name, kind, *entries):
        """Set an access list; each entry is tag:id:mode, with the tags u, g, m, o."""
        tags = {"u": (1, 2), "g": (4, 8), "m": (16, 16), "o": (32, 32)}
        data = b""
        for tag, who, mode in (e.split(":") for e in entries):
            data += struct.pack("<HHI", tags[tag][1 if who else 0], int(mode), int(who) if who else 0xffffffff)
        os.setxattr(name, "system.posix_acl_" + kind, struct.pack("<I", 2) + data)

    def do_mark(self, *names):
        """Note the times of files, and wait until the clock that the file systems use has gone on."""
        for name in names:
            self.marks[name] = os.lstat(name)
        begun = time.clock_gettime_ns(CLOCK_REALTIME_COARSE)
        while time.clock_gettime_ns(CLOCK_REALTIME_COARSE) == begun:
            pass

    def do_moved(self, name):
        """Which times have gone on since they were noted."""
        now, then = os.lstat(name), self.marks[name]
        moved = [t for t in ("mtime", "ctime") if getattr(now, "st_%s_ns" % t) > getattr(then, "st_%s_ns" % t)]
        return ",".join(moved) or "none"

    # ---- their parts

    def _c(self, result):
        if result < 0:
            raise OSError(ctypes.get_errno(), "")

    def _fields(self, st, fields):
        kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
                 stat.S_IFCHR: "char", stat.S_IFBLK: "block", stat.S_IFSOCK: "socket"}
        values = {"type": kinds[stat.S_IFMT(st.st_mode)], "mode": "%o" % stat.S_IMODE(st.st_mode), "uid": st.st_uid,
                  "gid": st.st_gid, "size": st.st_size, "nlink": st.st_nlink,
                  "atime": "%d.%09d" % divmod(st.st_atime_ns, 10**9), "mtime": "%d.%09d" % divmod(st.st_mtime_ns, 10**9),
                  "blocks": "some" if st.st_blocks else "none"}
        return " ".join(str(values[f]) for f in fields)

    def call(self, user, words):
        """What one call gives on this side: its text, "0", or the errno's name."""
        name, groups = (user.split("+") + [""])[:2]
        os.chdir(self.top)
        mask = os.umask(0)
        os.umask(mask)
        try:
            if os.geteuid() == 0 and name != "root":
                os.setgroups([int(groups)] if groups else [])
                os.setegid(UIDS[name])
                os.seteuid(UIDS[name])
            got = getattr(self, "do_" + words[0])(*words[1:])
            return "0" if got is None else got
        except OSError as e:
            return "EOPNOTSUPP" if e.errno == errno.EOPNOTSUPP else errno.errorcode.get(e.errno, str(e.errno))
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
                os.setegid(0)
                os.setgroups([])

    def end(self):
        os.umask(0o022)
        for fd in self.fds.values():
            os.close(fd)
        os.chdir("/")
        for folder, inside, _ in os.walk(self.top):
            for name in inside:
                os.chmod(os.path.join(folder, name), 0o755)
        shutil.rmtree(self.top)


class Rule:
    def __init__(self, title):
        self.subject, _, self.title = title.partition(": ")
        self.steps = []  # user, words, wanted, wanted of the mount

    def add(self, line):
        call, _, answers = line.partition(" => ")
        wanted, _, of_mount = answers.partition(" | mount: ")
        user = "root"
        if call.startswith("@"):
            user, _, call = call[1:].partition(" ")
        words = [expand(w) for w in call.split()]
        if not hasattr(Side, "do_" + words[0]):
            raise Call("%s: what is '%s'?" % (self.title, words[0]))
        self.steps.append((user, words, expand(wanted.strip() or "0"), expand(of_mount.strip() or wanted.strip() or "0")))

    def needs_root(self):
        return any(user != "root" or words[0] in ("chown", "fchown", "mknod") for user, words, _, _ in self.steps)

    def differs(self):
        return any(wanted != of_mount for _, _, wanted, of_mount in self.steps)


def expand(word):
    word = word.replace("{elsewhere}", os.environ.get("SC_ELSEWHERE", "/dev/shm")).replace("{uid}", str(os.getuid())).replace("{gid}", str(os.getgid()))
    word = word.replace("{path}", "./" * 2048 + "x").replace("''", "")
    return re.sub(r"\{(\d+)\}", lambda m: "n" * int(m.group(1)), word)


def read_rules(path):
    rules = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            line = line.split(" # ")[0].rstrip()
            if line.startswith("== "):
                rules.append(Rule(line[3:]))
            elif line and not line.startswith("#"):
                rules[-1].add(line.strip())
    return rules


def for_all_calls():
    rules = []
    for title, first, path, answer, but in FOR_ALL:
        user, _, name = path.rpartition(" ")
        for call in WITH_PATH:
            words, _, of_mount = call.partition(" | mount: ")
            if words.split()[0] in but:
                continue
            rule = Rule("%s: %s (%s)" % (words.split()[0], title, words))
            for step in ["create file 666", "umask 022"] + first:
                rule.add(step)
            rule.add("%s %s => %s" % (user, " ".join(name if w == "P" else w for w in words.split()), answer) if user else
                     "%s => %s" % (" ".join(name if w == "P" else w for w in words.split()), answer))
            rules.append(rule)
    return rules


def run(rule, number, tops, verbose):
    """What went wrong, None when nothing did."""
    sides = []
    for top in tops:
        own = os.path.join(top, "rule-%d" % number)
        os.mkdir(own)
        os.chmod(own, 0o777)
        sides.append(Side(own))
    under_test, native = sides
    wrong = None
    for user, words, wanted, of_mount in rule.steps:
        got = native.call(user, words)
        if got != wanted:
            wrong = "natively '%s %s' gives %s, the rule says %s" % (user, " ".join(words)[:200], got, wanted)
        got = under_test.call(user, words)
        if verbose:
            print("   %-6s %-50s %s" % (user, " ".join(words)[:80], got))
        if wrong is None and got != of_mount:
            wrong = "'%s %s' gives %s under test, not %s" % (user, " ".join(words)[:200], got, of_mount)
        if wrong:
            break
    for side in sides:
        side.end()
    return wrong


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-v", action="store_true", dest="verbose")
    p.add_argument("--table", action="store_true")
    p.add_argument("--without", default="", help="a subject to leave out")
    p.add_argument("dirs", nargs=2, metavar="DIR")
    p.add_argument("rules")
    a = p.parse_args()
    os.umask(0o022)
    rules = [r for r in read_rules(a.rules) + for_all_calls() if r.subject != a.without]
    counts, failed, left_out, calls = {}, 0, 0, 0
    for number, rule in enumerate(rules):
        if os.getuid() != 0 and rule.needs_root():
            left_out += 1
            continue
        if a.verbose:
            print("%s: %s" % (rule.subject, rule.title))
        wrong = run(rule, number, [os.path.realpath(d) for d in a.dirs], a.verbose)
        if wrong:
            failed += 1
            print("%s: %s: %s" % (rule.subject, rule.title, wrong))
        calls += len(rule.steps)
        total, different = counts.get(rule.subject, (0, 0))
        counts[rule.subject] = total + 1, different + rule.differs()
    if a.table:
        print("| subject | rules | with a deliberate difference |\n| --- | ---: | ---: |")
        for subject, (total, different) in sorted(counts.items()):
            print("| %s | %d | %d |" % (subject, total, different))
    print("%d rules, %d calls on each side, %d rules with a deliberate difference, %d left out without root, %d broken" % (
        sum(c[0] for c in counts.values()), calls, sum(c[1] for c in counts.values()), left_out, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
