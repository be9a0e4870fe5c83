#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compare clips with the video that they were cut from, by ffmpeg and ffprobe alone.

    compare_clips SOURCE CLIPDIR --mode exact|smart|keyframe|encode [--status STATUS.json] [--whole] [--late SECONDS]
    compare_clips --self-test CUT_TOOL [WORKDIR]

What is compared, clip by clip:

  frames   every decoded frame is the source's (by hash; in encode, and in smart up to the first
           packet that is copied, by likeness, and liker to it than to its neighbours), in order, none lost, none twice, at the source's times
  packets  exact, keyframe, and smart behind its head, but for MPEG-TS: every packet of picture and sound is the source's, byte for byte, in order
  sound    what is heard with the first frame is what is heard with it in the source, to the sample
           (Matroska: to the millisecond, its clock is no finer); it lasts as long as the picture
  file     it decodes without a message, rotation and language are the source's

With --late the source's picture is that much later than ffmpeg shows it: where an edit begins between
two frames, ffmpeg moves the picture, but not the sound, to the edit's start.

With --reference SOURCE is not what the clips were cut from, but shows and sounds the same: packets are
not compared. With --seams TIME,… ffmpeg does not play the sound of clips across these times to the
sample, and it is not compared.

With --status (a job's status, or lines of JSON from cut_tool) each clip must be exactly what its
start and duration say, in any order; clips that touch must leave no frame out between them. Without
it, or with --whole, the clips together must be the whole source.
Exit codes: 0 alike, 1 different (a line for each difference), 2 usage.
"""

import argparse
import bisect
import itertools
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from array import array
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

THUMB = (80, 45)  # what frames are made small to before likeness is measured
LIKENESS = ("encode", "smart")  # modes that make frames anew


def thumbs_of(mode):
    """What is wanted of a file's frames beside their hashes, by the mode of the clips."""
    return "deinterlaced" if mode == "encode" else "as they are" if mode in LIKENESS else ""


ENCODED_ERROR = 65  # mean square error that these may have: 30 dB
HEAD_ERROR = 6.5  # of a head in smart, beside which the source's own frames stand: 40 dB


# Said of streams whose frames are all right: a leading picture that was left out is not there to be
# forgotten; a decoder that begins at a recovery point makes up those that it has not seen.
HARMLESS = ("mmco: unref short failure", "probably corrupt input), discarding one")


MPEG = ("mpegts", "mpeg")  # whose clock counts 2^33 ticks
# Containers whose packets have start codes or headers that an MP4's have not.
WITH_HEADERS = ("mpegts", "mpeg", "mpegvideo", "aac", "avi", "mxf", "h264", "hevc", "asf")
BARE = ("h264", "hevc")  # without a container
# Their first packet gives no sound yet.
LATE_DECODERS = ("vorbis", "wmav1", "wmav2", "dts", "cook")


def run(*command, errors=None):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, check=False)
    text = done.stderr.decode(errors="replace").strip()
    if errors is not None:
        errors.extend([line for line in text.splitlines() if not line.endswith(HARMLESS)
                       and "[rawvideo @" not in line  # the thumbs' times, which nobody wants
                       and "Last message repeated" not in line][:1])
        if done.returncode and not errors:
            errors.append(f"exit code {done.returncode}")
    if errors is None and done.returncode:
        sys.exit(f"{' '.join(command)}: {text}")
    return done.stdout.decode()


