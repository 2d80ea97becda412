"""Damage to good files: bits flipped, parts cut, swapped or repeated, counts inflated."""

from __future__ import annotations

import random
import struct

KINDS = ("flip", "cut", "drop", "swap", "word", "digits", "repeat", "special")
INTERESTING = [0, 1, 3, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1]
SPECIAL = [b"nan", b"inf", b"-1", b"1e999", b"9" * 40, b"\0", b"\n", b"\xff\xfe", b'"', b"(", b"{"]


def damage(data: bytes, seed: int) -> bytes:
    """A copy of `data` with one to four faults, the same for the same seed."""
    rng = random.Random(seed)
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not out:
            break
        at = rng.randrange(len(out))
        to = min(len(out), at + rng.randint(1, 64))
        kind = rng.choice(KINDS)
        if kind == "flip":
            out[at] ^= 1 << rng.randrange(8)
        elif kind == "cut":
            del out[at:]
        elif kind == "drop":
            del out[at:to]
        elif kind == "swap":
            other = rng.randrange(len(out))
            out[at], out[other] = out[other], out[at]
        elif kind == "word":  # a count in a binary header, of either byte order
            size, order = rng.choice("IQ"), rng.choice("<>")
            value = rng.choice(INTERESTING) % (1 << (32 if size == "I" else 64))
            word = struct.pack(order + size, value)
            out[at : at + len(word)] = word
        elif kind == "repeat":
            out[at:at] = out[at:to]
        elif kind == "special":
            out[at:at] = rng.choice(SPECIAL)
        else:  # a count in the text: the next digit becomes a large or negative number
            place = next((i for i in range(at, len(out)) if 48 <= out[i] <= 57), at)
            out[place : place + 1] = str(rng.choice([-1, *INTERESTING, 10**30])).encode()
    return bytes(out)
