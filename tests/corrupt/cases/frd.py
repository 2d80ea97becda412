"""CalculiX results: long and short text, binary."""

import struct

SUFFIX = ".frd"

POINTS = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0.5, 0.5, 1)]


def header(key, count, kind):
    return f"    {key}C{'':18}{count:12d}{'':37}{kind:1d}\n".encode()


def result(time, step, count, kind, name="DISP", parts=("D1", "D2", "D3"), every=True):
    text = f"  100CL  101{time:12.5E}{count:12d}{'':20}{0:2d}{step:5d}{'':10}{kind:2d}\n"
    text += f" -4  {name:8s}{len(parts) + every:5d}    1\n"
    text += "".join(f" -5  {part:8s}    1    2    1    0\n" for part in parts)
    if every:
        text += " -5  ALL         1    2    0    0    1ALL\n"
    return text.encode()


def text_file(short=False):
    wide = 5 if short else 10
    out = b"    1C\n    1UUSER\n" + header(2, len(POINTS), int(not short))
    for number, point in enumerate(POINTS, 1):
        out += (f" -1{number:{wide}d}" + "".join(f"{x:12.5E}" for x in point) + "\n").encode()
    out += b" -3\n" + header(3, 2, int(not short))
    for number, kind, nodes in ((1, 9, (1, 2, 3, 4)), (2, 3, (1, 2, 3, 5))):
        out += f" -1{number:{wide}d}{kind:5d}{0:5d}{1:5d}\n".encode()
        out += (" -2" + "".join(f"{node:{wide}d}" for node in nodes) + "\n").encode()
    out += b" -3\n"
    for step, time in ((1, 0.5), (2, 1.0)):
        out += result(time, step, len(POINTS), int(not short))
        for number, point in enumerate(POINTS, 1):
            out += (f" -1{number:{wide}d}" + "".join(f"{x:12.5E}" for x in point) + "\n").encode()
        out += b" -3\n"
    return out + b" 9999\n"


def binary_file(double=False):
    real = "3d" if double else "3f"
    out = b"    1C\n" + header(2, len(POINTS), 2 + double)
    for number, point in enumerate(POINTS, 1):
        out += struct.pack("<i" + real, number, *point)
    out += header(3, 2, 2 + double)
    out += struct.pack("<8i", 1, 9, 0, 1, 1, 2, 3, 4) + struct.pack("<8i", 2, 3, 0, 1, 1, 2, 3, 5)
    out += result(0.5, 1, len(POINTS), 2 + double, every=False)
    for number, point in enumerate(POINTS, 1):
        out += struct.pack("<i" + real, number, *point)
    return out + b"\n 9999\n"


def seeds():
    good = text_file()
    return {
        "long": good,
        "short": text_file(short=True),
        "float": binary_file(),
        "double": binary_file(double=True),
        "crlf": good.replace(b"\n", b"\r\n"),
    }


def corpus():
    good = text_file()
    out = {"empty": b"", "text": b"hello, I am no mesh\n", "zeros": bytes(100)}
    cuts = [30, 110, 200, good.index(b" -3") - 2, good.index(b" -3") + 40, good.rindex(b" -3") - 20]
    out |= {f"cut {n}": good[:n] for n in cuts}
    start = good.index(b" -1         3")
    edits = [
        ("no nodes", b"    2C", b"    9C"),
        ("node count more", b"           5 ", b"           6 "),
        ("node count fewer", b"           5 ", b"           4 "),
        ("node count 10^11", b"           5 ", b"100000000000 "),
        ("node count text", b"           5 ", b"        five "),
        ("node format 7", header(2, 5, 1), header(2, 5, 7)),
        ("no end of the nodes", b" -3\n", b" -4\n"),
        ("label text", b" -1         3", b" -1         x"),
        ("label a fraction", b" -1         3", b" -1       3.5"),
        ("label underscore", b" -1         3", b" -1       3_0"),
        ("label beyond 64 bits", b" -1         2 1.00000E+00 0.00", b" -1" + 28 * b"9"),
        ("nan", good[start + 13 : start + 25], b"         nan"),
        ("infinite", good[start + 13 : start + 25], b"       1e999"),
        ("coordinate text", good[start + 13 : start + 25], b"        here"),
        ("coordinate underscore", good[start + 13 : start + 25], b"     1_00.E0"),
        ("element count more", header(3, 2, 1), header(3, 3, 1)),
        ("element count fewer", header(3, 2, 1), header(3, 1, 1)),
        ("element type 0", b" -1         1    9    0", b" -1         1    0    0"),
        ("element type 13", b" -1         1    9    0", b" -1         1   13    0"),
        ("element type -1", b" -1         1    9    0", b" -1         1   -1    0"),
        ("element type of more nodes", b" -1         1    9    0", b" -1         1    4    0"),
        ("element without nodes", b" -2         1         2         3         4\n", b""),
        ("element with a line too many", b" -2         1         2         3         4\n",
         b" -2         1         2         3         4\n -2         1\n"),
        ("node out of range", b"        3         4\n", b"        3         9\n"),
        ("node negative", b"         2         3         4\n", b"         2         3        -4\n"),
        ("node missing", b"         2         3         4\n", b"         2         3\n"),
        ("node text", b"         2         3         4\n", b"         2         3         d\n"),
        ("time text", b" 5.00000E-01           5", b"        soon           5"),
        ("time nan", b" 5.00000E-01           5", b"         nan           5"),
        ("time underscore", b" 5.00000E-01           5", b"     5_0E-01           5"),
        ("step text", b" 0    1          ", b" 0  one          "),
        ("result count", b" 5.00000E-01           5", b" 5.00000E-01           6"),
        ("result count 10^11", b" 5.00000E-01           5", b" 5.00000E-01100000000000"),
        ("no components", b" -5  D1          1    2    1    0\n -5  D2          1    2    1    0\n"
         b" -5  D3          1    2    1    0\n", b""),
        ("result of an unknown node", good[good.index(b"1ALL") + 5 :][:13], b" -1        77"),
    ]  # fmt: skip
    tail = good[good.index(b"1ALL") :]
    for name, old, new in edits:
        assert old in good, name
        if name == "result of an unknown node":
            out[name] = good.replace(tail, tail.replace(old, new, 1), 1)
        else:
            out[name] = good.replace(old, new, 1)
    binary = binary_file()
    first = len(b"    1C\n") + len(header(2, 5, 2))
    out |= {f"binary cut {n}": binary[:n] for n in (first + 20, first + 120, len(binary) - 30)}
    out["binary count 10^11"] = binary.replace(b"           5 ", b"100000000000 ", 1)
    out["binary without a count"] = binary.replace(b"           5 ", b"             ", 1)
    nan = struct.pack("<f", float("nan"))
    out["binary nan"] = binary[: first + 4] + nan + binary[first + 8 :]
    return {name.replace(" ", "_"): data for name, data in out.items()}
