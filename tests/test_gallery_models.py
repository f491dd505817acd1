"""Gallery scripts on model systems and side chains still find what their pages say."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"


def script(name, monkeypatch):
    """A script of the gallery as a module, able to draw without a screen."""
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.syspath_prepend(ROOT / "docs" / "gallery")
    sys.modules.pop(name, None)
    return importlib.import_module(name)


@pytest.mark.slow
def test_toy_gas(monkeypatch, tmp_path):
    toy_gas = script("toy_gas", monkeypatch)
    results = toy_gas.main(sizes=((8, 150), (64, 90)), figure=tmp_path / "toy_gas.png")
    for result in results.values():
        matching = np.eye(4, dtype=bool)
        exact = result["matrices"]["multipoles"]
        assert exact[matching].max() < 1e-8
        assert exact[~matching].min() > 5
        for i, row in enumerate(exact):  # the farther the exponents, the larger the error
            assert (np.diff(row[i:]) > 0).all()
            assert (np.diff(row[i::-1]) > 0).all()
        smeared = result["matrices"]["potential"]
        assert smeared[matching].max() < 2
        assert (smeared.argmin(axis=1) == np.arange(4)).all()
        for errors in result["local"].values():
            assert errors[0] > 5 * errors[3]  # the steepest interaction is the most local one
        assert result["curves"]["potential, p = 1"][-1] < 0.1
        assert result["curves"]["multipoles, p = 6"][-1] > 20
    short = "local, 4 angstrom"
    assert results[8]["curves"][short][-1] > 20
    assert (
        results[64]["local"]["local, 6 angstrom"][0] > results[8]["local"]["local, 6 angstrom"][0]
    )
    assert (tmp_path / "toy_gas.png").stat().st_size < 150_000


@pytest.mark.slow
def test_binding_curves(monkeypatch, tmp_path):
    curves = script("binding_curves", monkeypatch)
    errors = curves.main(n_train=100, n_test=60, figure=tmp_path / "curves.png")
    for name, (_, _, power) in curves.CLASSES.items():
        sites = {p: errors["sites"][p, name] for p in curves.EXPONENTS}
        beads = {p: errors["beads"][p, name] for p in curves.EXPONENTS}
        law = min(sites, key=sites.get)  # of the sites: Coulomb's, whatever the molecules
        assert law == (power if power > 3 else 1)
        assert sites[law] < (5 if power == 4 else 1e-6)
        assert min(value for p, value in sites.items() if p != law) > 20
        assert min(beads, key=beads.get) == power
        assert beads[power] < 10
        assert beads[1] >= beads[power]
        for table in (errors["sites"], errors["beads"]):
            assert table["local", name] == pytest.approx(100, abs=1)
    assert (tmp_path / "curves.png").stat().st_size < 150_000


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "ssi.xyz").exists(), reason="the file ssi.xyz is not there")
def test_side_chains(monkeypatch, tmp_path):
    side_chains = script("side_chains", monkeypatch)
    best = "charges, rho, p = 6"
    errors = side_chains.main(
        DATA,
        step=6,
        models=("local", "rho x V, p = 1", "rho x V, p = 3", "charges only", best),
        weighted=("local",),
        by_class=("local",),
        figure=tmp_path / "side_chains.png",
    )
    overall = {name: row["all"] for name, row in errors.items()}
    small = {name: row["|E| < 5"] for name, row in errors.items()}
    far = ("rho x V, p = 1", "rho x V, p = 3")
    assert all(overall[best] < overall["charges only"] < overall[name] for name in far)
    assert all(overall[name] < overall["local"] < overall["predict zero"] for name in far)
    assert overall["chosen inside"] <= 1.2 * overall[best] < 6
    assert all(small[name] > small["predict zero"] for name in ("local", *far))
    assert small[best] < small["predict zero"]
    assert small["local, weighted"] < small["predict zero"]
    assert small["local, by class"] < small["local"]
    assert (tmp_path / "side_chains.png").stat().st_size < 150_000


def test_side_chains_says_what_is_missing(monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"refdata[\s\S]*data_home"):
        script("side_chains", monkeypatch).load(tmp_path)
