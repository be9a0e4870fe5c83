#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write H.264 in field pictures (PAFF), which no free encoder makes: make_paff OUTPUT.h264 [FRAMES]

32 x 32 pixels, an IDR every 12 frames, two fields a frame, each a picture of its own (ITU-T H.264,
7.3). Every P field sends one of its two macroblocks as it is and takes the other from the field
before of its parity, so that a lost field shows. The fields of a frame differ little, and within a
macroblock pixels do, so that an encoder and a deinterlacer leave them much as they were, yet never
quite.
"""

import random
import sys

GROUP = 12  # frames
I_PCM = 25  # mb_type in an I slice; five more in a P slice


class Bits:
    def __init__(self):
        self.text = []

    def u(self, count, value):
        self.text.append(f"{value:0{count}b}")

    def ue(self, *values):
        for value in values:
            digits = f"{value + 1:b}"
            self.text.append("0" * (len(digits) - 1) + digits)

    def align(self):
        self.text.append("0" * (-sum(map(len, self.text)) % 8))

    def end(self):
        """The payload with its trailing bits."""
        self.u(1, 1)
        self.align()
        text = "".join(self.text)
        return bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))


def unit(kind, priority, payload):
    """A NAL unit behind its start code, start codes within it broken up."""
    data, zeros = bytearray(), 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            data.append(3)
            zeros = 0
        data.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes([priority << 5 | kind]) + bytes(data)


def parameter_sets():
    sps = Bits()
    for value in (77, 0, 21):  # Main, level 2.1
        sps.u(8, value)
    # sps id, frame_num and picture order in 4 and 8 bits (type 0), two reference frames
    sps.ue(0, 0, 0, 4, 2)
    sps.u(1, 0)
    sps.ue(1, 0)  # 2 macroblocks wide; a field is one high
    sps.u(5, 0b00101)  # fields, no MBAFF, direct_8x8_inference, no cropping, VUI
    sps.u(4, 0)
    sps.u(1, 1)  # timing
    sps.u(32, 1)
    sps.u(32, 50)
    sps.u(5, 0b10000)
    pps = Bits()
    pps.ue(0, 0)
    pps.u(2, 0)
    pps.ue(0, 0, 0)
    pps.u(3, 0)
    pps.ue(0, 0, 0)
    pps.u(3, 0b100)  # slices say whether they are deblocked
    return unit(7, 3, sps.end()) + unit(8, 3, pps.end())


def field(number, is_bottom, shades):
    place = number % GROUP
    is_idr = place == 0 and not is_bottom
    is_intra = place == 0
    s = Bits()
    s.ue(0, 7 if is_intra else 5, 0)
    s.u(4, place % 16)
    s.u(2, 0b10 | is_bottom)
    if is_idr:
        s.ue(number // GROUP % 2)
    s.u(8, (2 * place + is_bottom) % 256)
    if not is_intra:
        s.u(2, 0)
    s.u(2 if is_idr else 1, 0)
    s.ue(0, 1)
    sent = (0, 1) if is_intra else (place % 2,)
    for at in sent:
        if not is_intra:
            s.ue(at)  # macroblocks skipped before it
        s.ue(I_PCM if is_intra else I_PCM + 5)
        s.align()
        luma, *chroma = shades[at]
        for i in range(256):
            s.u(8, luma + i % 16 + (i * i + number) % 7 + 2 * is_bottom)
        for shade in chroma:
            for _ in range(64):
                s.u(8, shade + is_bottom)
    if not is_intra and sent == (0,):
        s.ue(1)
    return unit(9, 0, b"\xf0") + (parameter_sets() if is_idr else b"") + \
        unit(5 if is_idr else 1, 2, s.end())


def main():
    frames = int(sys.argv[2]) if len(sys.argv) > 2 else 75
    rng = random.Random(3)
    with open(sys.argv[1], "wb") as f:
        for number in range(frames):
            shades = [(rng.randrange(16, 216), rng.randrange(64, 192), rng.randrange(64, 192))
                      for _ in range(2)]
            f.write(field(number, 0, shades) + field(number, 1, shades))


if __name__ == "__main__":
    main()
