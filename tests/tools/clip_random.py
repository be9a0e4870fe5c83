#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cut a video at random places and compare: clip_random CUT_TOOL SOURCE [COUNT [SEED [exact|smart]]]

Half of the ranges lie anywhere, the others begin or end exactly at a frame, a microsecond beside
one, or hold a single frame. Prints the seed, which makes the same ranges again.
"""

import os
import random
import subprocess
import sys
import tempfile
from fractions import Fraction

import compare_clips


def micro(time):
    """A frame's time as requests can name it: to the nearest microsecond."""
    return Fraction(int(time * 1000000 + Fraction(1, 2)), 1000000)


def random_ranges(rng, times, usual, count):
    end = times[-1] + usual
    ranges = []
    while len(ranges) < count:
        a = rng.randrange(len(times))
        kind = rng.randrange(6)
        if kind < 3:
            start = Fraction(rng.randrange(int(end * 1000000)), 1000000)
            stop = start + Fraction(rng.randrange(1000, 3000000), 1000000)
        elif kind == 3:  # one frame
            start, stop = times[a], times[a] + usual / 2
        else:  # at frames, or a microsecond beside them
            b = min(len(times) - 1, a + rng.randrange(1, 90))
            start, stop = times[a], times[b]
            start += Fraction(rng.randrange(-1, 2), 1000000)
        # What a request can say: whole microseconds.
        start = Fraction(max(0, round(start * 1000000)), 1000000)
        stop = Fraction(min(round(stop * 1000000), int(end * 1000000)), 1000000)
        if any(start <= micro(t) < stop for t in times):
            ranges.append((start, stop))
    return ranges


def main():
    tool, source = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    mode = sys.argv[5] if len(sys.argv) > 5 else "exact"
    media = compare_clips.Media(source)
    times = [f[0] for f in media.frames]
    ranges = random_ranges(random.Random(seed), times, media.usual, count)
    wrong = 0
    with tempfile.TemporaryDirectory() as work:
        clips = os.path.join(work, "clips")
        os.mkdir(clips)
        status = os.path.join(work, "status")
        text = ",".join(f"{float(a):.6f}-{float(b):.6f}" for a, b in ranges)
        with open(status, "w", encoding="utf-8") as f:
            subprocess.run([tool, source, clips, mode, "0", "0", text], stdout=f, check=True,
                           stderr=subprocess.DEVNULL)
        rows = compare_clips.read_status(status)
        if len(rows) != count:
            print(f"{len(rows)} clips, not {count}")
            wrong += 1
        for (name, start, duration), (a, b) in zip(rows, ranges):
            shown = [t for t in times if a <= micro(t) < b]
            behind = next((t for t in times if micro(t) >= b), times[-1] + media.usual)
            if abs(start - shown[0]) > Fraction(1, 500000) or \
                    abs(start + duration - behind) > Fraction(1, 500):
                print(f"{name}: {float(start):.6f} for {float(duration):.6f} s, asked for "
                      f"{float(a):.6f} to {float(b):.6f}: frames at {float(shown[0]):.6f} to "
                      f"{float(shown[-1]):.6f}")
                wrong += 1
        for line in compare_clips.compare(source, clips, mode, status, False):
            if "before it" not in line:  # these ranges need not touch
                print(line)
                wrong += 1
    print(f"{count} ranges, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
