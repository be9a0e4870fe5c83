#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Videos made to hurt whoever opens them.

    make.py DIR URL [--quick] [NAME…]

DIR gets one file for each name; without names all of them (--quick: those that are made and read in a
moment). URL is that of a server on this machine; DIR/secret is what playlists point to. Nothing here
is a recording: the frames come from ffmpeg's test picture.
"""
import os
import struct
import subprocess
import sys
import zlib

CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"udta")
MARKER = b"SECRET-5d1f0c"
SLOW = set()  # names that are left out with --quick
FILES = {}


def hostile(name, slow=False):
    """Register the function that returns the bytes, or a list of pieces, of a file."""
    def add(function):
        FILES[name] = function
        if slow:
            SLOW.add(name)
        return function
    return add


# ---- MP4: a tree of boxes that can be changed


def box(kind, payload):
    return struct.pack(">I4s", len(payload) + 8, kind) + payload


def full(kind, payload, version=0, flags=0):
    return box(kind, struct.pack(">I", version << 24 | flags) + payload)


def parse(data):
    """[(kind, bytes or a list of children)]; what lies behind the last whole box is lost."""
    found, at = [], 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            break
        body = data[at + 8:at + size]
        found.append([kind, parse(body) if kind in CONTAINERS else body])
        at += size
    return found


def build(tree):
    return b"".join(box(k, v if isinstance(v, bytes) else build(v)) for k, v in tree)


def find(tree, *path):
    """The first box down this path: a [kind, content] that can be changed in place."""
    for item in tree:
        if item[0] == path[0]:
            return item if len(path) == 1 else find(item[1], *path[1:])
    raise KeyError(path)


class Base:
    """A small good file of each kind, made once."""
    folder = None
    cache = {}

    @classmethod
    def get(cls, name, *args):
        path = os.path.join(cls.folder, ".base-" + name)
        if name not in cls.cache:
            subprocess.run(["ffmpeg", "-v", "error", "-y", *args, path], check=True)
            with open(path, "rb") as f:
                cls.cache[name] = f.read()
            os.unlink(path)
        return cls.cache[name]


PICTURE = ("-f", "lavfi", "-i", "testsrc=size=160x120:rate=25:duration=4")
TONE = ("-f", "lavfi", "-i", "sine=frequency=440:duration=4")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-threads", "1")


def base_mp4():
    return Base.get("a.mp4", *PICTURE, *TONE, *H264, "-c:a", "aac", "-shortest")


def base_ts():
    return Base.get("a.ts", *PICTURE, *TONE, *H264, "-c:a", "aac")


def base_mkv():
    return Base.get("a.mkv", *PICTURE, *H264)


def mp4_with(change):
    """The small MP4 (its samples lie before its index) after change(moov)."""
    tree = parse(base_mp4())
    change(find(tree, b"moov")[1])
    return build(tree)


def stbl_of(moov):
    return find(moov, b"trak", b"mdia", b"minf", b"stbl")[1]


def set_table(stbl, kind, payload):
    for other in (b"stz2", b"co64"):
        stbl[:] = [b for b in stbl if b[0] != other]
    item = [b for b in stbl if b[0] == kind]
    if item:
        item[0][1] = payload
    else:
        stbl.append([kind, payload])


# ---- playlists and scripts in video clothes

TARGETS = {"local": lambda d, u: os.path.join(d, "secret"), "relative": lambda d, u: "secret",
           "http": lambda d, u: u + "/secret"}


def add_playlists():
    for where, target in TARGETS.items():
        def hls(d, u, target=target):
            return ("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5.0,\n%s\n#EXT-X-ENDLIST\n" % target(d, u)).encode()

        def hls_bom(d, u, hls=hls):
            return b"\xef\xbb\xbf" + hls(d, u)

        def hls_tag(d, u, hls=hls):  # behind an ID3 tag, which probes jump over
            return b"ID3\x04\0\0\0\0\0\x0a" + b"\0" * 10 + hls(d, u)

        def dash(d, u, target=target):
            return ('<?xml version="1.0"?><MPD type="static" mediaPresentationDuration="PT5S"><Period>'
                    '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
                    "<BaseURL>%s</BaseURL></Representation></AdaptationSet></Period></MPD>" % target(d, u)).encode()

        def concat(d, u, target=target):
            return ("ffconcat version 1.0\nfile '%s'\nduration 5\n" % target(d, u)).encode()

        def concat_bare(d, u, target=target):
            return ("file '%s'\n" % target(d, u)).encode()

        def dref(d, u, target=target):  # samples that are said to lie in another file
            def change(moov):
                url = full(b"url ", b"file://" + target(d, u).encode() + b"\0")
                alias = full(b"alis", b"\0" * 10 + target(d, u).encode().ljust(140, b"\0"))
                item = find(moov, b"trak", b"mdia", b"minf", b"dinf", b"dref")
                item[1] = struct.pack(">II", 0, 2) + url + alias
            return mp4_with(change)
        for name, function in (("hls", hls), ("hls-bom", hls_bom), ("hls-tag", hls_tag), ("dash", dash),
                               ("ffconcat", concat), ("ffconcat-bare", concat_bare), ("dref", dref)):
            FILES["%s-%s.mp4" % (name, where)] = function


add_playlists()


@hostile("sdp.mp4")
def _(d, u):
    return b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"


# ---- MP4 tables


@hostile("streams-10000.mp4")
def _(d, u):
    def change(moov):
        trak = [b for b in moov if b[0] == b"trak"][0]
        moov.extend([trak] * 10000)
    return mp4_with(change)


@hostile("pixels-mp4.mp4")
def _(d, u):
    def change(moov):
        tkhd = find(moov, b"trak", b"tkhd")
        tkhd[1] = tkhd[1][:-8] + struct.pack(">II", 0xffff0000, 0xffff0000)
        stsd = find(stbl_of(moov), b"stsd")
        stsd[1] = stsd[1][:8 + 32] + struct.pack(">HH", 65535, 65535) + stsd[1][8 + 36:]
    return mp4_with(change)


@hostile("ten-years.mp4")
def _(d, u):
    def change(moov):
        mdhd = find(moov, b"trak", b"mdia", b"mdhd")
        mdhd[1] = mdhd[1][:12] + struct.pack(">I", 1) + mdhd[1][16:]
        set_table(stbl_of(moov), b"stts", struct.pack(">IIII", 0, 1, 100, 3153600))
        moov[:] = [b for b in moov if b[0] != b"udta"]
        trak = find(moov, b"trak")
        trak[1] = [b for b in trak[1] if b[0] != b"edts"]
    return mp4_with(change)


@hostile("frame-an-hour.mp4")
def _(d, u):
    return Base.get("hour.mp4", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=1/3600:duration=86400", *H264)


@hostile("index-200mb-zeros.mp4", slow=True)
def _(d, u):
    def change(moov):
        set_table(stbl_of(moov), b"stsz", struct.pack(">III", 0, 0, 50_000_000) + bytes(200_000_000))
        set_table(stbl_of(moov), b"stts", struct.pack(">IIII", 0, 1, 50_000_000, 1))
    return mp4_with(change)


@hostile("index-200mb-ctts.mp4", slow=True)
def _(d, u):
    def change(moov):
        set_table(stbl_of(moov), b"ctts", struct.pack(">II", 0, 25_000_000) + struct.pack(">II", 1, 9) * 25_000_000)
    return mp4_with(change)


@hostile("nine-million-samples.mp4", slow=True)
def _(d, u):
    def change(moov):
        n = 9_900_000
        set_table(stbl_of(moov), b"stsz", struct.pack(">III", 0, 1, n))
        set_table(stbl_of(moov), b"stts", struct.pack(">IIII", 0, 1, n, 1))
        set_table(stbl_of(moov), b"stsc", struct.pack(">IIIII", 0, 1, 1, n, 1))
        set_table(stbl_of(moov), b"stco", struct.pack(">III", 0, 1, 48))
        stbl = stbl_of(moov)
        stbl[:] = [b for b in stbl if b[0] not in (b"stss", b"ctts")]
    return mp4_with(change)


@hostile("outside.mp4")
def _(d, u):
    def change(moov):
        stco = find(stbl_of(moov), b"stco")
        n = struct.unpack_from(">I", stco[1], 4)[0]
        stco[1] = struct.pack(">II", 0, n) + struct.pack(">I", 0xfffffff0) * n
    return mp4_with(change)


@hostile("overlap.mp4")
def _(d, u):
    def change(moov):
        stco = find(stbl_of(moov), b"stco")
        n = struct.unpack_from(">I", stco[1], 4)[0]
        stco[1] = struct.pack(">II", 0, n) + stco[1][8:12] * n
    return mp4_with(change)


def counts(name, kind, payload):
    @hostile("count-" + name + ".mp4")
    def _(d, u):
        return mp4_with(lambda moov: set_table(stbl_of(moov), kind, payload))


BIG = 0xfffffffe
counts("stsz-uniform", b"stsz", struct.pack(">III", 0, 1, BIG))
counts("stsz-table", b"stsz", struct.pack(">III", 0, 0, BIG))
counts("stts", b"stts", struct.pack(">IIII", 0, 1, BIG, BIG))
counts("stts-table", b"stts", struct.pack(">II", 0, BIG))
counts("stsc", b"stsc", struct.pack(">IIIII", 0, 1, 1, BIG, 1))
counts("stsc-table", b"stsc", struct.pack(">II", 0, BIG))
counts("stco-table", b"stco", struct.pack(">II", 0, BIG))
counts("ctts", b"ctts", struct.pack(">IIII", 0, 1, BIG, BIG))
counts("stss", b"stss", struct.pack(">II", 0, BIG))
counts("stsd", b"stsd", struct.pack(">II", 0, BIG) + b"\0" * 64)
counts("elst-like", b"sdtp", struct.pack(">I", BIG))


@hostile("edits.mp4")
def _(d, u):
    def change(moov):
        find(moov, b"trak")[1].append([b"edts", [[b"elst", struct.pack(">II", 0, 60000) +
                                                  struct.pack(">IiI", 1, 7, 0x10000) * 60000]]])
    return mp4_with(change)


@hostile("nested-boxes.mp4")
def _(d, u):
    inner = b""
    for _ in range(20000):
        inner = box(b"udta", inner)
    return box(b"ftyp", b"isom\0\0\0\0isom") + box(b"moov", inner)


@hostile("cmov-bomb.mov", slow=True)
def _(d, u):
    bomb = zlib.compressobj(9)
    packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(900)) + bomb.flush()
    cmov = box(b"cmov", box(b"dcom", b"zlib") + box(b"cmvd", struct.pack(">I", 900 << 20) + packed))
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", cmov) + box(b"mdat", bytes(64))


@hostile("fragments-100000.mp4")
def _(d, u):
    mvhd = find(parse(base_mp4()), b"moov", b"mvhd")[1]
    trak = find(parse(base_mp4()), b"moov", b"trak")
    for kind, table in ((b"stts", bytes(8)), (b"stsz", bytes(12)), (b"stsc", bytes(8)), (b"stco", bytes(8))):
        set_table(find(trak[1], b"mdia", b"minf", b"stbl")[1], kind, table)
    mvex = box(b"mvex", full(b"trex", struct.pack(">IIIII", 1, 1, 1, 1, 0)))
    moov = box(b"moov", box(b"mvhd", mvhd) + build([trak]) + mvex)
    moof = box(b"moof", full(b"mfhd", struct.pack(">I", 1)) + box(b"traf", full(
        b"tfhd", struct.pack(">I", 1), 0, 0x20000) + full(b"trun", struct.pack(">I", BIG & 0xffff))))
    return [box(b"ftyp", b"isom\0\0\0\0isom") + moov, (moof + box(b"mdat", b"x")) * 100000]


# ---- Matroska


def ebml(number, payload):
    head = bytes.fromhex("%x" % number if len("%x" % number) % 2 == 0 else "0%x" % number)
    return head + struct.pack(">Q", 1 << 56 | len(payload)) + payload


def number(value):
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


HEADER = ebml(0x1A45DFA3, ebml(0x4282, b"matroska") + ebml(0x4287, b"\x04") + ebml(0x4285, b"\x02"))
INFO = ebml(0x1549A966, ebml(0x2AD7B1, number(1000000)) + ebml(0x4489, struct.pack(">d", 4000.0)))


def track(n, codec=b"V_VP9", width=160, height=120, extra=b"", kind=1):
    return ebml(0xAE, ebml(0xD7, number(n)) + ebml(0x73C5, number(n)) + ebml(0x83, number(kind)) + ebml(0x86, codec) +
                (ebml(0xE0, ebml(0xB0, number(width)) + ebml(0xBA, number(height))) if kind == 1 else b"") + extra)


def cluster(time, blocks):
    return ebml(0x1F43B675, ebml(0xE7, number(time)) + b"".join(ebml(0xA3, b"\x81\0\0\x80" + b) for b in blocks))


def mkv(tracks, rest):
    return HEADER + ebml(0x18538067, INFO + ebml(0x1654AE6B, b"".join(tracks)) + rest)


@hostile("streams-10000.mkv")
def _(d, u):
    return mkv([track(n + 1) for n in range(10000)], cluster(0, [b"\x82\x49\x83\x42" + bytes(60)] * 10))


@hostile("pixels.mkv")
def _(d, u):
    return mkv([track(1, width=100000, height=100000)], cluster(0, [b"\x82\x49\x83\x42" + bytes(60)] * 10))


@hostile("pixels-raw.mkv")
def _(d, u):
    return mkv([track(1, b"V_UNCOMPRESSED", 100000, 100000, ebml(0x2EB524, b"I420"))], cluster(0, [bytes(60)] * 10))


class Bits:
    """Exp-Golomb codes, for a parameter set of H.264."""

    def __init__(self):
        self.bits = ""

    def u(self, n, value):
        self.bits += format(value, "0%db" % n)
        return self

    def ue(self, value):
        code = format(value + 1, "b")
        self.bits += "0" * (len(code) - 1) + code
        return self

    def end(self):
        text = self.bits + "1"
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def huge_sps():
    b = Bits().u(8, 0x67).u(8, 66).u(8, 0).u(8, 62).ue(0).ue(0).ue(2).ue(1).u(1, 0)
    return b.ue(100000 // 16 - 1).ue(100000 // 16 - 1).u(1, 1).u(1, 0).u(1, 0).u(1, 0).end()


@hostile("pixels-sps.h264")
def _(d, u):
    one = b"\0\0\0\1" + huge_sps() + b"\0\0\0\1\x68\xce\x38\x80" + b"\0\0\0\1\x65" + bytes([0x88, 0x84]) * 200
    return one * 20


@hostile("attachments.mkv", slow=True)
def _(d, u):
    one = ebml(0x61A7, ebml(0x466E, b"font.ttf") + ebml(0x4660, b"application/x-truetype-font") +
               ebml(0x46AE, number(7)) + ebml(0x465C, bytes(100000)))
    at = base_mkv().index(bytes.fromhex("1654AE6B"))
    good = base_mkv()[at:]
    return HEADER + bytes.fromhex("18538067") + b"\x01\xff\xff\xff\xff\xff\xff\xff" + INFO + ebml(
        0x1941A469, one * 2000) + good


@hostile("attachment-size.mkv")
def _(d, u):
    lying = bytes.fromhex("465C") + struct.pack(">Q", 1 << 56 | (1 << 40)) + bytes(1000)
    return mkv([track(1)], ebml(0x1941A469, ebml(0x61A7, ebml(0x466E, b"a") + ebml(0x4660, b"b") + lying)))


@hostile("zlib-bomb.mkv")
def _(d, u):
    bomb = zlib.compress(bytes(100 << 20), 9)
    coded = ebml(0x6D80, ebml(0x6240, ebml(0x5034, ebml(0x4254, b"\0"))))
    return mkv([track(1, extra=coded)], cluster(0, [bomb] * 20))


@hostile("nested.mkv")
def _(d, u):
    inner = b""
    for _ in range(3000):
        inner = ebml(0x45B9, inner)
    return HEADER + ebml(0x18538067, INFO + ebml(0x1043A770, inner) + ebml(0x1654AE6B, track(1)))


@hostile("times-jump.mkv")
def _(d, u):
    frame = b"\x82\x49\x83\x42\0" + bytes(60)
    times = [0, 40, 1 << 40, 80, 120, 1 << 50, 0, (1 << 55) - 1, 160]
    return mkv([track(1)], b"".join(cluster(t, [frame]) for t in times))


# ---- MPEG-TS


def crc32_mpeg(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04c11db7 if crc & 0x80000000 else crc << 1) & 0xffffffff
    return crc


def psi(pid, table, number_, payload):
    section = struct.pack(">BHHBBB", table, 0xb000 | len(payload) + 9, number_, 0xc1, 0, 0) + payload
    section += struct.pack(">I", crc32_mpeg(section))
    return (struct.pack(">BHBB", 0x47, 0x4000 | pid, 0x10, 0) + section).ljust(188, b"\xff")


@hostile("ts-times-wrap.ts")
def _(d, u):
    return Base.get("wrap.ts", *PICTURE, *TONE, *H264, "-c:a", "aac", "-output_ts_offset", "95442")


@hostile("ts-times-jump.ts")
def _(d, u):
    late = Base.get("late.ts", *PICTURE, *TONE, *H264, "-c:a", "aac", "-output_ts_offset", "40000")
    return base_ts() + late + base_ts()


NULL = struct.pack(">BHB", 0x47, 0x1fff, 0x10) + b"\xff" * 184


@hostile("captions.ts", slow=True)
def _(d, u):
    """A stream of captions that is announced and never comes, before 400 MB of nothing."""
    pat = psi(0, 0, 1, struct.pack(">HH", 1, 0xe000 | 0x1000))
    streams = b"".join(struct.pack(">BHH", 6, 0xe000 | 0x200 + i, 0xf000 | 10) +
                       bytes.fromhex("5908") + b"eng" + b"\x10\0\1\0\1" for i in range(8))
    pmt = psi(0x1000, 2, 1, struct.pack(">HH", 0xe100, 0xf000) + struct.pack(">BHH", 0x1b, 0xe100, 0xf000) + streams)
    video = b"".join(base_ts()[i:i + 188] for i in range(0, len(base_ts()), 188)
                     if base_ts()[i + 1] & 0x1f != 0 and struct.unpack_from(">H", base_ts(), i + 1)[0] & 0x1fff == 0x100)
    return [pat, pmt, video] + [NULL * 10000] * 213


@hostile("captions.mkv", slow=True)
def _(d, u):
    at = base_mkv().index(bytes.fromhex("1F43B675"))
    tracks = base_mkv()[base_mkv().index(bytes.fromhex("1654AE6B")):]
    void = ebml(0xEC, bytes(1 << 20))
    return [HEADER, bytes.fromhex("18538067"), b"\x01\xff\xff\xff\xff\xff\xff\xff", INFO,
            tracks[:tracks.index(bytes.fromhex("1F43B675"))]] + [void] * 400 + [base_mkv()[at:]]


@hostile("programs.ts")
def _(d, u):
    pat = psi(0, 0, 1, b"".join(struct.pack(">HH", i + 1, 0xe000 | 0x20 + i) for i in range(40)))
    pmts = b"".join(psi(0x20 + i, 2, i + 1, struct.pack(">HH", 0xffff, 0xf000) + b"".join(
        struct.pack(">BHH", 0x1b, 0xe000 | 0x400 + i * 30 + j, 0xf000) for j in range(30))) for i in range(40))
    return (pat + pmts) * 200 + base_ts()


# ---- others


@hostile("pages.ogg")
def _(d, u):
    return b"".join(b"OggS\0\2" + bytes(8) + struct.pack("<III", i, 0, 0) + b"\x01\x1e\x01vorbis" + bytes(23)
                    for i in range(20000))


@hostile("index.avi")
def _(d, u):
    avi = Base.get("a.avi", *PICTURE, "-c:v", "mpeg4")
    at = avi.index(b"idx1")
    return avi[:at] + b"idx1" + struct.pack("<I", 16 * 200000) + struct.pack("<4sIII", b"00dc", 16, 4, 0xfffffff0) * 200000


@hostile("tags.flv")
def _(d, u):
    flv = Base.get("a.flv", *PICTURE, *H264)
    return flv[:13] + (b"\x09\0\0\x05\xff\xff\xff\xff\0\0\0\x17\1\0\0\0" + struct.pack(">I", 16)) * 100000 + flv[13:]


@hostile("chunks.wav")
def _(d, u):
    wav = Base.get("a.wav", *TONE)
    return wav[:12] + b"LIST\0\0\0\0" * 1000000 + wav[12:]


@hostile("noise.mp4")
def _(d, u):
    return box(b"ftyp", b"isom\0\0\0\0isom") + bytes((i * 7919 >> 5) & 255 for i in range(300000))


def write(folder, name, content):
    with open(os.path.join(folder, name), "wb") as f:
        for piece in content if isinstance(content, list) else [content]:
            f.write(piece)


def main():
    words = [a for a in sys.argv[1:] if not a.startswith("--")]
    folder, url, names = words[0], words[1], words[2:]
    Base.folder = folder
    if not names:
        names = [n for n in FILES if "--quick" not in sys.argv or n not in SLOW]
    write(folder, "secret", MARKER * 1000)
    for name in names:
        write(folder, name, FILES[name](folder, url))


if __name__ == "__main__":
    main()
