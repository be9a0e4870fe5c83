#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cut a video at random places and compare: clip_random CUT_TOOL SOURCE [COUNT [SEED [MODES]]]

MODES: of exact, strict, keyframe and smart, with commas; the ranges are dealt out among them.

Half of the ranges lie anywhere, the others begin or end exactly at a frame, a microsecond beside
one, or hold a single frame. Prints the seed, which makes the same ranges again.
"""

import bisect
import json
import random
import subprocess
import sys
import tempfile
from fractions import Fraction

import compare_clips

MICRO = Fraction(1, 1000000)


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


def keyframe_times(media):
    """When the keyframes of the picture are shown."""
    packets = media.packets[media.video["index"]]
    if any("pts" not in p for p in packets):
        out = compare_clips.run("ffprobe", "-v", "error", "-select_streams",
                                str(media.video["index"]), "-show_entries", "frame=key_frame",
                                "-of", "csv=p=0", media.path)
        return [f[0] for f, line in zip(media.frames, out.split()) if line.startswith("1")]
    return sorted(Fraction(p["pts_time"]) - media.zero for p in packets
                  if "K" in p["flags"] and "pts_time" in p)


def sync_before(keys, times, time):
    """Where `keyframe` moves a bound to: the last keyframe until then, at the latest the first."""
    at = bisect.bisect_right([micro(k) for k in keys], time)
    return max(keys[at - 1] if at else times[0], times[0])


def expected(mode, media, wanted, presented_end):
    """(first time, end) of the clip of a range."""
    times = [f[0] for f in media.frames]
    start, stop = wanted
    if mode != "keyframe":
        shown = [t for t in times if start <= micro(t) < stop]
        return shown[0], next((t for t in times if micro(t) >= stop), presented_end)
    keys = keyframe_times(media)
    first = sync_before(keys, times, start)
    end = presented_end if stop >= presented_end - MICRO else sync_before(keys, times, stop)
    if end <= first:  # it is widened to the next one
        end = next((k for k in keys if k > first + MICRO), presented_end)
    return first, end


def cut(tool, source, clips, mode, ranges):
    """What cut_tool says: the source's duration, its lines for compare_clips."""
    text = ",".join(f"{float(a):.6f}-{float(b):.6f}" for a, b in ranges)
    more = ["strict"] if mode == "strict" else []
    done = subprocess.run([tool, source, clips, "exact" if more else mode, "0", "0", text, *more],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    lines = done.stdout.decode().splitlines()
    if done.returncode:
        sys.exit(f"cut_tool: {done.stderr.decode(errors='replace').strip().splitlines()[-1:]}")
    return Fraction(str(json.loads(lines[0])["duration"])), lines[1:]


def take_zero(tool, media):
    """Where a container's clock is coarse, ours may begin up to a tick of it elsewhere: lay the
    media's times there. -> what is wrong, or None"""
    times = [f[0] for f in media.frames]
    with tempfile.TemporaryDirectory() as work:
        _, lines = cut(tool, media.path, work, "exact", [(Fraction(0), times[-1])])
    moved = compare_clips.read_rows(lines)[0][1] - times[0]
    if abs(moved) > (2 * MICRO if media.is_mp4 else Fraction(11, 10000)):
        return f"the picture begins at {float(times[0] + moved):.6f}, not {float(times[0]):.6f}"
    if abs(moved) > 2 * MICRO:
        media.zero -= moved
        media.frames = [(time + moved, digest) for time, digest in media.frames]
    return None


def cut_and_compare(tool, media, mode, ranges):
    """Lines about what is wrong."""
    wrong = []
    with tempfile.TemporaryDirectory() as work:
        duration, lines = cut(tool, media.path, work, mode, ranges)
        rows = compare_clips.read_rows(lines)
        if len(rows) != len(ranges):
            return [f"{len(rows)} clips, not {len(ranges)}"]
        # The last frame's length is for the source to say; not every container does.
        last = media.frames[-1][0]
        if not last < duration <= last + max(2 * media.usual, media.longest()):
            wrong.append(f"the source ends at {float(duration):.6f}, its last frame is shown at "
                         f"{float(last):.6f}")
        for (name, start, lasts), wanted in zip(rows, ranges):
            first, end = expected(mode, media, wanted, duration)
            if abs(start - first) > 2 * MICRO or abs(start + lasts - end) > 2 * MICRO:
                wrong.append(f"{name}: {float(start):.6f} to {float(start + lasts):.6f}, not "
                             f"{float(first):.6f} to {float(end):.6f}")
        wrong += [line for line in compare_clips.compare(
            media.path, work, "exact" if mode == "strict" else mode, rows, False, media)
            if "before it" not in line]  # these ranges need not touch
    names = {row[0]: n for n, row in enumerate(rows)}
    return [f"{line} ({float(ranges[n][0]):.6f}-{float(ranges[n][1]):.6f})"
            if (n := names.get(line.split(":")[0])) is not None else line for line in wrong]


def main():
    tool, source = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(1 << 32)
    modes = sys.argv[5].split(",") if len(sys.argv) > 5 else ["exact"]
    print(f"seed {seed}", flush=True)
    media = compare_clips.Media(source, "as they are" if "smart" in modes else "")
    problem = take_zero(tool, media)
    if problem:
        print(problem)
        return 1
    ranges = random_ranges(random.Random(seed), [f[0] for f in media.frames], media.usual, count)
    wrong = 0
    for i, mode in enumerate(modes[:count]):
        for line in cut_and_compare(tool, media, mode, ranges[i::len(modes)]):
            print(f"{mode} {line}")
            wrong += 1
    print(f"{count} ranges, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
