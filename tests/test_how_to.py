"""How-tos, executed as they are printed."""

import re
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from sklearn.linear_model import Ridge

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


def write_runs():
    """300 molecules with total energies, as the page has them: three files of trajectories."""
    Path("runs").mkdir()
    rng = np.random.default_rng(0)
    for run in range(3):
        structures = [molecule(name) for name in ["H2O", "CH3OH", "NH3", "C2H6"] * 25]
        for number, atoms in enumerate(structures):
            atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
            atoms.calc = EMT()
            energy = atoms.get_potential_energy() - 13.0 * atoms.numbers.sum()
            results = {"energy": energy, "forces": atoms.get_forces()}
            atoms.calc = SinglePointCalculator(atoms, **results)
            atoms.info["config"] = f"{run}-{number // 4}"
        write(f"runs/{run}.xyz", structures)


@pytest.fixture(scope="module")
def large_data(tmp_path_factory):
    """What the page for users defines; clusters are tested in test_cluster.py."""
    pytest.importorskip("pyarrow", reason="needs the extra io")
    pytest.importorskip("polars")
    names = {"__name__": "large_data"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("large_data"))
        write_runs()
        exec(compile(code_of(DOCS / "large_data.rst"), "large_data.rst", "exec"), names)
        assert not Path("fit.npz").exists()
        yield names


def test_large_data_are_described_and_fitted(large_data):
    assert large_data["dataset"].complete
    assert large_data["frame"].shape == (300, 5 + len(large_data["names"]))
    assert large_data["lazy"].collect().shape == (300, 2)
    n_rows = {"energy": 300, "forces": 3 * 25 * 21 * 3, "stress": 0}
    assert large_data["model"].n_rows_ == n_rows


def test_large_data_say_more_than_elements(large_data):
    """Two estimators out of core; what elements leave is half an eV an atom."""
    constant, rmse = large_data["constant"], large_data["rmse"]
    assert len(large_data["test"]) == 30
    assert 0.3 < constant < 0.6
    assert rmse(lambda rows: rows @ large_data["coef"]) < 0.25 * constant
    assert rmse(large_data["descent"].predict) < 0.5 * constant


def test_large_data_out_of_core_is_ridge_in_memory(large_data):
    rows, energies = (
        np.concatenate(part)
        for part in zip(*large_data["batches"](large_data["train"]), strict=True)
    )
    ridge = Ridge(large_data["alpha"] * len(rows), fit_intercept=False)
    ridge.fit(large_data["scaler"].transform(rows), energies)
    np.testing.assert_allclose(large_data["coef"], ridge.coef_, atol=1e-8 * abs(ridge.coef_).max())
