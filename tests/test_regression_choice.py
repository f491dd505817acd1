"""What alpha is chosen by, and what is said where little is left to choose by."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from sklearn.base import clone
from toy import with_results
from toy_world import S, X, Y, bare, model

from sklode import AtomisticRidgeCV, DensityProjector
from sklode.ridge.solvers import DualRidge


def test_a_single_group():
    labels, message = ["CC"] * len(X), r"All 16 structures .* in one group \('CC'\)\. .*alphas=1e-4"
    assert np.isnan(model(alphas=1e-6).fit(X, groups=labels).noise_)
    with pytest.raises(ValueError, match=message):
        model(alphas=[1e-6, 1.0]).fit(X, groups=labels)


def test_energies_that_cannot_be_judged_are_said():
    """Each group has a composition of its own, without which energies of elements are unknown."""
    pairs, rng = [], np.random.default_rng(3)
    for symbols in ("H2", "C2", "O2"):
        pairs += [Atoms(symbols, [[0, 0, 0], [0, 0, d]]) for d in rng.uniform(1.0, 2.0, 5)]
    pairs, groups = [with_results(pair) for pair in pairs], np.arange(15) // 5
    choices = {"alphas": [1e-6, 1e-2]}
    with pytest.warns(UserWarning, match="alpha is chosen by forces only") as caught:
        fitted = model(**choices).fit(pairs, groups=groups)
    assert [w.filename for w in caught] == [__file__]
    results = fitted.cv_results_
    assert list(results) == ["alpha", "objective", "rmse_energy_per_atom", "rmse_forces"]
    assert np.isnan(results["rmse_energy_per_atom"]).all()
    assert np.isfinite(results["rmse_forces"]).all()
    model(alphas=1e-6).fit(pairs, groups=groups)  # nothing is chosen
    apart = model(**choices).fit(pairs)  # others of the composition determine them
    assert np.isfinite(apart.cv_results_["rmse_energy_per_atom"]).all()


def test_kinds_that_no_split_tests():
    """Stresses were learnt, of crystals that are never left out."""
    clusters = np.flatnonzero([not atoms.pbc.any() for atoms in X])
    rest = np.setdiff1d(np.arange(len(X)), clusters[:2])
    fitted = model(cv=[(rest, clusters[:2])]).fit(bare(X), Y, stresses=S)
    assert np.isnan(fitted.cv_results_["rmse_stress"]).all()
    assert np.isfinite(fitted.cv_results_["rmse_energy_per_atom"]).all()


@pytest.mark.parametrize("alpha", [1e-2, 1e-6, 1e-8])
def test_left_out_molecules_that_the_others_do_not_determine(alpha, monkeypatch):
    """Their rows of forces have few features in common: closed form against refits."""
    names, rng = ["H2O", "CH4", "CH3OH", "CO2", "NH3", "C2H6", "HCOOH"], np.random.default_rng(0)
    X = [molecule(name) for name in names]
    for atoms in X:
        atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
    y, forces = rng.normal(size=7), [rng.normal(size=(len(atoms), 3)) for atoms in X]
    features = DensityProjector(3.0, 4, 3)
    model = AtomisticRidgeCV(features, alpha, baseline=False, force_weight=3.0)
    closed = clone(model).fit(X, y, forces=forces)
    monkeypatch.setattr(DualRidge, "left_out", lambda *_: None)
    refitted = clone(model).fit(X, y, forces=forces)
    for name in ("objective", "rmse_forces"):
        np.testing.assert_allclose(closed.cv_results_[name], refitted.cv_results_[name], rtol=1e-3)
    assert closed.noise_ == pytest.approx(refitted.noise_, rel=1e-3)
