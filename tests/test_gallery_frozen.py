"""Computed anew, the examples of the gallery give their stored numbers."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "gallery"
DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.slow


@pytest.fixture
def check(monkeypatch):
    """Compute an example, or a part of it, and compare what it gives with what is stored."""

    def computed_as_stored(name, *files, atol=0.0, without=(), **part):
        missing = [file for file in files if not (DATA / file).exists()]
        if missing:
            pytest.skip(f"no {missing} in {DATA}")
        pytest.importorskip("matplotlib.pyplot").switch_backend("Agg")
        for folder in ("real", "models", "."):
            monkeypatch.syspath_prepend(FOLDER / folder)
        sys.modules.pop(name, None)
        compute = importlib.import_module(name).compute
        found = compute(**({"data_home": DATA} if files else {}), **part)
        found = importlib.import_module("gallery").rounded(found)
        expected = json.loads((FOLDER / "frozen" / f"{name}.json").read_text())
        compare(found, expected, atol, without, name)

    return computed_as_stored


def compare(found, expected, atol, without, where):
    """Texts are the same and numbers equal to a few per cent; what is found may be a part."""
    if isinstance(found, dict):
        assert set(found) <= set(expected), where
        for key in set(found) - set(without):
            compare(found[key], expected[key], atol, without, f"{where}: {key}")
    elif isinstance(found, str):
        assert found == expected, where
    else:
        np.testing.assert_allclose(found, expected, rtol=0.03, atol=atol, err_msg=where)


def test_toy_gas(check):
    check("toy_gas", atol=0.02)


def test_binding_curves(check):
    check("binding_curves", atol=1e-4)


def test_far_field(check):
    check("far_field", atol=1e-4)


def test_molecule_above_slab(check):
    check("molecule_above_slab", atol=1e-4)


def test_charge_dimers(check):
    check("charge_dimers", "charge_charge_dimers.xyz", atol=2e-3)


def test_forces_ion_pairs(check):
    check("forces_ion_pairs", "charge_charge_dimers.xyz", atol=3e-3)


def test_dimer_classes(check):
    files = ("bfdb_dimer_classes.xyz", "ionichb.xyz", "s66x8.xyz", "nbc10ext.xyz", "rgc10.xyz")
    check("dimer_classes", *files, atol=2e-4)


def test_exfoliation(check):
    check("exfoliation", "phosphorus_exfoliation.xyz", atol=0.02)


def test_forces_exfoliation(check):
    check("forces_exfoliation", "phosphorus_exfoliation.xyz", atol=0.1)


def test_charge_transfer(check):
    check("charge_transfer", "carbon_chain_4g.xyz", "au2_mgo_4g.xyz")


@pytest.mark.parametrize("system", ["water", "NaCl in water"])
def test_forces_liquids(check, system):
    """Three of the six models of each liquid."""
    names = {
        "water": ("local", "+ V, p = 1", "+ V, p = 6"),
        "NaCl in water": ("+ rho, 4 A", "+ V, p = 1"),
    }[system]
    files = ("water_rpbe_d3.xyz", "nacl_water_revpbe0_d3.xyz")
    check("forces_liquids", *files, systems=[system], names=names)


def test_side_chains(check):
    """Some of the models; which one validation chooses depends on all."""
    models = ("local", "rho x V, p = 1", "charges only", "charges, rho, p = 6")
    part = {"models": models, "weighted": ("local",), "by_class": ("local",)}
    check("side_chains", "ssi.xyz", atol=0.02, without=("predicted",), **part)
