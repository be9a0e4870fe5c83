#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hostile videos through the real worker: a clear code or good clips, within 60 s and 512 MiB.

    SC_BUILD=DIR tests/hostile/run.py [--quick] [NAME…]

Prints a Markdown table. Whatever playlists name must not be asked for and must be in no output. Clips
of a worker that says "done" are decoded by ffmpeg. Exit status 1 when anything is not as it must be.
"""
import http.server
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import make  # noqa: E402

SECONDS, KIB = 60, 512 * 1024
# What a hostile file may fail with: anything else is an accident of ours.
CODES = {"INVALID_MEDIA", "UPLOAD_INCOMPLETE", "UNSUPPORTED_CODEC", "LIMIT_EXCEEDED", "OUT_OF_MEMORY",
         "NO_CLIPS", "NO_VIDEO"}
PLAYLISTS = ("hls", "dash", "ffconcat", "sdp")
asked = []


class Server(http.server.BaseHTTPRequestHandler):
    """Hands out what must not be fetched, and notes that somebody has."""

    def do_GET(self):
        asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(make.MARKER * 1000)

    def log_message(self, *args):
        pass


def work(worker, path, clips, cut):
    """@return code or "done", sentence, seconds, KiB at the most"""
    order = json.dumps({"jobId": "h", "attempt": 1, "cut": cut, "clipDurationUs": 5000000, "maxClips": 3})
    read_fd, write_fd = os.pipe()
    source = os.open(path, os.O_RDONLY)
    directory = os.open(clips, os.O_RDONLY | os.O_DIRECTORY)
    with tempfile.TemporaryFile() as stdin:
        stdin.write(order.encode())
        stdin.seek(0)

        def place():
            for i, fd in enumerate((write_fd, source, directory)):
                os.dup2(os.dup(fd), 20 + i)
            for i in range(3):
                os.dup2(20 + i, 3 + i)

        began = time.monotonic()
        child = subprocess.Popen([worker], stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 close_fds=False, preexec_fn=place)
    os.close(write_fd)
    timer = threading.Timer(SECONDS * 2, child.kill)
    timer.start()
    with open(read_fd, "rb") as f:
        lines = f.read().splitlines()
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    timer.cancel()
    child.returncode = 0
    os.close(source)
    os.close(directory)
    last = json.loads(lines[-1]) if lines else {}
    if last.get("report") == "done":
        return "done", "", seconds, used.ru_maxrss
    if last.get("report") == "failed":
        return last["code"], last["message"], seconds, used.ru_maxrss
    signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return ("LIMIT_EXCEEDED", "processor time", seconds, used.ru_maxrss) if signal == 24 else (
        "CRASHED", "signal %d" % signal, seconds, used.ru_maxrss)


def check_clips(name, clips, problems):
    """How many there are; each must decode, and none hold what a playlist points to."""
    found = sorted(os.listdir(clips))
    for clip in found:
        path = os.path.join(clips, clip)
        with open(path, "rb") as f:
            if make.MARKER in f.read():
                problems.append("%s: the secret is in %s" % (name, clip))
        r = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"], capture_output=True, timeout=60)
        if r.returncode != 0:
            problems.append("%s: %s does not decode: %s" % (name, clip, r.stderr.decode()[:200]))
    return len(found)


def run(folder, worker, name, cut, problems):
    clips = os.path.join(folder, "clips")
    shutil.rmtree(clips, ignore_errors=True)
    os.mkdir(clips)
    code, message, seconds, kib = work(worker, os.path.join(folder, name), clips, cut)
    if code == "done":
        n = check_clips(name, clips, problems)
        if n == 0:
            problems.append("%s: done without a clip" % name)
        message = "%d clips" % n
    elif code not in CODES:
        problems.append("%s (%s): %s, %s" % (name, cut, code, message))
    if name.startswith(PLAYLISTS) and code != "INVALID_MEDIA":
        problems.append("%s (%s): %s, not INVALID_MEDIA" % (name, cut, code))
    if seconds > SECONDS or kib > KIB:
        problems.append("%s (%s): %.1f s, %d MiB" % (name, cut, seconds, kib // 1024))
    print("| %s | %s | %s | %s | %.2f | %d |" % (name, cut, code, message.replace("|", "/")[:90], seconds, kib // 1024),
          flush=True)


def main():
    quick = "--quick" in sys.argv
    names = [a for a in sys.argv[1:] if not a.startswith("--")]
    names = names or [n for n in make.FILES if not quick or n not in make.SLOW]
    build = os.environ.get("SC_BUILD", os.path.join(os.path.dirname(os.path.dirname(HERE)), "build"))
    worker = os.path.join(build, "src", "storyclip-worker")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d" % server.server_address[1]
    problems = []
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("| file | cut | code | what it says | s | MiB |\n| --- | --- | --- | --- | ---: | ---: |")
    with tempfile.TemporaryDirectory(prefix="storyclip-hostile-", dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        os.chmod(folder, 0o755)
        make.Base.folder = folder
        make.write(folder, "secret", make.MARKER * 1000)
        for name in names:
            make.write(folder, name, make.FILES[name](folder, url))
            run(folder, worker, name, "exact", problems)
            if not quick or name.startswith(("hls-local", "ffconcat-relative", "hls-http")):
                run(folder, worker, name, "encode", problems)
            os.unlink(os.path.join(folder, name))
    if asked:
        problems.append("the server was asked for %s" % asked)
    print("\n%d files, %d problems" % (len(names), len(problems)))
    for p in problems:
        print("PROBLEM: " + p)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
