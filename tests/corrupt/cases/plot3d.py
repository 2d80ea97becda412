"""PLOT3D grids: every layout, text and binary."""

import struct

SUFFIX = ".p3d"


def grid(ni, nj, nk=None, blank=False):
    """(coordinates by direction, blanking) of a sheared box."""
    points = [
        (i + 0.1 * j, j, k or 0) for k in range(nk or 1) for j in range(nj) for i in range(ni)
    ]
    width = 3 if nk else 2
    return [p[a] for a in range(width) for p in points], [1] * (len(points) if blank else 0)


def binary(blocks, order="<", real="f", marks=False, several=True, blank=False):
    def record(data):
        size = struct.pack(order + "i", len(data))
        return size + data + size if marks else data

    dims = [n for block in blocks for n in block]
    out = record(struct.pack(order + "i", len(blocks))) if several else b""
    out += record(struct.pack(f"{order}{len(dims)}i", *dims))
    for block in blocks:
        values, flags = grid(*block, blank=blank)
        data = struct.pack(f"{order}{len(values)}{real}", *values)
        out += record(data + struct.pack(f"{order}{len(flags)}i", *flags))
    return out


def text(blocks, several=True, blank=False):
    out = f"{len(blocks)}\n" if several else ""
    out += "".join(" ".join(map(str, block)) + "\n" for block in blocks)
    for block in blocks:
        values, flags = grid(*block, blank=blank)
        out += " ".join(map(repr, values)) + "\n" + " ".join(map(str, flags)) + "\n"
    return out.encode()


TWO = [(3, 2, 2), (2, 2, 2)]


def seeds():
    return {
        "text": text(TWO),
        "text blanked": text(TWO, blank=True),
        "text single": text(TWO[:1], several=False),
        "text plane": text([(3, 4)]),
        "text single plane": text([(3, 4)], several=False),
        "binary": binary(TWO),
        "binary big": binary(TWO, order=">", real="d"),
        "binary marks": binary(TWO, marks=True, blank=True),
        "binary big marks": binary(TWO, order=">", marks=True, real="d"),
        "binary single": binary(TWO[:1], several=False),
        "binary single marks": binary(TWO[:1], several=False, marks=True),
        "binary plane": binary([(3, 4), (2, 2)], real="d"),
    }


def corpus():
    good, raw = text(TWO), binary(TWO)
    out = {"empty": b"", "words": b"hello, I am no mesh\n", "zeros": bytes(100), "number": b"7\n"}
    out |= {f"cut {n}": good[:n] for n in (3, 9, 20, 100, len(good) - 6)}
    out |= {f"binary cut {n}": raw[:n] for n in (3, 4, 16, 28, 60, len(raw) - 4, len(raw) - 1)}
    edits = [
        ("blocks 3", b"2\n3 2 2", b"3\n3 2 2"),
        ("blocks 0", b"2\n3 2 2", b"0\n3 2 2"),
        ("blocks -2", b"2\n3 2 2", b"-2\n3 2 2"),
        ("blocks 10^12", b"2\n3 2 2", b"1000000000000\n3 2 2"),
        ("blocks a fraction", b"2\n3 2 2", b"1.5\n3 2 2"),
        ("blocks beyond 64 bits", b"2\n3 2 2", b"99999999999999999999999\n3 2 2"),
        ("dimension 5", b"3 2 2\n", b"5 2 2\n"),
        ("dimension 0", b"3 2 2\n", b"0 2 2\n"),
        ("dimension -3", b"3 2 2\n", b"-3 2 2\n"),
        ("dimension 10^12", b"3 2 2\n", b"1000000000000 2 2\n"),
        ("dimensions overflow", b"3 2 2\n", b"1000000 1000000 1000000000\n"),
        ("dimension a fraction", b"3 2 2\n", b"3.5 2 2\n"),
        ("coordinate nan", b" 2.0 ", b" nan "),
        ("coordinate infinite", b" 2.1 ", b" 1e999 "),
        ("coordinate text", b" 2.1 ", b" here "),
        ("coordinate underscore", b" 2.1 ", b" 2_1 "),
        ("coordinate more", b" 2.1 ", b" 2.1 2.1 "),
        ("coordinate repeated", b" 2.1 ", b" 999999*2.1 "),
        ("coordinate repeated once too often", b" 2.1 ", b" 2*2.1 "),
    ]
    for name, old, new in edits:
        found = good.replace(old, new, 1)
        if name == "coordinate nan":
            found = good.replace(b" 2.1 ", new, 1)
        assert found != good, name
        out[name] = found
    counts = [("blocks", 0), ("dimension", 4), ("other dimension", 16)]
    for name, at in counts:
        for value in (0, -1, 7, 2**31 - 1):
            out[f"binary {name} {value}"] = raw[:at] + struct.pack("<i", value) + raw[at + 4 :]
    marked = binary(TWO, marks=True)
    out["binary mark of a header"] = struct.pack("<i", 5) + marked[4:]
    out["binary nan"] = raw[:28] + struct.pack("<f", float("nan")) + raw[32:]
    out["binary infinite"] = raw[:28] + struct.pack("<f", float("inf")) + raw[32:]
    return {name.replace(" ", "_"): data for name, data in out.items()}
