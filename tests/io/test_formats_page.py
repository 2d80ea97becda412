"""docs/formats.md is what docs/make_formats.py makes of the table of formats."""

import importlib.util
from pathlib import Path

import pytest

from meshop.io import FORMATS, Format

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("make_formats", DOCS / "make_formats.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(page):
    assert page.TARGET.read_text("utf-8") == page.text(), "run: python docs/make_formats.py"


def test_every_format_has_a_row(page):
    table = page.text().partition("|---|")[2].partition("\n\n")[0]
    rows = table.splitlines()[1:]
    assert len(rows) == len(FORMATS)
    assert all(line.replace("\\|", "").count("|") == 8 for line in rows)


def test_odd_words_stay_in_their_row(page):
    odd = Format("a|b", (".x", ".y"), read=lambda path: None, regions="one\ntwo", lost="data")
    assert page.row(odd) == "| a\\|b | `.x`, `.y` | own | - | one two | - | - |"
