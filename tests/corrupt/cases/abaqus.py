"""Abaqus and CalculiX decks: flat, with parts and instances, with an include."""

SUFFIX = ".inp"

DECK = b"""** a comment
*HEADING
 a title, with a comma
*NODE, NSET=NALL
1, 0., 0., 0.
2, 1., 0., 0.
3, 1., 1., 0.
4, 0., 1.,
50, .5, .5, 1.
*ELEMENT, TYPE=S3, ELSET=SKIN
7, 1, 2, 3
8, 1, 3, 4
*ELEMENT, TYPE=C3D4
9, 1, 2, 3,
 50
*ELSET, ELSET=BODY, GENERATE
9, 9, 1
*NSET, NSET=EDGE
1, 2, NALL
*SURFACE, NAME=TOP
BODY, S2
7, SPOS
*MATERIAL, NAME=STEEL
*ELASTIC
210000., .3
"""
PARTS = b"""*Heading
*Part, name=bar
*Node
1, 0, 0, 0
2, 1, 0, 0
*Element, type=T3D2
1, 1, 2
*Nset, nset=end
2
*End Part
*Assembly, name=all
*Instance, name=bar-1, part=bar
*End Instance
*Instance, name=bar-2, part=bar
1., 0., 0.
1., 0., 0., 1., 0., 1., 90.
*End Instance
*End Assembly
"""


def seeds():
    return {"deck": DECK, "parts": PARTS, "crlf": DECK.replace(b"\n", b"\r\n")}


def corpus():
    out = {
        "empty": b"",
        "text": b"hello, I am no mesh\n",
        "zeros": bytes(100),
        "heading": DECK[:40],
    }
    for text in (b"7, 1, 2", b"9, 1, 2, 3", b"9, 1, 2, 3,\n", b"*NODE, NSET=NALL\n"):
        end = DECK.index(text) + len(text)
        out[f"cut {end}"] = DECK[:end]
    deck = [
        ("label text", b"50, .5", b"fifty, .5"),
        ("label a fraction", b"50, .5", b"50.5, .5"),
        ("label huge", b"50, .5", b"1e300, .5"),
        ("label nan", b"50, .5", b"nan, .5"),
        ("coordinate nan", b"50, .5, .5, 1.", b"50, .5, .5, nan"),
        ("coordinate infinite", b"50, .5, .5, 1.", b"50, .5, .5, 1e999"),
        ("coordinate text", b"50, .5, .5, 1.", b"50, .5, .5, up"),
        ("coordinate underscore", b"50, .5, .5, 1.", b"50, .5, .5, 1_0."),
        ("coordinate binary", b"50, .5, .5, 1.", b"50, .5, .5, \x00\xff"),
        ("no nodes", b"*NODE,", b"*NOTHING,"),
        ("nodes missing", b"*NODE, NSET=NALL\n1, 0., 0., 0.\n", b"*NODE, NSET=NALL\n"),
        ("node unknown", b"8, 1, 3, 4", b"8, 1, 3, 5"),
        ("node 0", b"8, 1, 3, 4", b"8, 1, 3, 0"),
        ("node negative", b"8, 1, 3, 4", b"8, 1, 3, -4"),
        ("node 2^62", b"8, 1, 3, 4", b"8, 1, 3, 4611686018427387904"),
        ("node beyond 64 bits", b"8, 1, 3, 4", b"8, 1, 3, 99999999999999999999"),
        ("node text", b"8, 1, 3, 4", b"8, 1, 3, four"),
        ("node a fraction", b"8, 1, 3, 4", b"8, 1, 3, 4.5"),
        ("node underscore", b"8, 1, 3, 4", b"8, 1, 3, 0_4"),
        ("node missing", b"8, 1, 3, 4", b"8, 1, 3"),
        ("node too many", b"8, 1, 3, 4", b"8, 1, 3, 4, 1"),
        ("type of more nodes", b"TYPE=S3", b"TYPE=C3D20R"),
        ("range text", b"9, 9, 1", b"9, last, 1"),
        ("range by 0", b"9, 9, 1", b"9, 9, 0"),
        ("range backwards", b"9, 9, 1", b"9, 9, -1"),
        ("range of four", b"9, 9, 1", b"9, 9, 1, 4"),
        ("range beyond 64 bits", b"9, 9, 1", b"9, 99999999999999999999, 1"),
        ("set beyond 64 bits", b"1, 2, NALL", b"1, 99999999999999999999, NALL"),
        ("include of a folder above", b"*MATERIAL, NAME=STEEL", b"*INCLUDE, INPUT=../a.inp"),
        ("include of anything", b"*MATERIAL, NAME=STEEL", b"*INCLUDE, INPUT=/etc/passwd"),
        ("include of nothing", b"*MATERIAL, NAME=STEEL", b"*INCLUDE"),
        ("include absent", b"*MATERIAL, NAME=STEEL", b"*INCLUDE, INPUT=absent.inp"),
        ("include of itself", b"*MATERIAL, NAME=STEEL", b"*INCLUDE, INPUT=include_of_itself.inp"),
    ]  # fmt: skip
    parts = [
        ("move text", b"1., 0., 0.\n", b"1., east, 0.\n"),
        ("move nan", b"1., 0., 0.\n", b"1., nan, 0.\n"),
        ("turn short", b"1., 0., 0., 1., 0., 1., 90.", b"1., 0., 0., 1."),
        ("turn without an axis", b"1., 0., 0., 1., 0., 1., 90.", b"1., 0., 0., 1., 0., 0., 90."),
        ("turn infinite", b"1., 0., 0., 1., 0., 1., 90.", b"1., 0., 0., 1., 0., 1e999, 90."),
        ("part without nodes", b"*Node\n1, 0, 0, 0\n2, 1, 0, 0\n", b""),
        ("node of another part", b"*End Assembly", b"*Element, type=T3D2\n5, 1, 2"),
    ]
    for good, rows in ((DECK, deck), (PARTS, parts)):
        for name, old, new in rows:
            assert old in good, name
            out[name] = good.replace(old, new, 1)
    return {name.replace(" ", "_"): data for name, data in out.items()}
