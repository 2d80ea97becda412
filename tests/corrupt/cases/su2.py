"""Malformed SU2 meshes: a small one with exactly one thing wrong each."""

from __future__ import annotations

SUFFIX = ".su2"
MESH = """% a comment
NDIME= 2
NELEM= 2
5 0 1 2 0
9 0 2 3 4 1
NPOIN= 5
0 0 0
1 0 1
1 1 2
0.5 2 3
0 1 4
NMARK= 2
MARKER_TAG= wall
MARKER_ELEMS= 1
3 0 1
MARKER_TAG= far
MARKER_ELEMS= 1
3 1 2
"""
SOLID = """NDIME= 3
NELEM= 1
10 0 1 2 3
NPOIN= 4
0 0 0
1 0 0
0 1 0
0 0 1
NMARK= 1
MARKER_TAG= SEND_RECEIVE
MARKER_ELEMS= 2
SEND_RECV= 1
1 0 0
1 1 0
NPERIODIC= 1
PERIODIC_INDEX= 0
0 0 0
FFD_NBOX= 1
FFD_CORNER_POINTS= 2
0 0
1 1
"""
TEXT = {
    "nodes_out_of_range": [("5 0 1 2 0", "5 0 1 5 0")],
    "nodes_negative": [("5 0 1 2 0", "5 0 1 -2 0")],
    "nodes_enormous": [("5 0 1 2 0", f"5 0 1 {2**62} 0")],
    "nodes_beyond_64_bits": [("5 0 1 2 0", f"5 0 1 {2**70} 0")],
    "nodes_are_floats": [("5 0 1 2 0", "5 0 1 2.5")],
    "nodes_missing": [("9 0 2 3 4 1", "9 0 2 3")],
    "nodes_underscore": [("5 0 1 2 0", "5 0 1 0_2")],
    "element_text": [("5 0 1 2 0", "five 0 1 2")],
    "type_unknown": [("5 0 1 2 0", "250 0 1 2 0")],
    "type_beyond_byte": [("5 0 1 2 0", "261 0 1 2 0")],
    "type_negative": [("5 0 1 2 0", "-5 0 1 2 0")],
    "type_enormous": [("5 0 1 2 0", f"{2**62} 0 1 2 0")],
    "type_zero": [("5 0 1 2 0", "0 0 1 2 0")],
    "type_of_no_size": [("5 0 1 2 0", "7 0 1 2 0")],
    "hexahedron_with_three_nodes": [("5 0 1 2 0", "12 0 1 2")],
    "elements_many": [("NELEM= 2", f"NELEM= {10**12}")],
    "elements_negative": [("NELEM= 2", "NELEM= -2")],
    "elements_too_many": [("NELEM= 2", "NELEM= 3")],
    "elements_text": [("NELEM= 2", "NELEM= two")],
    "elements_empty": [("NELEM= 2", "NELEM=")],
    "elements_endless_number": [("NELEM= 2", f"NELEM= {'9' * 900}")],
    "points_many": [("NPOIN= 5", f"NPOIN= {10**12}")],
    "points_negative": [("NPOIN= 5", "NPOIN= -5")],
    "points_too_few": [("NPOIN= 5", "NPOIN= 4")],
    "points_too_many": [("NPOIN= 5", "NPOIN= 6")],
    "points_missing": [("NPOIN=", "SOMETHING=")],
    "points_before_dimension": [("NDIME= 2\n", ""), ("0 1 4\n", "0 1 4\nNDIME= 2\n")],
    "points_nan": [("1 1 2", "1 nan 2")],
    "points_infinite": [("1 1 2", "1 inf 2")],
    "points_overflow": [("1 1 2", "1 1e999 2")],
    "points_text": [("1 1 2", "1 one 2")],
    "points_one_coordinate": [("0.5 2 3", "0.5")],
    "points_underscore": [("1 1 2", "1 1_0 2")],
    "dimension_one": [("NDIME= 2", "NDIME= 1")],
    "dimension_four": [("NDIME= 2", "NDIME= 4")],
    "dimension_missing": [("NDIME= 2\n", "")],
    "dimension_enormous": [("NDIME= 2", f"NDIME= {2**40}")],
    "markers_too_many": [("NMARK= 2", "NMARK= 3")],
    "markers_many": [("NMARK= 2", f"NMARK= {10**10}")],
    "marker_elements_many": [("MARKER_ELEMS= 1", f"MARKER_ELEMS= {10**10}")],
    "marker_elements_too_many": [("MARKER_ELEMS= 1", "MARKER_ELEMS= 2")],
    "marker_out_of_range": [("3 1 2", "3 1 9")],
    "zones_missing": [("NDIME= 2", "NZONE= 2\nNDIME= 2")],
    "zones_many": [("NDIME= 2", f"NZONE= {10**12}\nNDIME= 2")],
    "angle_text": [("NDIME= 2", "AOA_OFFSET= steep\nNDIME= 2")],
}


def _zones() -> str:
    return "NZONE= 2\nIZONE= 1\n" + MESH + "IZONE= 2\n" + MESH.replace("far", "near")


def seeds() -> dict[str, bytes]:
    """Good files: a plane, DOS lines, a volume with all sections, two zones."""
    return {
        "plane": MESH.encode(),
        "dos": MESH.replace("\n", "\r\n").encode(),
        "solid": SOLID.encode(),
        "zones": _zones().encode(),
    }


def corpus() -> dict[str, bytes]:
    """The files of the corpus by name."""
    files = {}
    for name, replacements in TEXT.items():
        text = MESH
        for old, new in replacements:
            assert old in text, (name, old)
            text = text.replace(old, new, 1)
        files[name] = text.encode()
    data = MESH.encode()
    files["empty"] = b""
    files["blank"] = b"\n\n  \n"
    files["zeros"] = bytes(300)
    files["random"] = bytes((k * 7919 + 31) % 251 for k in range(500))
    files["other_text"] = b"hello, this is no mesh = at all\n"
    for part in (0.2, 0.45, 0.6, 0.93):
        files[f"cut_at_{part}"] = data[: int(len(data) * part)]
    files["second_zone_out_of_range"] = _zones()[::-1].replace("2 1 3", "9 1 3", 1)[::-1].encode()
    return files
