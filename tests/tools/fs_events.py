#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read `events` of a mount whose jobs change as fast as they can (numbered reports of test_worker).

    fs_events.py MOUNTPOINT LINES

Three open files: one reads LINES changes as they come and now and then compares with status, which
must not be older than what the line has told; one reads a few bytes at a time; one reads nothing
until the end, when it must be told exactly how much it has missed.
"""
import json
import os
import sys

MOUNT, WANTED = sys.argv[1], int(sys.argv[2])
STATUS_EVERY = 20
SMALL = 37


def stop(what, *more):
    sys.exit("%s: %s" % (what, " ".join(map(repr, more))))


def number_of(message):
    """The number in "Exporting clips... N"; a job that has ended is past all numbers."""
    words = message.rsplit(" ", 1)
    return int(words[1]) if words[0] == "Exporting clips..." and words[1].isdigit() else None


class Stream:
    """An open `events`: whole lines, and no number missing that was not owned up to."""

    def __init__(self, name, size):
        self.name, self.size = name, size
        self.fd = os.open(os.path.join(MOUNT, "events"), os.O_RDONLY)
        self.seq, self.first, self.changes, self.lost = None, None, 0, 0
        self.rest = b""

    def lines(self):
        """What one read brings."""
        data = os.read(self.fd, self.size)
        if not data:
            stop(self.name, "an empty read")
        *lines, self.rest = (self.rest + data).split(b"\n")
        if self.size > SMALL and self.rest:
            stop(self.name, "a line that is cut", self.rest)
        return [self.take(json.loads(line)) for line in lines]

    def take(self, line):
        step = line["lost"] if line["event"] == "lost" else 1
        if self.seq is None:
            self.first = line["seq"] - step + 1
        elif line["seq"] != self.seq + step:
            stop(self.name, "a number is missing", self.seq, line)
        self.seq = line["seq"]
        if line["event"] == "lost":
            self.lost += step
        else:
            self.changes += 1
        return line


def check_status(line):
    """Whoever was told of a change never reads an older text."""
    with open(os.path.join(MOUNT, "jobs", line["id"], "status"), encoding="utf-8") as f:
        status = json.load(f)
    told, found = number_of(line["message"]), number_of(status["message"])
    if status["attempt"] < line["attempt"] or (told and found and found < told):
        stop("status is older than an event", line, status)


def main():
    late, fast, small = Stream("late", 1 << 16), Stream("fast", 1 << 16), Stream("small", SMALL)
    compared = 0
    while fast.changes < WANTED:
        lines = fast.lines()
        if fast.changes // STATUS_EVERY > compared and lines[-1]["event"] != "lost":
            compared = fast.changes // STATUS_EVERY
            check_status(lines[-1])
    while small.changes < WANTED // 100:
        small.lines()
    while late.seq is None or late.seq < fast.seq:
        late.lines()
    if not late.lost:
        stop("nobody was told of a loss", late.changes)
    if late.first > fast.first or fast.first > small.first:
        stop("a reader does not begin at its open", late.first, fast.first, small.first)
    print("%d lines and %d lost, %d compared; late: %d lines and %d lost; small: %d and %d" % (
        fast.changes, fast.lost, compared, late.changes, late.lost, small.changes, small.lost))


main()
