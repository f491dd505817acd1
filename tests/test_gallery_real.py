"""Gallery scripts on real data still find what their pages say."""

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

    def run_script(name, *files):
        missing = [file for file in files if not (DATA / file).exists()]
        if missing:
            pytest.skip(f"no {missing} in {DATA}")
        pytest.importorskip("matplotlib").use("Agg")
        monkeypatch.syspath_prepend(ROOT / "docs" / "gallery")
        sys.modules.pop(name, None)
        figure = tmp_path / f"{name}.png"
        numbers = importlib.import_module(name).main(data_home=DATA, figure=figure)
        assert figure.stat().st_size < 150e3
        return numbers

    return run_script


def test_charge_dimers(run):
    numbers = run("charge_dimers", "charge_charge_dimers.xyz")
    assert numbers["spread"] == pytest.approx(0.62, abs=0.01)
    assert numbers["chosen"] == "charges, p = 1"
    assert numbers["far chosen"] < 0.03
    assert numbers["far chosen"] < 0.3 * numbers["far local"]
    assert numbers["far charges, p = 6"] > 3 * numbers["far charges, p = 1"]


def test_dimer_classes(run):
    files = ("bfdb_dimer_classes.xyz", "ionichb.xyz", "s66x8.xyz", "nbc10ext.xyz", "rgc10.xyz")
    rows = run("dimer_classes", *files)
    assert len(rows) == 8
    for name, exponent in {"CC": 1, "CP": 2, "PP": 3, "AA": 6}.items():
        row = rows[f"bfdb {name}"]
        assert row["choice"] == f"p = {exponent}"
        assert row["chosen"] < 0.3 * min(row["local"], row["predict zero"])
    assert rows["bfdb CC"]["p = 1"] < 0.2 * rows["bfdb CC"]["p = 6"]
    assert rows["bfdb AA"]["p = 6"] < 0.5 * rows["bfdb AA"]["p = 1"]
    assert rows["s66x8"]["chosen"] < 0.75 * rows["s66x8"]["local"]
    assert rows["nbc10ext"]["p = 6"] < 0.6 * rows["nbc10ext"]["p = 1"]
    assert rows["ionichb"]["p = 1"] < rows["ionichb"]["local"]


def test_missing_file_says_what_to_download(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "docs" / "gallery")
    gallery = importlib.import_module("gallery")
    with pytest.raises(FileNotFoundError, match=r"Get the data from .*S66by8\.py"):
        gallery.find("s66x8.xyz", tmp_path)


def test_exfoliation(run):
    numbers = run("exfoliation", "phosphorus_exfoliation.xyz")
    assert numbers["chosen"] == "p = 6"
    assert abs(numbers["tail local"]) < 1e-6
    assert numbers["tail p = 6"] == pytest.approx(numbers["tail reference"], rel=0.5)
    assert numbers["hidden p = 6"] < 1
    assert numbers["hidden p = 6"] < 0.3 * min(numbers["hidden p = 1"], numbers["hidden p = 3"])
    assert numbers["hidden local"] > 10
