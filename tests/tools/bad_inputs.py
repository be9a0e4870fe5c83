#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bad inputs, one a row: what becomes of each in `exact` and `encode`, and the word that says why.

    bad_inputs.py CUT_TOOL FOLDER [NAME…]

Small videos are made in FOLDER by ffmpeg and spoilt by Python. A row that expects clips has each of them
decoded by ffmpeg: a clip that gives no frame does not play. Exit status 1 when a row ends otherwise.
"""
import os
import shutil
import struct
import subprocess
import sys

TOOL, FOLDER = sys.argv[1:3]
SOUND = ("-f", "lavfi", "-i", "sine=d=6")
PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=6")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-b:v", "600k", "-threads", "1")


def run(*command):
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def ffmpeg(name, *args):
    """The bytes of a file that ffmpeg makes, once."""
    path = os.path.join(FOLDER, name)
    if not os.path.exists(path):
        run("ffmpeg", "-v", "error", "-y", *args, path)
    with open(path, "rb") as f:
        return bytearray(f.read())


def whole(kind="mp4", *args):
    main = os.path.join(FOLDER, "main.mp4")
    if not os.path.exists(main):
        ffmpeg("main.mp4", *PICTURE, *SOUND, *H264, "-c:a", "aac")
    tag = "".join(c for c in "".join(args) if c.isalnum())
    return ffmpeg(f"copy{tag}.{kind}", "-i", main, "-c", "copy", *args)


def zeroed(data, start, end):
    """Zeros between two places, as parts of the whole."""
    a, b = int(len(data) * start), int(len(data) * end)
    data[a:b] = bytes(b - a)
    return data


def cut_off(data, part):
    return data[:int(len(data) * part)]


def number(data, at):
    return int.from_bytes(data[at:at + 4], "big")


def put(data, at, value):
    data[at:at + 4] = value.to_bytes(4, "big")


def box(data, name, nth=0):
    """The place of the nth box of that type, behind its type."""
    at = -1
    for _ in range(nth + 1):
        at = data.index(name, at + 1)
    return at + 4


def longer_mdat(data):
    at = box(data, b"mdat") - 8
    put(data, at, number(data, at) + (1 << 20))
    return data


def absurd_size(data, sample, value):
    put(data, box(data, b"stsz") + 12 + 4 * sample, value)
    return data


def moved_chunks(data, first, distance, tracks=1):
    """The chunks of a track from the first on lie elsewhere."""
    for nth in range(tracks):
        at = box(data, b"stco", nth)
        for i in range(first, number(data, at + 4)):
            put(data, at + 8 + 4 * i, number(data, at + 8 + 4 * i) + distance)
    return data


def encrypted(data):
    at = box(data, b"avc1", 1)  # the first is a brand
    data[at - 4:at] = b"encv"
    return data


def piff():
    """Common encryption as ffmpeg writes it."""
    return ffmpeg("cenc.mp4", "-i", os.path.join(FOLDER, "main.mp4"), "-c", "copy", "-encryption_scheme",
                  "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb",
                  "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8")


def sized(width, height):
    """A description that names other pixels: tkhd and the sample entry."""
    data = whole()
    put(data, box(data, b"tkhd") + 76, width << 16)
    put(data, box(data, b"tkhd") + 80, height << 16)
    struct.pack_into(">HH", data, box(data, b"avc1", 1) + 24, width, height)
    return data


def many_tracks(n):
    """The same track over and over."""
    data = whole()
    at = box(data, b"moov") - 8
    moov = data[at:]
    start = box(moov, b"trak") - 8
    trak = moov[start:start + number(moov, start)]
    moov[start:start] = trak * n
    put(moov, 0, number(moov, 0) + len(trak) * n)
    return data[:at] + moov


def large_index():
    data = whole("mp4", "-movflags", "+faststart")
    put(data, box(data, b"moov") - 8, 0x7fffffff)
    path = os.path.join(FOLDER, "sparse")
    with open(path, "wb") as f:
        f.write(data)
        f.truncate(1 << 32)
    return path


def many_samples():
    """All of one size, so that their number is only a number."""
    data = whole("mp4", "-movflags", "+faststart")
    put(data, box(data, b"stsz") + 4, 1)
    put(data, box(data, b"stsz") + 8, 11000000)
    return data


def declared_fragments(declare):
    """A fragmented file that says how long it is, cut in its middle."""
    data = whole("mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof")
    at = box(data, b"mvex") - 8
    if declare == "mehd":
        new = struct.pack(">I4sII", 16, b"mehd", 0, 6000)
        put(data, at, number(data, at) + len(new))
        at += 8
        put(data, box(data, b"moov") - 8, number(data, box(data, b"moov") - 8) + len(new))
    else:
        new = struct.pack(">I4sIIIIIHH", 56, b"sidx", 0, 1, 1000, 0, 0, 0, 2)
        new += struct.pack(">III", 250000, 3000, 0x90000000) * 2
        at = box(data, b"moof") - 8
    data[at:at] = new
    return cut_off(data, 0.5)


def late_capture():
    """A broadcast stream from the middle of a group of pictures on, its clock at 58,000 s."""
    data = whole("ts", "-output_ts_offset", "58000", "-muxdelay", "0")
    return data[188 * (len(data) // 188 // 10):]


def pictures(data):
    """(seconds, place, size) of each picture."""
    path = os.path.join(FOLDER, "asked")
    with open(path, "wb") as f:
        f.write(data)
    out = run("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
              "packet=pts_time,size,pos", "-of", "csv=p=0", path).stdout.decode()
    for line in out.split():
        time, size, at = line.split(",")[:3]
        yield float(time), int(at), int(size)


def lost_pictures(data, start, end):
    """No picture between two times, in seconds."""
    for time, at, size in list(pictures(data)):
        if start <= time < end:
            data[at:at + size] = bytes(size)
    return data


def long_frames():
    """Each picture is shown for more than a day and a half, though nothing else says so."""
    data = whole().replace(b"edts", b"free")
    put(data, box(data, b"stts") + 12, 0x7fffffff)
    return data


def overlapping_fragments():
    data = whole("mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof")
    at = [i for i in range(len(data)) if data[i:i + 4] == b"tfdt"]
    third = at[4] if len(at) > 4 else at[-1]  # picture and sound take turns
    data[third + 8:third + 16] = (12800).to_bytes(8, "big")
    return data


BOTH = ("exact", "encode")
COPY = ("exact", "keyframe")
EXACT = ("exact",)
# name: how it is made, in which modes, code or number of clips of 1 s, a part of what is said
ROWS = {
    "whole": (lambda: whole(), BOTH, 6, ""),
    "zeros-mp4": (lambda: zeroed(whole(), 0.5, 0.53), BOTH + ("smart",), 6, "is damaged"),
    "zeros-mp4-keyframe": (lambda: zeroed(whole(), 0.5, 0.53), ("keyframe",), None, "is damaged"),
    "zeros-mkv": (lambda: zeroed(whole("mkv"), 0.5, 0.53), COPY, None, "is damaged"),
    "zeros-ts": (lambda: zeroed(whole("ts"), 0.5, 0.53), COPY, None, "is damaged"),
    "lost-pictures": (lambda: lost_pictures(whole(), 2, 4), ("encode",), 4, "clip 4 (3.000 to 4.000 s) is left out"),
    "lost-pictures-copied": (lambda: lost_pictures(whole(), 2, 4), EXACT, "INVALID_MEDIA", "nothing of clip 3"),
    "lost-all": (lambda: lost_pictures(whole(), 0, 9), ("encode",), "INVALID_MEDIA", "no frame of"),
    "mdat-longer": (lambda: longer_mdat(whole("mp4", "-movflags", "+faststart")), BOTH, 6, ""),
    "stsz-absurd": (lambda: absurd_size(whole(), 60, 0x7fffffff), BOTH, 6, "outside the file"),
    "stsz-absurd-front": (lambda: absurd_size(whole("mp4", "-movflags", "+faststart"), 60, 0x7fffffff),
                          ("encode",), 6, "outside the file"),
    "stsz-absurd-key": (lambda: absurd_size(whole(), 50, 0x01000000), BOTH, 6, "outside the file"),
    "chunk-outside": (lambda: moved_chunks(whole(), 140, 1 << 28), BOTH, None, "outside the file"),
    "all-outside": (lambda: moved_chunks(whole(), 0, 1 << 28, 2), EXACT, "UPLOAD_INCOMPLETE", "ends early"),
    "cut-mp4": (lambda: cut_off(whole("mp4", "-movflags", "+faststart"), 0.5), EXACT, "UPLOAD_INCOMPLETE",
                "ends early"),
    "cut-mehd": (lambda: declared_fragments("mehd"), EXACT, "UPLOAD_INCOMPLETE", "ends early"),
    "cut-sidx": (lambda: declared_fragments("sidx"), EXACT, "UPLOAD_INCOMPLETE", "ends early"),
    "cut-asf": (lambda: cut_off(ffmpeg("a.asf", *PICTURE, *SOUND, "-c:v", "msmpeg4", "-c:a", "wmav2"), 0.5),
                ("encode",), "UPLOAD_INCOMPLETE", "ends early"),
    "whole-asf": (lambda: ffmpeg("a.asf"), ("encode",), None, ""),
    "cut-mkv": (lambda: cut_off(whole("mkv"), 0.5), EXACT, "UPLOAD_INCOMPLETE", "ends early"),
    "encv": (lambda: encrypted(whole()), EXACT, "INVALID_MEDIA", "encrypted"),
    "cenc": (piff, EXACT, "INVALID_MEDIA", "encrypted"),
    "encv-fragments": (lambda: encrypted(whole("mp4", "-movflags", "+frag_keyframe+empty_moov")), BOTH,
                       "INVALID_MEDIA", "encrypted"),
    "pixels": (lambda: sized(20000, 16000), EXACT, "LIMIT_EXCEEDED", "20000 x 16000"),
    "duration": (long_frames, BOTH, "LIMIT_EXCEEDED", "over the limit of 2592000"),
    "index-size": (large_index, EXACT, "LIMIT_EXCEEDED", "2147483639 bytes long, over the limit of"),
    "samples": (many_samples, EXACT, "LIMIT_EXCEEDED", "11000000"),
    "streams": (lambda: many_tracks(300), EXACT, "LIMIT_EXCEEDED", "tracks"),
    "overlapping-fragments": (overlapping_fragments, EXACT, "UNSUPPORTED_CODEC", "in fragments that overlap"),
    "late-capture": (late_capture, BOTH, None, ""),
}


def frames(clip):
    out = run("ffprobe", "-v", "error", "-select_streams", "v", "-count_frames", "-show_entries",
              "stream=nb_read_frames", "-of", "csv=p=0", clip).stdout.decode().strip()
    return int(out) if out.isdigit() else 0


def check(path, mode, expected, word):
    """@return what is wrong, or nothing"""
    folder = os.path.join(FOLDER, "clips")
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    done = subprocess.run([TOOL, path, folder, mode, "1", "50"], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60, check=False)
    said = done.stderr.decode(errors="replace")
    clips = sorted(os.listdir(folder))
    said_lines = [line for line in said.splitlines() if not line.startswith("libav: ")]
    if word not in "\n".join(said_lines):
        return f"'{word}' is not said: {said_lines}"
    if isinstance(expected, str):
        return "" if said_lines and said_lines[-1].startswith(expected + ":") else f"{said_lines}"
    if done.returncode:
        return f"failed: {said_lines}"
    if not clips or (expected and len(clips) != expected):
        return f"{len(clips)} clips: {said_lines}"
    dead = [clip for clip in clips if not frames(os.path.join(folder, clip))]
    return f"without a frame: {dead}" if dead else ""


def main():
    n_wrong = 0
    os.makedirs(FOLDER, exist_ok=True)
    whole()
    for name, (make, modes, expected, word) in ROWS.items():
        if sys.argv[3:] and name not in sys.argv[3:]:
            continue
        made, path = make(), os.path.join(FOLDER, "bad-" + name)
        if isinstance(made, str):  # a file of its own
            path = made
        else:
            with open(path, "wb") as f:
                f.write(made)
        for mode in modes:
            wrong = check(path, mode, expected, word)
            n_wrong += bool(wrong)
            print(f"{name}, {mode}: {wrong or 'ok'}")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
