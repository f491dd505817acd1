"""Names of bases and invariants are looked up when they are used: a registry may grow."""

import numpy as np
import pytest
from ase.build import molecule
from sklearn.base import clone

from sklode import DensityProjector, LongRangePotential, MultipoleFeatures
from sklode.physics.radial import bases
from sklode.projection.invariants import INVARIANTS

WATER = [molecule("H2O")]
WITH_BASIS = [DensityProjector(3.0, 2, 1), LongRangePotential(1, 2.0, 2, 1)]


class Powers(bases.Monomials):
    largest_n_max = 20
    formula = "powers"


@pytest.mark.parametrize("estimator", WITH_BASIS, ids=str)
def test_a_new_basis(estimator, monkeypatch):
    estimator = clone(estimator).set_params(radial_basis="powers")
    with pytest.raises(ValueError, match=r"radial_basis.*among \{.*'gto'"):
        estimator.fit(WATER)
    monkeypatch.setitem(bases.BASES, "powers", Powers)
    rows = estimator.fit_transform(WATER)
    same = estimator.set_params(radial_basis="monomial").fit_transform(WATER)
    np.testing.assert_array_equal(rows, same)
    with pytest.raises(ValueError, match=r"n_max=21 powers .* n_max <= 20"):
        estimator.set_params(radial_basis="powers", n_max=21).fit(WATER)
    monkeypatch.setitem(bases.BASES, "powers", bases.Gaussians)  # another one of this name
    assert not np.allclose(estimator.set_params(n_max=2).fit_transform(WATER), same)


@pytest.mark.parametrize("estimator", [*WITH_BASIS, MultipoleFeatures(l_max=1)], ids=str)
def test_a_new_invariant(estimator, monkeypatch):
    estimator = clone(estimator).set_params(invariants="isotropic")
    with pytest.raises(ValueError, match=r"invariants.*among \{.*'power_spectrum'"):
        estimator.fit(WATER)
    monkeypatch.setitem(INVARIANTS, "isotropic", INVARIANTS["radial_spectrum"])
    rows = estimator.fit_transform(WATER)
    estimator.set_params(invariants="radial_spectrum")
    np.testing.assert_array_equal(rows, estimator.fit_transform(WATER))
