"""Malformed TetGen files: a name says which of the two files is wrong."""

from __future__ import annotations

from pathlib import Path

SUFFIX = ".ele"
NODE = b"# four\n4 3 1 1\n1 0 0 0 0.5 1\n2 1 0 0 0.5 1\n3 0 1 0 0.5 1\n4 0 0 1 0.5 1\n# end\n"
ELE = b"1 4 1\n1 1 2 3 4 7\n"
FACE = b"1 1\n1 1 2 3 -2\n"


def place(folder: Path, name: str, data: bytes) -> Path:
    """The good files, one of them with `data` instead."""
    for suffix, good in ((".node", NODE), (".ele", ELE), (".face", FACE)):
        (folder / f"a{suffix}").write_bytes(data if name.startswith(suffix[1:]) else good)
    return folder / "a.ele"


def seeds() -> dict[str, bytes]:
    return {"node": NODE, "ele": ELE, "face": FACE, "face without markers": b"1 0\n1 1 2 3\n"}


def corpus() -> dict[str, bytes]:
    return {
        "node empty": b"",
        "node comments alone": b"# nothing\n",
        "node random": bytes(range(256)),
        "node cut": NODE[:40],
        "node cut in a number": NODE[:-12],
        "node count too large": NODE.replace(b"4 3 1 1", b"5 3 1 1"),
        "node count too small": NODE.replace(b"4 3 1 1", b"3 3 1 1"),
        "node count huge": NODE.replace(b"4 3 1 1", b"1000000000000 3 1 1"),
        "node count negative": NODE.replace(b"4 3 1 1", b"-4 3 1 1"),
        "node count beyond 64 bits": NODE.replace(b"4 3 1 1", b"99999999999999999999 3 1 1"),
        "node of one dimension": NODE.replace(b"4 3 1 1", b"4 1 1 1"),
        "node of four dimensions": NODE.replace(b"4 3 1 1", b"4 4 0 1"),
        "node attributes negative": NODE.replace(b"4 3 1 1", b"4 3 -1 3"),
        "node attributes huge": NODE.replace(b"4 3 1 1", b"4 3 1000000000000 1"),
        "node label no whole number": NODE.replace(b"\n2 1 0 0", b"\n2.5 1 0 0"),
        "node label huge": NODE.replace(b"\n2 1 0 0", b"\n1e300 1 0 0"),
        "node text": NODE.replace(b"0.5", b"half"),
        "node underscore": NODE.replace(b"\n2 1 0 0", b"\n2 1_0 0 0"),
        "node nan": NODE.replace(b"\n2 1 0 0", b"\n2 nan 0 0"),
        "node infinite": NODE.replace(b"\n2 1 0 0", b"\n2 1e999 0 0"),
        "node label twice": NODE.replace(b"\n4 0 0 1", b"\n3 0 0 1"),
        "ele empty": b"",
        "ele random": bytes(range(255, -1, -1)),
        "ele cut": ELE[:12],
        "ele count too large": ELE.replace(b"1 4 1\n", b"2 4 1\n"),
        "ele count huge": ELE.replace(b"1 4 1\n", b"1000000000000 4 1\n"),
        "ele count negative": ELE.replace(b"1 4 1\n", b"-1 4 1\n"),
        "ele of five": ELE.replace(b"1 4 1\n", b"1 5 0\n"),
        "ele of none": ELE.replace(b"1 4 1\n", b"1 0 5\n"),
        "ele attributes negative": ELE.replace(b"1 4 1\n", b"1 4 -1\n"),
        "ele node zero": ELE.replace(b"1 1 2 3 4", b"1 0 2 3 4"),
        "ele node beyond": ELE.replace(b"1 1 2 3 4", b"1 1 2 3 5"),
        "ele node negative": ELE.replace(b"1 1 2 3 4", b"1 -1 2 3 4"),
        "ele node of 2^62": ELE.replace(b"1 1 2 3 4", b"1 1 2 3 4611686018427387904"),
        "ele node no whole number": ELE.replace(b"1 1 2 3 4", b"1 1.5 2 3 4"),
        "ele node nan": ELE.replace(b"1 1 2 3 4", b"1 nan 2 3 4"),
        "ele not in the middle": b"1 10 0\n1 1 2 3 4 1 1 1 1 1 1\n",
        "face node beyond": FACE.replace(b"1 1 2 3", b"1 1 2 9"),
        "face count huge": FACE.replace(b"1 1\n", b"1000000000000 1\n"),
        "face text": FACE.replace(b"-2", b"wall"),
        "face cut": FACE.replace(b"1 1\n", b"2 1\n"),
        "face marker no whole number": FACE.replace(b"-2", b"0.5"),
    }
