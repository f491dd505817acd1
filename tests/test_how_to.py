"""How-tos, executed as they are printed."""

import re
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

DOCS = Path(__file__).parent.parent / "docs"
FOLDER = DOCS / "contributing"
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


def test_large_data(tmp_path, monkeypatch):
    """The page for users, with files as it says; clusters are tested in test_cluster.py."""
    pytest.importorskip("pyarrow", reason="needs the extra io")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    rng = np.random.default_rng(0)
    for run in range(3):
        structures = [molecule(name) for name in ["H2O", "CH3OH", "NH3"] * 8]
        for number, atoms in enumerate(structures):
            atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
            results = {"energy": rng.normal(), "forces": rng.normal(size=(len(atoms), 3))}
            atoms.calc = SinglePointCalculator(atoms, **results)
            atoms.info["config"] = f"{run}-{number // 4}"
        write(f"runs/{run}.xyz", structures)
    names = {"__name__": "large_data"}
    exec(compile(code_of(DOCS / "large_data.rst"), "large_data.rst", "exec"), names)
    assert names["dataset"].complete
    assert names["frame"].shape == (72, 5 + len(names["names"]))
    assert names["lazy"].collect().shape == (72, 2)
    assert names["model"].n_rows_ == {"energy": 72, "forces": 3 * 8 * 13 * 3, "stress": 0}
    assert not (tmp_path / "fit.npz").exists()
