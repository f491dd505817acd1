"""The how-tos for developers, executed as they are printed."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "docs" / "contributing"
PAGES = sorted(FOLDER.glob("new_*.rst"))
BLOCK = re.compile(r"^\.\. code-block:: python\n(?:    :.*\n)*\n((?:(?:    .*)?\n)+)", re.MULTILINE)


def code_of(page):
    """All blocks of Python of a page, with the lines that they have there."""
    text, code = page.read_text(encoding="utf-8"), ""
    for block in BLOCK.finditer(text):
        first_line = text[: block.start(1)].count("\n")
        code += "\n" * (first_line - code.count("\n"))
        code += re.sub(r"^    ", "", block[1], flags=re.MULTILINE)
    return code


def test_there_is_one_for_each_door():
    assert [page.stem for page in PAGES] == ["new_basis", "new_invariant", "new_law"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_how_to(page):
    code = code_of(page)
    assert code.count("assert") >= 1
    exec(compile(code, str(page), "exec"), {"__name__": f"how_to_{page.stem}"})
