#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Two sounds and two subtitles: each clip has them all, with their languages, names, which comes first and which is
# for all viewers, and shows the words of its range. What is only a picture of words is named as left out.
# shellcheck source=tests/lib/sc.sh
. "${SC_TESTS:?run me by tests/lib/run-one}/lib/sc.sh"

cd "$SC_TEST" || fail "no $SC_TEST"
cat >en.srt <<'END'
1
00:00:00,300 --> 00:00:01,200
One

2
00:00:01,400 --> 00:00:04,250
Two begins before
and ends behind

3
00:00:05,000 --> 00:00:05,700
a & b
END
sed 's/One/Eins/; s/^Two/Zwei/; s/00,300/00,450/' en.srt >de.srt

make() { # FILE OPTIONS…
	ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=size=128x96:rate=25:duration=6 -f lavfi -i sine=440:duration=6 \
		-f lavfi -i sine=880:duration=6 -i en.srt -i de.srt -map 0 -map 1 -map 2 -map 3 -map 4 \
		-c:v libx264 -preset ultrafast -g 35 -c:a aac -ac 1 -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu \
		-metadata:s:a:0 title=Commentary -metadata:s:a:1 title=Original -metadata:s:s:0 language=eng \
		-metadata:s:s:1 language=deu -metadata:s:s:0 title=Words -metadata:s:s:1 title=Worte \
		-disposition:a:0 0 -disposition:a:1 default -disposition:s:0 forced -disposition:s:1 default "${@:2}" "$1"
}
make tx3g.mp4 -c:s mov_text
make parts.mp4 -c:s mov_text -movflags frag_keyframe+empty_moov
make subrip.mkv -c:s srt
make ass.mkv -c:s ass
make vtt.mkv -c:s webvtt
make ttml.mp4 -c:s ttml
sed s/tx3g/stpp/g parts.mp4 >ttml-parts.mp4 # in fragments, as far as its name goes

# WebVTT in MP4, which ffmpeg does not write: the words of tx3g.mp4 in its boxes, behind all else
python3 - <<'END'
import struct

data = bytearray(open("tx3g.mp4", "rb").read())
words = bytearray()

def box(kind, content):
    return struct.pack(">I4s", 8 + len(content), kind) + content

def boxes(at, end):
    while at < end:
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at + 8, at + size
        at += size

def find(at, end, *path):
    for kind, start, stop in boxes(at, end):
        if kind == path[0]:
            return find(start, stop, *path[1:]) if path[1:] else (start, stop)

def numbers(at, n):
    return struct.unpack_from(f">{n}I", data, at)

moov = find(0, len(data), b"moov")
for kind, start, stop in list(boxes(*moov)):
    stbl = find(start, stop, b"mdia", b"minf", b"stbl") if kind == b"trak" else None
    if not stbl or data[find(*stbl, b"stsd")[0] + 12:][:4] != b"tx3g":
        continue
    entry, sizes, places, runs = (find(*stbl, name)[0] for name in (b"stsd", b"stsz", b"stco", b"stsc"))
    data[entry + 12:entry + 16] = b"wvtt"
    same, n = numbers(sizes + 4, 2)
    listed = numbers(sizes + 12, n)
    assert not same
    run = [numbers(runs + 8 + 12 * i, 3) for i in range(numbers(runs + 4, 1)[0])]
    sample = 0
    for chunk in range(numbers(places + 4, 1)[0]):
        at = numbers(places + 8 + 4 * chunk, 1)[0]
        struct.pack_into(">I", data, places + 8 + 4 * chunk, len(data) + 8 + len(words))
        for _ in range([count for first, count, _ in run if first <= chunk + 1][-1]):
            text = bytes(data[at + 2:at + 2 + struct.unpack_from(">H", data, at)[0]])
            cue = box(b"vttc", box(b"sttg", b"line:1") + box(b"payl", text.replace(b"&", b"&amp;")))
            cue = cue if text else box(b"vtte", b"")
            struct.pack_into(">I", data, sizes + 12 + 4 * sample, len(cue))
            words += cue
            at += listed[sample]
            sample += 1
open("wvtt.mp4", "wb").write(data + box(b"mdat", bytes(words)))
END

# A subtitle of one black picture, and its end.
python3 - >picture.sup <<'END'
import struct, sys

def segment(ms, kind, body):
    sys.stdout.buffer.write(b"PG" + struct.pack(">IIBH", ms * 90, 0, kind, len(body)) + body)

def shown(number, objects):
    return struct.pack(">HHBHBBBB", 128, 96, 16, number, 0x80 if objects else 0, 0, 0, len(objects)) + b"".join(objects)

rows = (b"\1" * 16 + b"\0\0") * 8
for ms, number, objects in ((1000, 0, [struct.pack(">HBBHH", 0, 0, 0, 40, 60)]), (3000, 1, [])):
    segment(ms, 0x16, shown(number, objects))
    segment(ms, 0x17, struct.pack(">BBHHHH", 1, 0, 40, 60, 16, 8))
    if objects:
        segment(ms, 0x14, bytes((0, 0, 1, 16, 128, 128, 255)))
        segment(ms, 0x15, struct.pack(">HBB", 0, 0, 0xc0) + (len(rows) + 4).to_bytes(3, "big")
                + struct.pack(">HH", 16, 8) + rows)
    segment(ms, 0x80, b"")
