"""Fits, lattice sums and workers with small blocks: the borders that no single operator has."""

import numpy as np
import pytest
from borders import shrink
from joblib import parallel_config
from numpy.polynomial.chebyshev import chebval
from operators import STRUCTURES, fitted
from sklearn.base import clone
from sklearn.pipeline import make_union
from toy_world import F, S, X, Y, bare

from sklode import AtomisticRidgeCV, DensityProjector, LongRangePotential
from sklode.execution.workers import chunks_by_atoms
from sklode.physics import blocks
from sklode.physics.lattice_sums import power_law_energy_and_forces
from sklode.physics.numerics.chebyshev import ChebyshevSeries


def fitted_model():
    features = make_union(
        DensityProjector(3.0, 2, 1), LongRangePotential(6, 3.0, 1, 1, exterior=True)
    )
    model = AtomisticRidgeCV(features, alphas=[1e-6, 1e-3], stress_weight=1.0)
    return model.fit(bare(X), Y, forces=F, stresses=S)


def test_regression(monkeypatch):
    ordinary = fitted_model()
    shrink(monkeypatch)
    small = fitted_model()
    assert small.alpha_ == ordinary.alpha_
    scale = np.abs(ordinary.coef_).max()
    np.testing.assert_allclose(small.coef_, ordinary.coef_, rtol=0, atol=1e-6 * scale)
    np.testing.assert_allclose(small.predict(X), ordinary.predict(X), rtol=1e-9)
    np.testing.assert_allclose(
        small.predict_stress(X[1::2]), ordinary.predict_stress(X[1::2]), atol=1e-9
    )
    for one, other in zip(small.predict_forces(X), ordinary.predict_forces(X), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-8)


@pytest.mark.parametrize("p", [1, 2.5, 6])
def test_lattice_sums(monkeypatch, p):
    salt = STRUCTURES["triclinic"]
    what = salt.positions, np.array(salt.cell), salt.arrays["weights"], p
    energy, forces = power_law_energy_and_forces(*what)
    shrink(monkeypatch)
    again, forces_again = power_law_energy_and_forces(*what)
    assert again == pytest.approx(energy, rel=1e-12)
    np.testing.assert_allclose(forces_again, forces, rtol=0, atol=1e-12 * np.abs(forces).max())


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_workers(monkeypatch, backend):
    """Tasks of several chunks, whose results come back in files of memory that are used again."""
    many_waves = blocks.MANY_WAVES
    shrink(monkeypatch)
    # processes, which do not see small values, would choose other k-vectors
    monkeypatch.setattr(blocks, "MANY_WAVES", many_waves)
    model, X = fitted("rho x V"), [*STRUCTURES.values()] * 3
    factors = np.random.default_rng(0).normal(size=(len(X), len(model.get_feature_names_out())))
    assert len(chunks_by_atoms([len(atoms) for atoms in X])) > 2 * blocks.CHUNKS_PER_TASK
    alone = results(model, X, factors)
    workers = clone(model).set_params(n_jobs=2).fit(X)
    with parallel_config(backend):
        for _ in range(2):
            for found, expected in zip(results(workers, X, factors), alone, strict=True):
                # processes have blocks of their own
                atol = 1e-12 * np.abs(expected).max() if backend == "loky" else 0
                np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


def results(model, X, factors):
    rows, moved, strained = model.transform_and_backpropagate(X, factors)
    jacobian = np.concatenate(model.transform_gradients(X))
    rows_of_atoms, strains = model.transform_atoms(X), model.transform_strain_gradients(X)
    return rows, np.concatenate(moved), strained, jacobian, rows_of_atoms, strains


@pytest.mark.parametrize("n_points", [1, 3, 4, 5, 8, 9])
def test_series(monkeypatch, n_points):
    """The operators evaluate tables elsewhere; these make them."""
    shrink(monkeypatch)
    coefficients, x = np.random.default_rng(0).normal(size=(7, 2)), np.linspace(1, 3, n_points)
    found = ChebyshevSeries(1.0, 3.0, coefficients)(x)
    np.testing.assert_allclose(found, chebval(x - 2, coefficients).T, rtol=0, atol=1e-13)