class Media:
    """What ffmpeg says about a file. Times are seconds on the presented time line, as fractions."""

    def __init__(self, path, wants_thumbs=""):
        self.path = path
        self.errors = []
        info = json.loads(run("ffprobe", "-v", "error", "-show_streams", "-show_format",
                              "-show_packets", "-show_data_hash", "md5", "-of", "json", path))
        streams = info["streams"]
        self.video = next((s for s in streams if s["codec_type"] == "video"
                           and not s["disposition"].get("attached_pic")), None)
        self.audio = [s for s in streams if s["codec_type"] == "audio"]
        self.is_broadcast = info["format"]["format_name"] in WITH_HEADERS
        self.is_bare = info["format"]["format_name"] in BARE
        self.is_mp4 = "mp4" in info["format"]["format_name"]
        self.zero = Fraction(0) if self.is_mp4 else self._zero(info["format"])
        self.packets = {}
        for packet in info["packets"]:
            self.packets.setdefault(packet["stream_index"], []).append(packet)
        self.frames = []  # (time, hash)
        self.thumbs = []
        self.pcm = {}
        self.raw_pcm = {}  # the same without silence in gaps
        self._decode(wants_thumbs)
        if self.video:
            self.usual = self._usual()

    def count_overlapping(self, time):
        """Frames that lie before the keyframe of this time and are not shown before it, as joined
        recordings may have them."""
        packets = [(Fraction(p["pts_time"]), p["flags"])
                   for p in self.packets[self.video["index"]] if "pts_time" in p]
        at = next((i for i, (t, flags) in enumerate(packets) if t == time and "K" in flags), 0)
        return sum(t >= time for t, _ in packets[:at])

    def _zero(self, container):
        """A container without edit lists is presented from its first time stamp on. What sound has
        before 0 is a coder's delay: Matroska means it not to be heard. (In MPEG's it is the time before
        the clock began again.)"""
        zero = Fraction(container.get("start_time", "0"))
        if zero >= 0 or container["format_name"] in MPEG:
            return zero
        shown = [Fraction(self.video["start_time"])] if "start_time" in (self.video or {}) else []
        heard = [max(Fraction(s["start_time"]), 0) for s in self.audio if "start_time" in s]
        return min(shown + heard, default=zero)

    def _decode(self, wants_thumbs):
        """Everything in one go: hashes of frames, thumbs, one channel of each sound."""
        with tempfile.TemporaryDirectory() as work:
            args = []
            if self.video:
                args += ["-map", f"0:{self.video['index']}", "-fps_mode", "passthrough",
                         "-enc_time_base", self.video["time_base"].replace("/", ":"),
                         "-noautoscale",  # pictures may change their size midway
                         "-f", "framemd5", f"{work}/frames"]
                if wants_thumbs:
                    fields = "" if wants_thumbs != "deinterlaced" or \
                        self.video.get("field_order") in (None, "unknown", "progressive") \
                        else "bwdif=mode=send_frame:deint=interlaced,"
                    args += ["-map", f"0:{self.video['index']}", "-fps_mode", "passthrough", "-vf",
                             f"{fields}scale={THUMB[0]}:{THUMB[1]}:flags=area,format=gray",
                             "-f", "rawvideo", f"{work}/thumbs"]
            for stream in self.audio:
                args += ["-map", f"0:{stream['index']}", "-ac", "1", "-f", "s16le",
                         f"{work}/{stream['index']}.pcm"]
            # FFmpeg 5.1's wrapper of dav1d shows what an edit list hides; 7.1's own decoder of Speex
            # puts silence behind each frame of wideband.
            decoder = ["-c:v", "libaom-av1"] if self.video and \
                self.video["codec_name"] == "av1" else []
            for stream in self.audio:
                if stream["codec_name"] == "speex":
                    decoder += [f"-c:{stream['index']}", "libspeex"]
            run("ffmpeg", "-nostdin", "-v", "error", "-noautorotate", "-copyts", *decoder,
                "-i", self.path,
                *args, errors=self.errors)
            if self.video and os.path.exists(f"{work}/frames"):
                self._read_frames(f"{work}/frames")
                self._mend_times()
                self._begin_with_picture()
            if wants_thumbs and os.path.exists(f"{work}/thumbs"):
                with open(f"{work}/thumbs", "rb") as f:
                    raw = f.read()
                size = THUMB[0] * THUMB[1]
                self.thumbs = [raw[i:i + size] for i in range(0, len(raw), size)]
            for stream in self.audio:
                self._read_sound(stream, f"{work}/{stream['index']}.pcm")

    def _read_frames(self, path):
        base = Fraction(1)
        with open(path, encoding="ascii") as f:
            for line in f:
                if line.startswith("#tb"):
                    base = Fraction(line.split()[-1])
                elif line.strip() and not line.startswith("#"):
                    fields = [field.strip() for field in line.split(",")]
                    self.frames.append((int(fields[2]) * base - self.zero, fields[5]))

    def _mend_times(self):
        """Where the container does not say when each frame is shown, ffmpeg guesses badly: then the
        frames follow each other as the packets do, else at the stream's rate."""
        packets = self.packets.get(self.video["index"], [])
        if not self.frames:
            return
        if self.parts(self.video) > 1 and len(packets) == len(self.frames):
            self._join_parts(packets)
            return
        if all("pts" in p for p in packets):
            return
        base = Fraction(self.video["time_base"])
        coded = [p["dts"] * base for p in packets if "dts" in p]
        if len(coded) == len(self.frames):  # those of AVI leave out what has no packet
            times = [time - coded[0] for time in coded]
        else:
            # FFmpeg 7.1 gives the rate of fields as r_frame_rate, and of a stream without a
            # container a mean that says nothing.
            rates = [self.video[key] for key in ("avg_frame_rate", "r_frame_rate")]
            rate = next(Fraction(rate) for rate in rates if not rate.startswith("0/"))
            if self.is_bare and Fraction(rates[1]) != rate:
                rate = Fraction(rates[1]) / (2 if self.video["codec_name"] == "h264" else 1)
            times = [i / rate for i in range(len(self.frames))]
        self.frames = [(self.frames[0][0] + time, f[1]) for time, f in zip(times, self.frames)]

    def _times(self, stream):
        """The packets' times, each row of them that a clock gives without going back."""
        rows = []
        for time in (Fraction(p["pts_time"]) for p in self.packets.get(stream["index"], [])
                     if "pts_time" in p):
            if not rows or time < max(rows[-1]) - Fraction(1, 2):
                rows.append([])
            rows[-1].append(time)
        return rows

    def parts(self, stream):
        return 1 if self.is_mp4 else len(self._times(stream))

    def _join_parts(self, packets):
        """A clock that begins again goes on where that before has ended, in all streams by as much.
        Only where pictures are shown in the order that they are coded in."""
        rows = [self._times(s) for s in [self.video] + self.audio]
        shift, times = Fraction(0), list(rows[0][0])
        for k in range(1, len(rows[0])):
            shift = max(r[k - 1][-1] + shift + r[k - 1][-1] - r[k - 1][-2] - r[k][0]
                        for r in rows if len(r) == len(rows[0]))
            times += [time + shift for time in rows[0][k]]
        self.frames = [(time - self.zero, f[1]) for time, f in zip(times, self.frames)]

    def _begin_with_picture(self):
        """Without sound nothing begins before the first frame; in AVI that has a later time than
        the first packet where the order of frames is not the packets'."""
        if self.frames and not self.is_mp4 and not self.audio:
            first = self.frames[0][0]
            self.zero += first
            self.frames = [(time - first, digest) for time, digest in self.frames]

    def _read_sound(self, stream, path):
        pcm = array("h")
        if os.path.exists(path):
            with open(path, "rb") as f:
                raw = f.read()
            pcm.frombytes(raw[:len(raw) // 2 * 2])
        self.raw_pcm[stream["index"]] = pcm
        self.pcm[stream["index"]] = self._fill_gaps(stream, pcm) if self._has_gaps(stream) else pcm

    def _usual(self):
        steps = sorted(b[0] - a[0] for a, b in zip(self.frames, self.frames[1:]))
        return steps[len(steps) // 2] if steps else Fraction(1, 25)

    def longest(self):
        """How long a frame is shown at the longest."""
        return max((b[0] - a[0] for a, b in zip(self.frames, self.frames[1:])), default=self.usual)

    def packet_hashes(self, stream):
        """(hash, whether it is a keyframe) of each packet, in the file's order."""
        return [(p["data_hash"], "K" in p["flags"]) for p in self.packets.get(stream["index"], [])]

    def is_leading(self, keyframe, number):
        """Whether a packet of the picture is shown before the keyframe that it stands behind."""
        packets = self.packets[self.video["index"]]
        times = [packets[i].get("pts") for i in (keyframe, number)]
        return None in times or times[1] < times[0]

    def has_open_groups(self):
        """Whether some picture is shown before the keyframe that it stands behind."""
        last = None
        for packet in self.packets[self.video["index"]]:
            if "K" in packet["flags"]:
                last = packet["pts"]
            elif last is not None and packet["pts"] < last:
                return True
        return False

    def sound(self, stream, rate, has_gaps=True):
        """One channel at a rate, and the presented time of its first sample."""
        pcm = (self.pcm if has_gaps else self.raw_pcm)[stream["index"]]
        if int(stream["sample_rate"]) != rate:
            step = Fraction(int(stream["sample_rate"]), rate)
            pcm = array("h", (pcm[int(i * step)] for i in range(int(len(pcm) / step))))
        start = Fraction(stream.get("start_time", "0"))
        if not self.is_mp4 and stream["codec_name"] == "opus":
            start = max(start, Fraction(0))  # the decoder itself drops what comes before
        if (not self.is_mp4 and (stream["codec_name"] in LATE_DECODERS or self.errors)) or \
                self._is_late(stream):
            start = self._first_sound(stream, start)
        return pcm, start - self.zero

    def _is_late(self, stream):
        """Whether an MP4's first packet of AAC without an edit list gives no sound, as ffmpeg skips it."""
        packets = self.packets.get(stream["index"], [])
        return self.is_mp4 and stream["codec_name"] == "aac" and bool(packets) and \
            all("D" not in p["flags"] for p in packets) and \
            len(self.raw_pcm[stream["index"]]) <= (len(packets) - 1) * 1024

    def _first_sound(self, stream, default):
        """When the first frame that comes out of the decoder begins."""
        out = run("ffprobe", "-v", "error", "-select_streams", str(stream["index"]), "-show_frames",
                  "-read_intervals", "%+#20", "-show_entries", "frame=pts_time", "-of", "json",
                  self.path)
        times = [f["pts_time"] for f in json.loads(out)["frames"] if "pts_time" in f]
        return Fraction(times[0]) if times else default

    def _steps(self, stream):
        """From the beginning of each packet of sound to the next's."""
        times = [Fraction(p["pts_time"]) for p in self.packets.get(stream["index"], [])
                 if "pts_time" in p]
        steps = [b - a for a, b in zip(times, times[1:])]
        # Where the clock begins again is no step.
        return [s for s in steps if s > Fraction(-1, 2)] if self.parts(stream) > 1 else steps

    def _has_gaps(self, stream):
        steps = self._steps(stream)
        return bool(steps) and not self.jitter(stream) and \
            max(steps) > sorted(steps)[len(steps) // 2] + Fraction(1, 200)

    def jitter(self, stream):
        """How far packets' times lie from those that their lengths make, where a recorder noted
        when each came: some are late, and the next ones early again. 0 where they do not."""
        steps = self._steps(stream)
        usual = sorted(steps)[len(steps) // 2] if steps else 0
        if not steps or min(steps) >= usual - Fraction(1, 200):
            return Fraction(0)
        off = list(itertools.accumulate(step - usual for step in steps))
        return max(off) - min(off)

    def _fill_gaps(self, stream, pcm):
        """Put silence where the time stamps leave a gap, so that places in it are times."""
        out = run("ffprobe", "-v", "error", "-select_streams", str(stream["index"]), "-show_frames",
                  "-show_entries", "frame=pts_time,nb_samples", "-of", "json", self.path)
        rate = int(stream["sample_rate"])
        filled = array("h")
        taken = 0
        zero = None
        for frame in json.loads(out)["frames"]:
            time = Fraction(frame["pts_time"]) if "pts_time" in frame else None
            zero = time if zero is None else zero
            gap = round((time - zero) * rate) - len(filled) if time is not None else 0
            if gap > rate // 200:
                filled.extend([0] * gap)
            filled.extend(pcm[taken:taken + frame["nb_samples"]])
            taken += frame["nb_samples"]
        return filled if len(filled) > len(pcm) else pcm

    def rotation(self):
        for side in (self.video or {}).get("side_data_list", []):
            if "rotation" in side:
                return int(side["rotation"])
        return 0


def language(stream):
    return stream.get("tags", {}).get("language", "und")


def likeness(a, b):
    """Mean square error of two thumbs."""
    return sum((x - y) * (x - y) for x, y in zip(a, b)) / len(a)


def find_run(needle, hay, near):
    """Where needle stands in hay in one piece, the place nearest to `near`; None when nowhere."""
    if not needle:
        return None
    places = [i for i in range(len(hay) - len(needle) + 1)
              if hay[i] == needle[0] and hay[i:i + len(needle)] == needle]
    return min(places, key=lambda i: abs(i - near), default=None)


def follow_packets(mine, theirs, is_leading, near):
    """Follow the packets of a clip through the source's: (how many can be followed, place of the
    first, place of the last that was). Encoders write the same packet many times where nothing
    moves, so a packet alone does not tell its place, only the whole run does. Where several runs
    are equally long it is the one nearest to `near`. Only the leading pictures right behind an open
    group's keyframe may be left out."""
    best = (0, 0, 0, -1, -1)
    for first in (i for i, h in enumerate(theirs) if h == mine[0]):
        second = first + 1
        while True:
            more = 0
            while more + 1 < len(mine) and second + more < len(theirs) and \
                    mine[more + 1] == theirs[second + more]:
                more += 1
            skipped = second - first - 1
            last = second + more - 1 if more else first
            best = max(best, (more + 1, -abs(first - near), -skipped, first, last))
            if second >= len(theirs) or not is_leading(first, second):
                break
            second += 1
    return best[0], best[3], best[4]


def what_broke(theirs, packet, number, last):
    """Why a clip's packet does not follow the source's packet at `last`."""
    if packet not in theirs:
        return f"packet {number} of the picture is not in the source"
    if packet in theirs[last + 1:]:
        return f"packets are missing before packet {number} of the picture"
    return f"packet {number} of the picture is out of order"


class Comparison:
    def __init__(self, source, mode, failures, late, seams):
        self.source = source
        self.seams = seams
        self.late = late
        self.mode = mode
        self.failures = failures
        self.used = []  # per clip: (first, last) frame of the source

    def fail(self, clip, text):
        self.failures.append(f"{os.path.basename(clip.path)}: {text}" if clip else text)

    # ---- frames

    def compare_frames(self, clip, want):
        """want: range of the source's frame numbers, or None: by content."""
        if want is None:
            first = self.used[-1][1] + 1 if self.used else 0
            want = range(first, min(first + len(clip.frames), len(self.source.frames)))
        self.used.append((want.start, want.stop - 1))
        if not want or not clip.frames:
            self.fail(clip, f"{len(clip.frames)} frames, of {len(want)} expected")
            return False
        if len(want) != len(clip.frames):
            self.fail(clip, f"{len(clip.frames)} frames, not {len(want)} (the source's "
                            f"{want.start} to {want.stop - 1})")
        start = self.source.frames[want.start][0]
        # Time stamps of both containers are rounded: half a millisecond each at the worst.
        slack = Fraction(1, 50000) if self.source.is_mp4 else Fraction(11, 10000)
        clip.n_head = self.count_head(clip)
        for i, number in enumerate(want[:len(clip.frames)]):
            if not self.is_alike(clip, i, number):
                self.fail(clip, f"frame {i} is not the source's frame {number}"
                                f"{self.what_it_is(clip, i)}")
                return False
            off = (clip.frames[i][0] - clip.frames[0][0]) - (self.source.frames[number][0] - start)
            if abs(off) > slack:
                self.fail(clip, f"frame {i} is shown {float(off) * 1000:.3f} ms off")
                return False
        return len(want) == len(clip.frames)

    def is_alike(self, clip, i, number):
        if self.mode != "encode" and i >= clip.n_head:
            return clip.frames[i][1] == self.source.frames[number][1]
        here = likeness(clip.thumbs[i], self.source.thumbs[number])
        if here > (ENCODED_ERROR if self.mode == "encode" else HEAD_ERROR):
            return False
        return all(here <= likeness(clip.thumbs[i], self.source.thumbs[n])
                   for n in (number - 1, number + 1) if 0 <= n < len(self.source.frames)
                   and self.can_be_told(number, n, here))

    def can_be_told(self, number, other, noise):
        """Whether two frames of the source differ by more than what coding does to one."""
        return likeness(self.source.thumbs[number], self.source.thumbs[other]) > 1 + 4 * noise

    def count_head(self, clip):
        """How many packets, and so frames, a clip begins with that are not the source's."""
        if self.mode != "smart" or self.source.is_broadcast:
            return 0 if self.mode != "smart" else self.count_head_frames(clip)
        theirs = {h for h, _ in self.source.packet_hashes(self.source.video)}
        mine = [h for h, _ in clip.packet_hashes(clip.video)]
        return next((i for i, h in enumerate(mine) if h in theirs), len(mine))

    def count_head_frames(self, clip):
        """The same where packets cannot be compared: up to the first frame that is the source's."""
        theirs = {h for _, h in self.source.frames}
        return next((i for i, f in enumerate(clip.frames) if f[1] in theirs), len(clip.frames))

    def what_it_is(self, clip, i):
        if self.mode == "encode":
            return ""
        numbers = [n for n, f in enumerate(self.source.frames) if f[1] == clip.frames[i][1]]
        return f" but {numbers[0]}" if numbers else " nor any other"

    # ---- packets

    def compare_packets(self, clip):
        stream = clip.video
        if self.mode == "encode" or self.source.is_broadcast:
            return
        if stream:
            self.compare_picture_packets(clip)
        for mine, theirs in zip(clip.audio, self.source.audio):
            if self.is_recoded(mine, theirs):
                continue
            needle = [h for h, _ in clip.packet_hashes(mine)]
            hay = [h for h, _ in self.source.packet_hashes(theirs)]
            if find_run(needle, hay, 0) is None:
                self.fail(clip, "its packets of sound are not the source's")

    def is_recoded(self, mine, theirs):
        return self.mode == "encode" or mine["codec_name"] != theirs["codec_name"]

    def compare_picture_packets(self, clip):
        mine = clip.packet_hashes(clip.video)
        if not mine:
            self.fail(clip, "it has no packet of the picture")
            return
        if not mine[0][1]:
            self.fail(clip, "its first packet is no keyframe")
        self.check_head(clip)
        mine = mine[clip.n_head:]
        if not mine:
            return
        if not mine[0][1]:
            self.fail(clip, "the first packet that is copied is no keyframe")
        hashes = [h for h, _ in mine]
        theirs = self.source.packet_hashes(self.source.video)
        followed, first, last = follow_packets(hashes, [h for h, _ in theirs],
                                               self.source.is_leading, self.used[-1][0])
        if followed < len(mine):
            self.fail(clip, what_broke([h for h, _ in theirs], hashes[followed],
                                       clip.n_head + followed, last))
            return
        self.keyframe_packets.append((first, last))

    def check_head(self, clip):
        """Nothing is encoded from the first of the source's closed groups on; of HEVC, of any."""
        if not clip.n_head or (self.source.has_open_groups() and self.source.video["codec_name"] != "hevc"):
            return
        first, last = self.used[-1]
        keys = [Fraction(p["pts_time"]) - self.source.zero + self.late for p in
                self.source.packets[self.source.video["index"]] if "K" in p["flags"]]
        slack = self.source.usual / 4  # joined recordings may have frames nearer than usual
        behind = bisect.bisect_left(keys, self.source.frames[first][0] - slack)
        want = last + 1 - first
        if behind < len(keys):
            times = [f[0] for f in self.source.frames]
            at = bisect.bisect_left(times, keys[behind] - slack)
            at += self.source.count_overlapping(keys[behind] + self.source.zero - self.late)
            want = min(want, at - first)
        if clip.n_head != want:
            self.fail(clip, f"{clip.n_head} frames are encoded, not {want}")

    # ---- sound

    def compare_sound(self, clip):
        if not clip.audio and self.source.audio and self.source.video:
            at = self.source.frames[self.used[-1][0]][0]
            if all(at >= Fraction(s["start_time"]) - self.source.zero + Fraction(s["duration"]) -
                   Fraction(1, 40) for s in self.source.audio if "duration" in s):
                return  # the source is silent there
        if len(clip.audio) != len(self.source.audio):
            self.fail(clip, f"{len(clip.audio)} streams of sound, not {len(self.source.audio)}")
            return
        for mine, theirs in zip(clip.audio, self.source.audio):
            if language(mine) != language(theirs):
                self.fail(clip, f"language {language(mine)}, not {language(theirs)}")
            self.compare_one_sound(clip, mine, theirs)

    def compare_one_sound(self, clip, mine, theirs):
        rate = int(theirs["sample_rate"])
        jitter = self.source.jitter(theirs)
        got, got_start = clip.sound(mine, rate, not jitter)
        want, want_start = self.source.sound(theirs, rate)
        if self.source.video:
            at = self.source.frames[self.used[-1][0]][0]
            end = self.picture_end(self.used[-1][1])
            shown_at = clip.frames[0][0]
        else:
            at, end = self.ranges[-1]
            shown_at = Fraction(0)
        if any(at < seam < end for seam in self.seams):
            return
        offset = round((at + got_start - shown_at - want_start) * rate)
        bound = rate // 500 if self.mode == "encode" else 1 if self.source.is_mp4 else rate * 11 // 10000
        bound += round(jitter * rate)
        if self.source.parts(theirs) > 1:  # between its parts it may have a hole, too small to be filled
            bound += rate // 200
        times = [Fraction(p["pts_time"]) for p in self.source.packets[theirs["index"]][:50]
                 if "pts_time" in p]
        theirs_packet = round(max((b - a for a, b in zip(times, times[1:])), default=0) * rate)
        is_recoded = self.is_recoded(mine, theirs)
        lasts = round((end - at) * rate)
        # Behind the clip's end a packet that was encoded anew is silent.
        lag = self.find_lag(got[:lasts] if is_recoded else got, want, offset, bound, rate, is_recoded)
        if lag is None:
            self.fail(clip, "its sound is not the source's there")
        elif abs(lag) > bound:
            self.fail(clip, f"its sound is moved by {1000 * lag / rate:.2f} ms ({lag} samples)")
        sounding = min(lasts, len(want) - max(offset, 0))
        heard = len(got) + round((got_start - shown_at) * rate)
        # Decoders by ffmpeg overrun the end by a packet at most.
        if not -bound - 1100 <= heard - sounding <= max(2200, theirs_packet):
            self.fail(clip, f"{heard} samples of sound, not {sounding}")

    def picture_end(self, number):
        frames = self.source.frames
        return frames[number + 1][0] if number + 1 < len(frames) else \
            frames[number][0] + self.source.usual

    def find_lag(self, got, want, offset, bound, rate, is_recoded):
        """How far the clip's sound lies from where it should, in samples; bounded search."""
        reach = max(1000, bound)
        length = min(len(got), 3 * rate // 2)
        rng = random.Random(7)
        points = [p for p in (rng.randrange(length) for _ in range(900))
                  if reach <= offset + p < len(want) - reach] if length else []
        if len(points) < 50:
            return 0 if length < 2100 else None
        loud = sum(abs(got[p]) for p in points) / len(points)
        if loud < 20:
            return 0  # silence is alike everywhere

        def error(lag):
            return sum(abs(got[p] - want[offset + p + lag]) for p in points) / len(points)

        near = min((error(lag), abs(lag), lag) for lag in range(-bound, bound + 1))
        if near[0] <= loud / 200:
            return near[2]
        step = 1 if bound < 10 else 3
        far = min((error(lag), abs(lag), lag) for lag in range(-reach, reach + 1, step))
        # A coder's noise drowns the difference in what is too short.
        doubt = 1.05 if length > rate // 5 else 1.5
        best = near if near[0] <= far[0] * doubt + 1 else far
        # Noise that a coder only describes comes out anew each time.
        return best[2] if best[0] < loud * 0.5 else None

    # ---- all

    def compare(self, clips, ranges, is_whole):
        self.keyframe_packets = []
        self.ranges = []
        times = [f[0] for f in self.source.frames]
        half = self.source.usual / 2 if self.source.video else 0
        for i, clip in enumerate(clips):
            want = None
            for error in clip.errors:
                self.fail(clip, f"ffmpeg says: {error}")
            if bool(clip.video) != bool(self.source.video):
                self.fail(clip, "one has a picture, the other has not")
                continue
            if ranges:
                start, duration = ranges[i]
                self.ranges.append((start, start + duration))
                slack = min(half, duration / 2)
                stop = bisect.bisect_left(times, start + duration - slack)
                if i + 1 == len(clips) and times and start + duration > times[-1] + Fraction(1, 500):
                    stop = len(times)  # the last frame may be shown but shortly
                want = range(bisect.bisect_left(times, start - slack), stop)
            elif not self.source.video:
                start = self.ranges[-1][1] if self.ranges else Fraction(0)
                rate = int(clip.audio[0]["sample_rate"])
                pcm, _ = clip.sound(clip.audio[0], rate)
                self.ranges.append((start, start + Fraction(len(pcm), rate)))
            if clip.video and not self.compare_frames(clip, want):
                continue
            self.compare_packets(clip)
            self.compare_sound(clip)
            if clip.rotation() != self.source.rotation():
                self.fail(clip, f"rotated by {clip.rotation()}, not {self.source.rotation()}")
        if self.source.video and len(self.used) == len(clips):
            self.compare_neighbours(clips, bool(ranges), is_whole)

    def compare_neighbours(self, clips, has_ranges, is_whole):
        for i in range(1, len(self.used)):
            gap = self.used[i][0] - self.used[i - 1][1] - 1
            if is_whole and gap or (has_ranges and 0 < gap <= 2):
                self.fail(clips[i], f"{abs(gap)} frames {'lost' if gap > 0 else 'twice'} before it")
        if is_whole:
            lost = len(self.source.frames) - 1 - self.used[-1][1]
            if self.used[0][0] or lost:
                self.fail(None, f"the source's first {self.used[0][0]} and last {lost} frames are in "
                                "no clip")
        if self.mode == "keyframe":
            for i, clip in enumerate(clips):
                number = self.used[i][0]
                if clip.frames[0][0] != 0:
                    self.fail(clip, f"begins {float(clip.frames[0][0]) * 1000:.3f} ms late")
                if i and self.used[i - 1][1] + 1 == number and i < len(self.keyframe_packets) and \
                        self.keyframe_packets[i][0] > self.keyframe_packets[i - 1][1] + 1:
                    self.fail(clip, "packets are lost before it")


def read_status(path):
    """(filename, start, duration) of each clip, from a job's status or cut_tool's lines; or that
    list itself."""
    if isinstance(path, list):
        return path
    with open(path, encoding="utf-8") as f:
        text = f.read()
    try:
        found = json.loads(text)
        artifacts = found["result"]["artifacts"] if "result" in found else []
    except json.JSONDecodeError:
        return read_rows(text.splitlines())
    return rows_of(artifacts)


def read_rows(lines):
    """The same from cut_tool's lines."""
    return rows_of(json.loads(line) for line in lines)


def rows_of(artifacts):
    return [(a["filename"], Fraction(str(a["start"])), Fraction(str(a["duration"])))
            for a in artifacts if "filename" in a]


def compare(source_path, directory, mode, status, is_whole, source=None, late=0, seams=()):
    failures = []
    names = sorted(n for n in os.listdir(directory) if n.startswith("clip_"))
    ranges = []
    if status:
        rows = read_status(status)
        if sorted(r[0] for r in rows) != names:
            return [f"the status names {len(rows)} clips, the directory holds {len(names)}: {names}"]
        names = [r[0] for r in rows]
        ranges = [(r[1], r[2]) for r in rows]
    if not names:
        return ["there is no clip"]
    with ThreadPoolExecutor(2) as pool:
        known = None if source else pool.submit(Media, source_path, thumbs_of(mode))
        clips = list(pool.map(lambda n: Media(os.path.join(directory, n), thumbs_of(mode)), names))
    source = source or known.result()
    source.frames = [(time + late, digest) for time, digest in source.frames]
    Comparison(source, mode, failures, late, seams).compare(clips, ranges, is_whole or not status)
    return failures


# ---- the comparison's own test: it must see each kind of damage

def make_source(path):
    run("ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i",
        "testsrc2=duration=6:rate=30000/1001:size=160x90", "-f", "lavfi", "-i",
        "aevalsrc='0.4*sin(2*PI*(300*t+40*t*t))':duration=6:sample_rate=48000",
        "-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "47", "-pix_fmt", "yuv420p",
        "-c:a", "aac", "-b:a", "96k", path)


def cut(tool, source, directory, ranges, mode="exact", *more):
    os.makedirs(directory)
    lines = run(tool, source, directory, mode, "2", "50", *([ranges] if ranges else []), *more)
    with open(directory + ".json", "w", encoding="utf-8") as f:
        f.write(lines)


def flip_byte(path):
    """Alter one byte in the middle of a packet of the picture."""
    out = run("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pos,size",
              "-of", "csv=p=0", path)
    size, pos = [int(v) for v in out.splitlines()[20].strip().rstrip(",").split(",")[:2]]
    with open(path, "r+b") as f:
        f.seek(pos + size // 2)
        byte = f.read(1)[0]
        f.seek(pos + size // 2)
        f.write(bytes([byte ^ 0x55]))


def move_sound(path, samples):
    """Move the second track's edit list."""
    with open(path, "r+b") as f:
        data = f.read(1 << 20)
        at = data.index(b"elst", data.index(b"elst") + 4) + 4
        assert data[at] == 0
        at += 8 + 4
        (time,) = struct.unpack(">i", data[at:at + 4])
        f.seek(at)
        f.write(struct.pack(">i", time + samples))


def test_following():
    """Packets that are alike (a and b below) are told apart by where they stand. The source's x and
    y are leading pictures of K and L."""
    source = list("KaabacLxyaabaMaa")
    cases = [  # a clip, where it should be, how many packets, first and last place
        ("KaabacLxyaa", 0, (11, 0, 10)),
        ("Lxyaaba", 6, (7, 6, 12)),
        ("Laabac", 6, (5, 6, 12)),
        ("Laaba", 6, (5, 6, 12)),
        ("Lyaa", 6, (4, 6, 10)),
        ("Kabac", 0, (2, 0, 1)),     # one of the equal packets is lost
        ("Kaaabac", 0, (3, 0, 2)),   # one is there twice
        ("Kaaabc", 0, (3, 0, 2)),    # two have changed places
        ("Kaacba", 0, (3, 0, 2)),
        ("Kbac", 0, (1, 0, 0)),      # lost behind a keyframe, but not leading
        ("Lxaaba", 6, (2, 6, 7)),    # a later leading picture is lost
        ("Maaa", 13, (3, 13, 15)),
        ("aa", 10, (2, 9, 10)),
        ("aa", 15, (2, 14, 15)),
        ("q", 0, (0, -1, -1)),
    ]
    wrong = 0
    for clip, near, want in cases:
        got = follow_packets(list(clip), source, lambda _, i: source[i] in "xy", near)
        if got != want:
            print(f"packets {clip} of {''.join(source)}: {got}, not {want}")
            wrong += 1
    print(f"packets that are alike: {wrong} of {len(cases)} wrong")
    return wrong


def self_test(tool, work):
    source = os.path.join(work, "source.mp4")
    good = os.path.join(work, "good")
    make_source(source)
    cut(tool, source, good, "")
    bad_cuts = {"dropped": "1.99-3.95", "doubled": "1.95-4", "shifted": "2.02-4.02"}

    def replaced(directory, ranges):
        other = directory + ".cut"
        cut(tool, source, other, ranges)
        shutil.copy(os.path.join(other, "clip_001.mp4"), os.path.join(directory, "clip_002.mp4"))

    damages = {name: lambda d, r=ranges: replaced(d, r) for name, ranges in bad_cuts.items()}
    damages |= {
        "altered": lambda d: flip_byte(os.path.join(d, "clip_002.mp4")),
        "sound moved by 10 ms": lambda d: move_sound(os.path.join(d, "clip_002.mp4"), 480),
        "sound moved by 2 samples": lambda d: move_sound(os.path.join(d, "clip_002.mp4"), 2),
        "missing": lambda d: os.unlink(os.path.join(d, "clip_003.mp4")),
        "swapped": lambda d: (os.rename(os.path.join(d, "clip_001.mp4"), os.path.join(d, "x")),
                              os.rename(os.path.join(d, "clip_002.mp4"),
                                        os.path.join(d, "clip_001.mp4")),
                              os.rename(os.path.join(d, "x"), os.path.join(d, "clip_002.mp4"))),
        "truncated": lambda d: os.truncate(os.path.join(d, "clip_002.mp4"), 40000),
    }
    wrong = test_following()
    media = Media(source)
    for status in (None, good + ".json"):
        found = compare(source, good, "exact", status, True, media)
        print(f"good{' with status' if status else ''}: {found or 'alike'}")
        wrong += bool(found)
        for name, damage in damages.items():
            if status and name not in ("dropped", "doubled", "altered", "missing"):
                continue
            directory = os.path.join(work, name.replace(" ", "_") + ("_status" if status else ""))
            shutil.copytree(good, directory)
            damage(directory)
            found = compare(source, directory, "exact", status, False, media)
            print(f"{name}{' with status' if status else ''}: {found[0] if found else 'NOT SEEN'}")
            wrong += not found
    wrong += test_smart(tool, source, work)
    return 1 if wrong else 0


def test_smart(tool, source, work):
    """What is encoded of a clip is seen when it is no more like the source, or in another place;
    what is copied, as ever."""
    media = Media(source, True)
    good = os.path.join(work, "smart")
    cut(tool, source, good, "", "smart")
    found = compare(source, good, "smart", good + ".json", True, media)
    print(f"smart: {found or 'alike'}")
    wrong = bool(found)
    damages = {
        "moved": ("2.02-4.02", "smart"),
        "encoded badly": ("2.002-4.004", "encode", "quality=40"),
        "encoded well, but wholly": ("2.002-4.004", "encode", "quality=5"),
    }
    for name, (ranges, mode, *more) in damages.items():
        directory = os.path.join(work, "smart_" + name.replace(" ", "_"))
        other = directory + ".cut"
        shutil.copytree(good, directory)
        cut(tool, source, other, ranges, mode, *more)
        shutil.copy(os.path.join(other, "clip_001.mp4"), os.path.join(directory, "clip_002.mp4"))
        found = compare(source, directory, "smart", good + ".json", False, media)
        print(f"smart {name}: {found[0] if found else 'NOT SEEN'}")
        wrong += not found
    directory = os.path.join(work, "smart_altered")
    shutil.copytree(good, directory)
    flip_byte(os.path.join(directory, "clip_002.mp4"))
    found = compare(source, directory, "smart", None, False, media)
    print(f"smart altered: {found[0] if found else 'NOT SEEN'}")
    return wrong + (not found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?")
    parser.add_argument("directory", nargs="?")
    parser.add_argument("--mode", choices=["exact", "smart", "keyframe", "encode"], default="exact")
    parser.add_argument("--status")
    parser.add_argument("--late", type=Fraction, default=Fraction(0))
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--seams", type=lambda v: [Fraction(t) for t in v.split(",")], default=[])
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--self-test", metavar="CUT_TOOL")
    args = parser.parse_args()
    if args.self_test:
        with tempfile.TemporaryDirectory() as work:
            return self_test(args.self_test, work)
    if not args.source or not args.directory:
        parser.error("SOURCE and CLIPDIR are needed")
    source = Media(args.source, thumbs_of(args.mode)) if args.reference else None
    if source:
        source.is_broadcast = True
    failures = compare(args.source, args.directory, args.mode, args.status, args.whole, source,
                       args.late, args.seams)
    for line in failures:
        print(line)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