END
ffmpeg -nostdin -v error -y -i tx3g.mp4 -i picture.sup -map 0:v -map 0:a:0 -map 1 -c copy picture.mkv

cat >compare.py <<'END'
"""compare.py SOURCE JOB: what each clip says against what the source says at that time."""
import json, re, subprocess, sys

def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout

def words(path, count):
    """The texts of each subtitle track, in order."""
    outputs = sum((["-map", f"0:s:{track}", "-f", "srt", f"words.{track}"] for track in range(count)), [])
    run("ffmpeg", "-nostdin", "-v", "error", "-y", "-i", path, *outputs)
    blocks = [open(f"words.{track}").read().strip().split("\n\n") for track in range(count)]
    return [[re.sub(r"</?font[^>]*>", "", block.split("\n", 2)[2]).strip() for block in b if block] for b in blocks]

def read(path):
    """What is said of the tracks beside the picture; and of each subtitle track [(start, end, words)]."""
    said = json.loads(run("ffprobe", "-v", "error", "-of", "json", "-show_entries", "stream=index,codec_type:"
                          "stream_tags=language:stream_disposition=default,forced:packet=stream_index,pts_time,duration_time,size",
                          path))
    streams = [s for s in said["streams"] if s["codec_type"] != "video"]
    texts = [s["index"] for s in streams if s["codec_type"] == "subtitle"]
    cues = []
    for index, lines in zip(texts, words(path, len(texts))):
        packets = [p for p in said["packets"] if p["stream_index"] == index]
        starts = [float(p["pts_time"]) for p in packets]
        # without a duration, to the next packet
        ends = [s + float(p["duration_time"]) if "duration_time" in p else n
                for p, s, n in zip(packets, starts, starts[1:] + [0])]
        times = [(s, e) for s, e, p in zip(starts, ends, packets) if int(p["size"]) > 2]
        assert len(times) == len(lines), (path, times, lines)
        cues.append([(s, e, w) for (s, e), w in zip(times, lines)])
    return [(s["codec_type"], s["tags"]["language"], s["disposition"]["default"], s["disposition"]["forced"])
            for s in streams], cues

source, job = sys.argv[1:]
clips = json.load(open(f"{job}/status"))["result"]["artifacts"]
assert len(clips) == 3, clips
tracks, wanted = read(source)
assert [forced for *_, forced in tracks] == [0, 0, 1, 0], tracks
assert len(wanted) == 2 and all(len(w) == 3 for w in wanted), wanted
n = 0
for clip in clips:
    path, start = f"{job}/clips/{clip['filename']}", clip["start"]
    end = start + clip["duration"]
    assert clip["dropped"] == [], clip
    got_tracks, got_cues = read(path)
    assert got_tracks == tracks, (path, got_tracks, tracks)
    data = open(path, "rb").read()
    for name in (b"Commentary", b"Original", b"Words", b"Worte"):
        assert b"name" + name in data, (path, name)
    for track in (0, 1):
        want = [(max(s, start) - start, min(e, end) - start, w) for s, e, w in wanted[track] if s < end and e > start]
        got = got_cues[track]
        assert len(got) == len(want), (path, got, want)
        for (gs, ge, gw), (ws, we, ww) in zip(got, want):
            assert abs(gs - ws) <= 0.001 and abs(ge - we) <= 0.001 and gw == ww, (path, got, want)
            n += 1
assert n >= 8, n
END

sc_mount
cut() { # MODE UPLOAD
	echo "{\"uploadId\":\"$2\",\"clipDuration\":2,\"cut\":\"$1\",\"jobId\":\"$1.$2\"}" >"$MNT/control"
}
for name in tx3g.mp4 parts.mp4 subrip.mkv ass.mkv vtt.mkv wvtt.mp4 picture.mkv ttml.mp4 ttml-parts.mp4; do
	cp $name "$MNT/incoming/"
	cut exact $name
done
cut keyframe tx3g.mp4
cut smart subrip.mkv
cut encode tx3g.mp4
for job in exact.{tx3g.mp4,parts.mp4,subrip.mkv,ass.mkv,vtt.mkv,wvtt.mp4} keyframe.tx3g.mp4 smart.subrip.mkv encode.tx3g.mp4; do
	sc_done "$job"
	source=${job#*.}
	python3 compare.py "${source/wvtt/tx3g}" "$MNT/jobs/$job" || fail "$job: the clips do not say what the source says"
done
sc_done exact.picture.mkv
eq "$(status_of exact.picture.mkv '.result.artifacts[0].dropped|tostring')" '["stream 2: subtitle (hdmv_pgs_subtitle)"]'
# TTML stays out, by name
for name in ttml.mp4 ttml-parts.mp4; do
	sc_done exact.$name
	matches "$(status_of exact.$name '.result.artifacts[0].dropped|tostring')" \
		'^\["stream 3: (subtitle|data) .(stpp|ttml).","stream 4: (subtitle|data) .(stpp|ttml)."\]$' "$name"
done
check_invariants
sc_umount
