"""Point clouds in text: XYZ, PTS, TXT, ASC and CSV; columns beside x, y, z become point data."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
from pathlib import Path

import numpy as np

from ..mesh import Mesh
from ._bounds import free_name
from ._columns import cloud, grouped, of_points, require_cloud, warn_arrays
from ._files import Fault, atomic_write, guarded, read_bytes
from ._format import Format, warn_lost
from ._surface import warn_data, warn_regions
from ._text import to_numbers
from ._words import Words, blocks, unix, without_comments

_SUFFIXES = (".csv", ".xyz", ".pts", ".txt", ".asc", ".tsv")
_HINT = "one point a line: x y z, or x,y,z with a line of names above"
_SEPARATORS = b",;"
_MOST = 1 << 16  # columns
_LONGEST = 1 << 22  # bytes of a line at the start
_ROW = re.compile(rb"(?m)^[^\S\n]*(?!//)[^\s#%]")  # a line that is neither blank nor a comment
_MARKED = re.compile(rb"^p[ \t]+([^\r\n]+)", re.MULTILINE)  # points among other records


def read_points(path: Path) -> Mesh:
    """Read points from a table of text.

    Columns named x, y and z (or Points:0, Points:1, Points:2) are coordinates wherever they stand;
    without names the first three are. Columns of integers are int64, of others float64, of words
    str; empty cells are NaN. The names may lie in a line above, after a # or not, in quotes or not;
    white space, commas, semicolons or tabs separate. Raises MeshFileError.
    """
    with guarded(path, path.suffix[1:].upper()):
        data = read_bytes(path)
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            data = data.decode("utf-16", "replace").encode()  # a spreadsheet's "Unicode text"
        data = data.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in data[:4096]:
            hint = "a PLOT3D grid is called .xyz too, and a LAS or NPY file may have lost its name"
            raise Fault("content", "binary data, expected lines of text", hint)
        if path.suffix.lower() == ".pts" and _MARKED.search(data, 0, 4096):
            data = b"\n".join(_MARKED.findall(data))
        data = unix(data)
        names, start, width, count = _head(data)
        columns = _quick(data, start, names, width)
        mesh = cloud(_slow(data, start, names) if columns is None else columns, {}, _HINT)
        if count not in (-1, mesh.n_points):
            found = f"{count} points declared in the first line, {mesh.n_points} found"
            warn_lost(path, path.suffix[1:].upper(), found)
        return mesh


def _head(data: bytes) -> tuple[list[str], int, int, int]:
    """Names of the columns, where the rows start, cells of a row, rows declared (-1: none)."""
    headings: list[list[str]] = []
    at, count, note = 0, -1, b""
    counted = False  # chemists and scanners put the count first, and a comment after it
    while len(headings) < 32 and (row := _ROW.search(data, at)):
        start = row.start()
        if start > at:
            counted = False
        if skipped := data[at:start].strip():
            note = skipped[skipped.rfind(b"\n") + 1 :]  # the last one may name the columns
            note = note[:_LONGEST].lstrip(b"#%/ ")
        at = data.find(b"\n", start) + 1 or len(data)
        if at - start > _LONGEST:
            raise Fault("row 1", f"a line of over {_LONGEST >> 20} MB", _HINT)
        line = data[start:at].strip()
        cells = _cells(line)
        numbers = sum(map(_is_number, cells))
        if numbers > 1 and not (counted and numbers < len(cells)):
            above = [*headings, _cells(note), re.split(r"\s{2,}", note.decode("utf-8", "replace"))]
            names = [r for r in above if len(r) == len(cells) and not any(map(_is_number, r))]
            return names[0] if names else [], start, len(cells), count
        if cells:
            headings.append(cells)
        counted = len(cells) == 1 and cells[0].isdecimal() and len(cells[0]) < 19
        count = int(cells[0]) if counted else count
    found = b" ".join(data[:80].split()).decode("utf-8", "replace")
    raise Fault("row 1", f"no row of two or more numbers at the start: {found!r}", _HINT)


def _cells(line: bytes) -> list[str]:
    text = line.decode("utf-8", "replace")
    for separator in ("\t", ";", ","):
        if separator in text:
            try:
                row = next(csv.reader([text], delimiter=separator, skipinitialspace=True), [])
            except csv.Error:
                row = text.split(separator)
            return [cell.strip() for cell in row]
    return [word.strip('"') for word in text.split()]


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return "_" not in text


def _label(names: list[str], width: int) -> list[str]:
    out: dict[str, None] = {}
    for index in range(width):
        name = names[index] if index < len(names) and names[index] else f"column_{index}"
        out[free_name(name, out, "_", index)] = None
    return list(out)


# -- rows that all have as many numbers -------------------------------------------------------


def _quick(data: bytes, start: int, names: list[str], width: int) -> dict[str, np.ndarray] | None:
    """The columns, or None where a row differs, a cell is empty, or one is no number."""
    stop = data.find(b"\n", start) + 1 or len(data)
    if b";" in data[start:stop] and b"," in data[start:stop]:
        return None  # decimal commas
    parts: list[list[np.ndarray]] = []
    for text, _ in blocks(data, start):
        words = Words(_plain(text), _SEPARATORS)
        size = np.diff(words.offsets)
        if not len(size):
            continue
        if not parts and not names:
            width = int(size[0])
        if (size != width).any() or width > _MOST:
            return None
        try:
            table = to_numbers(words.text.translate(_BLANK).split(), np.float64, "rows")
        except Fault:
            return None
        parts.append(_columns(words, table.reshape(-1, width)))
    if not parts:
        return None
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return dict(zip(_label(names, width), columns, strict=True))


_BLANK = bytes(32 if byte in _SEPARATORS else byte for byte in range(256))


def _plain(text: bytes) -> bytes:
    text = without_comments(text)
    for mark in (b"%", b"//"):
        if mark in text:
            text = re.sub(rb"(?m)^\s*" + mark + rb"[^\n]*", b"", text)
    return text


def _columns(words: Words, table: np.ndarray) -> list[np.ndarray]:
    """The columns, those as int64 whose words are integers that fit (1.0 is none)."""
    whole = (table == np.floor(table)).all(axis=0)
    column = np.arange(table.size) % table.shape[1]
    if whole.any() and _has_reals(words.only(whole[column])):  # one of them has, but which?
        at = np.flatnonzero(_REAL[words.bytes])
        whole[column[np.searchsorted(words.starts, at, side="right") - 1]] = False
    out = list(table.T)
    large = (np.abs(table) >= 2.0**53).any(axis=0)
    for index in np.flatnonzero(whole & ~large).tolist():
        out[index] = out[index].astype(np.int64)
    if (exact := np.flatnonzero(whole & large)).size:
        texts = words.only((whole & large)[column]).split()
        for place, index in enumerate(exact.tolist()):
            with contextlib.suppress(Fault):
                out[index] = to_numbers(texts[place :: exact.size], np.int64, "")
    return out


_WHOLE = b"0123456789+- \t\r\n\v\f" + _SEPARATORS
_REAL = np.array([byte not in _WHOLE for byte in range(256)])


def _has_reals(text: bytes) -> bool:
    return bool(text.translate(None, _WHOLE))


# -- any table --------------------------------------------------------------------------------


def _slow(data: bytes, start: int, names: list[str]) -> dict[str, np.ndarray]:
    """Row by row: empty cells, text, quotes, decimal commas."""
    text = io.TextIOWrapper(io.BytesIO(data[start:]), "utf-8", "replace", newline="")
    line = data[start : start + 65536].splitlines()[0]
    separator = next((s for s in "\t;," if s.encode() in line), " ")
    rows = csv.reader(text, delimiter=separator, skipinitialspace=True)
    width = len(names)
    columns: list[list[str]] = []
    number = 0
    try:
        for row in rows:
            if separator == " ":
                row = [cell for cell in row if cell]
            if not row or row[0].lstrip()[:1] in ("#", "%") or not any(row):
                continue
            number += 1
            if not columns:
                width = width or len(row)
                if not 2 <= width <= _MOST:
                    raise Fault("row 1", f"{width} columns", _HINT)
                columns = [[] for _ in range(width)]
            if len(row) == width + 1 and not row[-1]:
                row.pop()  # a separator at the end
            if len(row) != width:
                shown = separator.join(row)[:60]
                raise Fault(f"row {number}", f"expected {width} cells, found {shown!r}", _HINT)
            for column, cell in zip(columns, row, strict=True):
                column.append(cell.strip())
    except csv.Error as error:
        raise Fault(f"row {number + 1}", str(error), _HINT) from None
    if not columns:
        raise Fault("content", "no rows", _HINT)
    comma = separator == ";"
    found = [_column(cells, comma) for cells in columns]
    if not names:
        _require_numbers(columns, found)
    return dict(zip(_label(names, width), found, strict=True))


def _require_numbers(cells: list[list[str]], found: list[np.ndarray]) -> None:
    """Without names text may stand in front (chemical elements), but not among coordinates."""
    numbers = 0
    for texts, values in zip(cells, found, strict=True):
        if numbers == 3:
            return
        if values.dtype.kind in "fiu":
            numbers += 1
        elif numbers or any(map(_is_number, texts)):
            row = next((i for i, text in enumerate(texts) if not _is_number(text)), 0)
            raise Fault(f"row {row + 1}", f"{texts[row][:60]!r} where a number belongs", _HINT)


def _column(cells: list[str], comma: bool) -> np.ndarray:
    texts = [cell.replace(",", ".") for cell in cells] if comma else cells
    missing = [not cell for cell in texts]
    try:
        words = [(cell or "nan").encode() for cell in texts]
        values = to_numbers(words, np.float64, "")
        if any(missing) or any(map(_REAL_TEXT.search, texts)):
            return values
        return to_numbers(words, np.int64, "")
    except Fault:
        longest = max(map(len, cells))
        kind = object if longest * len(cells) > 64 * sum(map(len, cells)) + 65536 else str
        return np.array(cells, dtype=kind)


_REAL_TEXT = re.compile("[.eEnNiIfFdD]")


# -- write ------------------------------------------------------------------------------------


def write_points(mesh: Mesh, path: Path | str) -> None:
    """Write a cloud: CSV with a line of names, the others as x y z and numbers with spaces between.

    Vectors become one column a component. Raises MeshFileError for meshes with cells.
    """
    kind = Path(path).suffix[1:].upper()
    with guarded(path, kind):
        mesh.check()
        require_cloud(mesh, path, kind)
        warn_regions(path, kind, list(mesh.regions), "write .vtu for them")
        kept = {("point", name) for name in mesh.point_data}
        warn_data(path, kind, mesh, kept)
        columns = of_points(mesh)
        table = kind in ("CSV", "TSV")
        separator = {"CSV": ",", "TSV": "\t"}.get(kind, " ")
        texts = [name for name, values in columns.items() if values.dtype.kind not in "fiub"]
        if not table:
            columns = {name: values for name, values in columns.items() if name not in texts}
        columns = _labelled(columns, table)
        warn_arrays(path, kind, mesh.point_data, grouped(_read_back(columns)))
        texts = [name for name, values in columns.items() if values.dtype.kind not in "fiub"]
        if trimmed := [name for name in texts if _has_white_ends(columns[name])]:
            what = f"text loses the white space around it: {', '.join(trimmed[:5])}"
            warn_lost(path, kind, what)
        with atomic_write(path) as file:
            head = io.StringIO()
            if table:
                csv.writer(head, delimiter=separator, lineterminator="\n").writerow(columns)
            elif len(columns) > 3:
                head.write("# " + " ".join(columns) + "\n")
            file.write(head.getvalue().encode("utf-8", "surrogateescape"))
            for start in range(0, mesh.n_points, 1 << 16):
                parts = [_texts(v[start : start + (1 << 16)]) for v in columns.values()]
                if texts and table:
                    out = io.StringIO()
                    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
                    writer.writerows(zip(*parts, strict=True))
                    file.write(out.getvalue().encode("utf-8", "surrogateescape"))
                    continue
                rows = itertools.chain.from_iterable(zip(*parts, strict=True))
                form = separator.join(["{}"] * len(parts)) + "\n"
                count = len(parts[0])
                file.write((form * count).format(*rows).encode())


def _labelled(columns: dict[str, np.ndarray], table: bool) -> dict[str, np.ndarray]:
    """The columns under names that stay names: none is a number, or holds a separator."""
    out: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        label = name if table else "_".join(name.split())
        label = re.sub(r"[;\t\r\n]" if table else '[;,"]', "_", label).strip()
        label = f"_{label}" if not label or _is_number(label) else label
        while label in out:
            label += "_"
        out[label] = values
    return out


def _read_back(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The point data as the reader finds them."""
    out = {name: values for name, values in columns.items() if name not in "xyz"}
    for name, values in out.items():
        if values.dtype.kind in "iub":
            out[name] = values.astype(np.int64)
        elif values.dtype.kind == "f":
            out[name] = values.astype(np.float64)
        else:
            out[name] = _column([text.strip() for text in _texts(values)], False)
    return out


def _has_white_ends(values: np.ndarray) -> bool:
    return any(text != text.strip() for text in map(str, values.tolist()))


def _texts(values: np.ndarray) -> list[str]:
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    return [v if isinstance(v, str) else repr(v) for v in values.tolist()]


FORMAT = Format(
    "points",
    _SUFFIXES,
    read_points,
    write_points,
    lost="cells are refused; regions; number types (64 bits come back)",
)
