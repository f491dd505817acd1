"""Gradients of many atoms in a cell, through structure factors instead of pairs."""

import tracemalloc

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from sklode import DensityProjector, LongRangePotential, MultipoleFeatures, PowerSpectrum
from sklode.physics import blocks

FAR = {"cutoff": 2.5, "smearing": 1.2, "tol": 1e-6}
DENSITY = DensityProjector(cutoff=3.0, n_max=2, l_max=1)
ESTIMATORS = {
    "coefficients": LongRangePotential(invariants=None, n_max=2, l_max=2, **FAR),
    "three exponents": LongRangePotential((0, 1.5, 6), n_max=2, l_max=2, **FAR),
    "monomials": LongRangePotential(3, radial_basis="monomial", l_max=3, **FAR),
    "charges": LongRangePotential(charges="initial_charges", n_max=2, l_max=1, **FAR),
    "exterior": LongRangePotential(2, exterior=True, n_max=2, l_max=2, **FAR),
    "rho x V": PowerSpectrum(DENSITY, LongRangePotential(n_max=3, l_max=2, **FAR)),
    "split": PowerSpectrum(LongRangePotential(n_max=2, l_max=1, **FAR), center_species="split"),
    "multipoles": MultipoleFeatures((1, 3), cutoff=2.5, l_max=2, n_max=2, tol=1e-5),
}
ALL = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)


def crystal(n_atoms, seed, right_angles=False):
    """Atoms of three elements, with charges, in a cell with room of 30 cubic angstrom each."""
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(0.8, 1.3, 3)) + (not right_angles) * rng.normal(
        scale=0.1, size=(3, 3)
    )
    cell *= (30.0 * n_atoms / abs(np.linalg.det(cell))) ** (1 / 3)
    symbols = rng.permutation(np.resize(["Na", "Cl", "O"], n_atoms))
    atoms = Atoms(symbols, rng.uniform(size=(n_atoms, 3)) @ cell, cell=cell, pbc=True)
    atoms.set_initial_charges(rng.uniform(-1, 1, n_atoms))
    return atoms


def molecule():
    return Atoms("NaClO", [[0, 0, 0], [2.4, 0, 0], [0, 1.6, 0.3]], charges=[1, -1, 0.2])


def derivatives(estimator, X, monkeypatch, many):
    """All derivatives by positions, in one array, and by strain, with a number of atoms as many."""
    for name in ("MANY_ATOMS", "MANY_ATOMS_STANDING"):
        monkeypatch.setattr(blocks, name, many)
    moved, strained = estimator.fit(X).transform_all_gradients(X)
    return np.concatenate([part.ravel() for part in moved]), strained


def assert_close(ours, expected, accuracy=1e-10):
    for mine, theirs in zip(ours, expected, strict=True):
        assert np.abs(mine - theirs).max() <= accuracy * np.abs(theirs).max()


@ALL
def test_structure_factors_are_sums_over_pairs(estimator, monkeypatch):
    X = [crystal(30, 0), molecule(), crystal(7, 1), crystal(26, 2, right_angles=True)]
    by_factors = derivatives(estimator, X, monkeypatch, 8)
    by_pairs = derivatives(estimator, X, monkeypatch, 10**6)
    assert not np.array_equal(by_factors[0], by_pairs[0])
    assert_close(by_factors, by_pairs)


@ALL
def test_atoms_of_a_structure_in_several_blocks(estimator, monkeypatch):
    X = [crystal(30, 3), crystal(25, 4)]
    whole = derivatives(estimator, X, monkeypatch, 8)
    monkeypatch.setattr(blocks, "GRADIENT_NUMBERS", 2**12)
    assert_close(derivatives(estimator, X, monkeypatch, 8), whole)


@pytest.mark.parametrize("name", ["coefficients", "three exponents", "monomials", "charges"])
def test_derivatives_of_rows(name):
    """Of those without pairs, which come and go at a cutoff within a difference."""
    estimator = clone(ESTIMATORS[name]).set_params(tol=1e-10)  # k-vectors come and go, too
    atoms, size, rng = crystal(45, 5), 1e-3, np.random.default_rng(6)
    estimator.fit([atoms])
    direction, strain = rng.normal(size=(45, 3)), rng.normal(scale=0.1, size=(3, 3))
    moved, strained = estimator.transform_all_gradients([atoms])

    def row(position_steps, strain_steps):
        changed = atoms.copy()
        changed.positions += size * position_steps * direction
        deformation = np.eye(3) + size * strain_steps * strain
        changed.set_cell(np.array(changed.cell) @ deformation, scale_atoms=True)
        return estimator.transform([changed])[0]

    def difference(*steps):
        steps = np.array(steps)
        eight = 8.0 * (row(*steps) - row(*-steps))
        return (eight - row(*2 * steps) + row(*-2 * steps)) / (12.0 * size)

    expected = difference(1, 0)
    found = np.einsum("ix,ixf->f", direction, moved[0])
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()
    expected = difference(0, 1)
    found = np.einsum("ab,abf->f", strain, strained[0])
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()


@given(
    n_atoms=st.integers(1, 40),
    exponent=st.floats(0.3, 8.0),
    l_max=st.integers(0, 4),
    n_max=st.integers(1, 3),
    right_angles=st.booleans(),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=15)
def test_any_crystal_and_exponent(n_atoms, exponent, l_max, n_max, right_angles, seed):
    X = [crystal(n_atoms, seed, right_angles)]
    lode = LongRangePotential(exponent, n_max=n_max, l_max=l_max, **FAR)
    with pytest.MonkeyPatch.context() as monkeypatch:
        by_factors = derivatives(lode, X, monkeypatch, 0)
        by_pairs = derivatives(lode, X, monkeypatch, 10**6)
    size = np.abs(lode.transform(X)).max()  # rounding errors of an atom's own source
    for ours, pairs in zip(by_factors, by_pairs, strict=True):
        np.testing.assert_allclose(ours, pairs, rtol=1e-9, atol=1e-10 * size)


def test_nothing_is_held_for_pairs_of_many_atoms():
    """Gradients of 160 000 pairs would be 270 MB."""
    atoms = crystal(400, 0)
    lode = LongRangePotential(n_max=6, l_max=2, **{**FAR, "smearing": 2.5}).fit([atoms])
    lode.transform_gradients([crystal(40, 1)])  # tables
    tracemalloc.start()
    lode.transform_gradients([atoms])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    result = 8 * 3 * len(atoms) * len(lode.get_feature_names_out())
    assert peak < result + 60e6
