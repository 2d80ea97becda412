"""What the text of a CAD file says of itself: its kind, its end, its unit of length."""

from __future__ import annotations

import re

from .._files import Fault

# OpenCASCADE's names of units of length, and how many millimetres each has.
UNITS = {
    "UM": 1e-3, "MM": 1.0, "CM": 10.0, "M": 1e3, "KM": 1e6, "MIL": 0.0254, "INCH": 25.4,
    "FT": 304.8, "MI": 1609344.0,
}  # fmt: skip
_IGES_UNITS = {
    1: "INCH", 2: "MM", 4: "FT", 5: "MI", 6: "M", 7: "KM", 8: "MIL", 9: "UM", 10: "CM",
}  # fmt: skip
_STEP_PREFIX = {b"MILLI": "MM", b"CENTI": "CM", b"MICRO": "UM", b"KILO": "KM", b"": "M"}
_STEP_CONVERTED = {b"INCH": "INCH", b"IN": "INCH", b"FOOT": "FT", b"FT": "FT", b"MILE": "MI",
                   b"MIL": "MIL"}  # fmt: skip
# OpenCASCADE may never end on it.
_HUGE = re.compile(
    rb"CARTESIAN_POINT\s*\(\s*'[^']{0,500}'\s*,\s*\([^)]{0,200}?"
    rb"(?:E\+?0*(?:30[89]|3[1-9]\d|[4-9]\d\d|[1-9]\d{3,})(?!\d)|NAN|INF)",
    re.I,
)
_FACE = re.compile(rb"=\s*ADVANCED_FACE\s*\(")


def kind_of(content: bytes) -> str:
    """ "step", "iges", "brep", or "" for none of them."""
    start = content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"ISO-10303-21"):
        return "step"
    if start.startswith(b"DBRep_DrawableShape") or b"CASCADE Topology V" in start[:200]:
        return "brep"
    lines = content[:4096].splitlines()[:3]  # the first line of an IGES file is never empty
    if len(lines) > 1 and all(re.match(rb".{72}[SG] {0,6}0*\d+\s*$", line) for line in lines[:2]):
        return "iges"
    return ""


def check_complete(kind: str, content: bytes) -> None:
    """Raise Fault for content that is no CAD, or that ends too early."""
    cut = "the file is cut off: copy or export it again"
    if not kind:
        what = "the content is neither STEP, IGES nor BREP"
        raise Fault("content", what, "a file exported as STEP (.step)")
    if kind == "step" and b"END-ISO-10303-21" not in content[-65536:].replace(b" ", b""):
        raise Fault("end of the file", "no END-ISO-10303-21 found", cut)
    if kind == "step" and (huge := _HUGE.search(content)):
        what = huge[0].decode("utf-8", "replace")[-60:]
        raise Fault("coordinates", f"a number beyond 1e308: {what}", "export it again")
    if kind == "iges" and not re.search(rb"^.{72}T {0,6}0*1\s*$", content[-8192:], re.M):
        raise Fault("end of the file", "no terminate record (T in column 73) found", cut)


def unit_of(kind: str, content: bytes) -> str:
    """The unit of length that a file is written in; "" where it does not say or has several."""
    if kind == "step":
        found = set()
        for entity in re.findall(rb"=\s*\(([^;]{0,400}?LENGTH_UNIT[^;]{0,400});", content):
            text = re.sub(rb"\s+", b"", entity).upper()
            if name := re.search(rb"CONVERSION_BASED_UNIT\('([A-Z]*)'", text):
                found.add(_STEP_CONVERTED.get(name[1], ""))
            elif name := re.search(rb"SI_UNIT\(\.?([A-Z]*|\$)\.?,\.METRE\.\)", text):
                found.add(_STEP_PREFIX.get(name[1].strip(b"$"), ""))
        # A converted unit is defined through a second one, so two may be one.
        converted = found & set(_STEP_CONVERTED.values())
        found = converted or found
        return found.pop() if len(found) == 1 else ""
    if kind == "iges":
        lines = [line for line in content[:65536].splitlines() if line[72:73] == b"G"]
        return iges_unit(b"".join(line[:72] for line in lines))
    return ""


def iges_unit(text: bytes) -> str:
    """Field 14 of the global section, whose strings are Hollerith: "3H1,2" holds a comma."""
    fields: list[bytes] = []
    at, comma, end = 0, b",", b";"
    while at < len(text) and len(fields) < 15:
        if word := re.compile(rb"\s*(\d{1,5})H").match(text, at):
            value = text[word.end() : word.end() + int(word[1])]
            at = word.end() + int(word[1])
        else:
            stop = min((i for i in (text.find(comma, at), text.find(end, at)) if i >= 0),
                       default=len(text))  # fmt: skip
            value, at = text[at:stop].strip(), stop
        fields.append(value)
        if text[at : at + 1] == end:
            break
        at += 1
    flag = fields[13] if len(fields) > 13 else b""
    return _IGES_UNITS.get(int(flag), "") if flag.isdigit() and len(flag) < 3 else ""


def declared_faces(kind: str, content: bytes) -> int:
    """How many faces a STEP file lists; 0 for the others."""
    return len(_FACE.findall(content)) if kind == "step" else 0
