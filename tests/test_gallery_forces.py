"""Gallery scripts that learn forces still find what their pages say."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.slow


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the script of this name and see that it draws; return its numbers."""

    def run_script(name, file):
        if not (DATA / file).exists():
            pytest.skip(f"no {file} in {DATA}")
        pytest.importorskip("matplotlib").use("Agg")
        monkeypatch.syspath_prepend(ROOT / "docs" / "gallery")
        sys.modules.pop(name, None)
        figure = tmp_path / f"{name}.png"
        numbers = importlib.import_module(name).main(data_home=DATA, figure=figure)
        assert figure.stat().st_size < 150e3
        return numbers

    return run_script


def test_forces_ion_pairs(run):
    rows = run("forces_ion_pairs", "charge_charge_dimers.xyz")
    chosen = rows["field of charges"]
    assert chosen["energy"] < 0.05
    assert chosen["forces"] < 0.12
    assert chosen["energy"] < 0.3 * rows["local"]["energy"]


def test_forces_exfoliation(run):
    rows = run("forces_exfoliation", "phosphorus_exfoliation.xyz")
    chosen = rows[rows["chosen"]]
    assert chosen["energy"] < 1.4  # the literature's
    assert chosen["forces"] < 4.5
    assert rows["local"]["energy"] > 5
