"""Gallery scripts with forces still find what their pages say, on parts of their data."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.slow


@pytest.fixture
def script(monkeypatch):
    """Import the script of this name, if its files are there."""

    def import_script(name, *files):
        missing = [file for file in files if not (DATA / file).exists()]
        if missing:
            pytest.skip(f"no {missing} in {DATA}")
        pytest.importorskip("matplotlib").use("Agg")
        monkeypatch.syspath_prepend(ROOT / "docs" / "gallery")
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    return import_script


def test_water(script, tmp_path):
    """Every second frame of water; the page has all, and salt water."""
    liquids = script("forces_liquids", "water_rpbe_d3.xyz")
    figure = tmp_path / "liquids.png"
    rows = liquids.main(DATA, figure, systems=["water"], every=2)["water"]
    assert figure.stat().st_size < 150e3
    assert len({row["columns"] for name, row in rows.items() if name != "local"}) == 1
    rho = rows["+ rho, 6 A"]
    for name in ("+ V, p = 1", "+ V, p = 6"):
        assert rows[name]["forces"] < 0.95 * rho["forces"]
        assert rows[name]["energy"] < 0.9 * rho["energy"]


def test_salt_water(script):
    """Every eighth frame and three of the models."""
    liquids = script("forces_liquids", "nacl_water_revpbe0_d3.xyz")
    names = ("+ rho, 4 A", "+ V, p = 1", "+ V, p = 1, far")
    rows = liquids.main(DATA, systems=["NaCl in water"], every=2, names=names)["NaCl in water"]
    near, whole, far = (rows[name]["forces"] for name in names)
    assert whole < 0.97 * near
    assert whole < far


def test_carbon_chains(script):
    """Every chain, trained together and apart."""
    rows = script("charge_transfer", "carbon_chain_4g.xyz").chains(DATA)
    for kind in ("C10H2", "C10H3+"):
        local, far = rows["local", kind], rows["+ V, p = 1", kind]
        wide = rows["+ rho, 6 A", kind]
        assert far["F together"] < 0.75 * local["F together"]
        assert far["F together"] > 1.25 * far["F apart"]
        assert wide["F together"] < 1.3 * far["F together"]
        assert far["E together"] > 1.2 * local["E together"]
    assert rows["+ rho, 6 A", "C10H2"]["F apart"] < 0.5 * rows["+ V, p = 1", "C10H2"]["F apart"]


def test_gold(script):
    """Twelve frames, without the wide local model."""
    names = ("local", "+ V, p = 1")
    rows = script("charge_transfer", "au2_mgo_4g.xyz").gold(DATA, names)
    for kind in ("doped", "undoped"):
        local, far = rows["local", kind], rows["+ V, p = 1", kind]
        assert far["F on all"] < 0.85 * local["F on all"]
        assert far["F on Au"] > local["F on Au"]
    assert rows["+ V, p = 1", "undoped"]["E"] > rows["local", "undoped"]["E"]
