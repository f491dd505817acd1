"""Forces of single atoms left out of a fit, while the atoms remain neighbours."""

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from toy import PairSums
from toy_world import GROUPS, OTHER, F, S, X, Y, bare, model, rows_by_hand

from sklode.physics import blocks

MANY = tuple(np.linspace(0.4, 1.0, 200))  # more features than rows
PARTLY = [f.copy() for f in F]
for number, rows in {0: [0], 1: [1, 2], 2: [0, 3], 5: [0, 1, 2, 3]}.items():
    PARTLY[number][rows] = np.nan
KNOWN = [np.isfinite(f) for f in PARTLY]
N_FORCES = sum(known.sum() for known in KNOWN)


def by_hand(fitted, alpha, weights, left_out=()):
    """Coefficients and baseline of a least-squares fit without the rows of left-out forces."""
    n_features = len(fitted.coef_)
    design, targets, owners, kinds = [], [], [], []
    for k, atoms in enumerate(X):
        own = {**weights, "sample": weights["sample"][[k]]}
        rows, values = rows_by_hand(fitted, [atoms], Y[[k]], [F[k]], [S[k]], own)
        kept = np.ones(len(rows), dtype=bool)
        kept[1 : 1 + KNOWN[k].size] = KNOWN[k].ravel()  # after the energy
        design.append(rows[kept])
        targets.append(values[kept])
        owners += [k] * kept.sum()
        kinds += (["energy"] + ["forces"] * KNOWN[k].sum() + ["stress"] * 9)[: kept.sum()]
    design, targets = np.concatenate(design), np.concatenate(targets)
    owners, kinds = np.array(owners), np.array(kinds)
    rest = ~np.isin(owners, left_out)
    penalty = np.zeros((n_features, design.shape[1]))
    penalty[:, :n_features] = np.sqrt(alpha) * np.eye(n_features)
    both = np.vstack([design[rest], penalty])
    found = np.linalg.lstsq(both, np.append(targets[rest], np.zeros(n_features)), rcond=None)[0]
    residuals = targets - design @ found
    return found, {kind: residuals[~rest & (kinds == kind)] for kind in ("energy", "forces")}


@pytest.mark.parametrize("weight", [0.3, 2.0])
def test_fit_is_the_one_whose_rows_are_deleted(weight):
    sample = np.random.default_rng(1).uniform(0.5, 2.0, len(X))
    fitted = model(OTHER, 0.2, force_weight=weight, missing_forces="ignore").fit(
        bare(X), Y, forces=PARTLY, stresses=S, sample_weight=sample
    )
    weights = {"sample": sample, "force": weight, "stress": 1.0, "per_atom": False}
    expected, _ = by_hand(fitted, 0.2, weights)
    n_features = len(fitted.coef_)
    np.testing.assert_allclose(fitted.coef_ * fitted.scale_, expected[:n_features], rtol=1e-8)
    np.testing.assert_allclose(list(fitted.baseline_.values()), expected[n_features:], rtol=1e-8)
    assert fitted.n_rows_["forces"] == N_FORCES < sum(f.size for f in F)
    whole = model(OTHER, 0.2, force_weight=weight).fit(bare(X), Y, forces=F, stresses=S)
    assert not np.allclose(whole.coef_, fitted.coef_, rtol=1e-4)


@pytest.mark.parametrize("widths", [OTHER.widths, MANY], ids=["primal", "dual"])
def test_left_out_errors_are_those_of_refits(widths):
    alphas = np.array([1e-2, 1.0])
    groups = GROUPS
    fitted = model(PairSums(widths), alphas, missing_forces="ignore", floor=None).fit(
        bare(X), Y, forces=PARTLY, stresses=S, groups=groups
    )
    n_rows = sum(fitted.n_rows_.values())
    assert (n_rows < len(fitted.coef_)) == (len(widths) > 3)
    weights = {"sample": np.ones(len(X)), "force": 1.0, "stress": 1.0, "per_atom": False}
    for k, alpha in enumerate(alphas):
        errors = {"energy": [], "forces": []}
        for label in np.unique(groups):
            left_out = np.flatnonzero(groups == label)
            _, residuals = by_hand(fitted, alpha, weights, left_out)
            sizes = [len(X[i]) for i in left_out]
            errors["energy"] += list(residuals["energy"] / sizes)
            errors["forces"] += list(residuals["forces"])
        assert len(errors["forces"]) == N_FORCES
        for kind, name in [("energy", "energy_per_atom"), ("forces", "forces")]:
            rmse = np.sqrt(np.mean(np.square(errors[kind])))
            np.testing.assert_allclose(fitted.cv_results_[f"rmse_{name}"][k], rmse, rtol=1e-5)


def test_rows_computed_again_or_kept(monkeypatch):
    def fit():
        return model(OTHER, [1e-3, 1e-1], missing_forces="ignore").fit(bare(X), Y, forces=PARTLY)

    kept = fit()
    monkeypatch.setattr(blocks, "CACHED_EQUATION_BYTES", 0)
    monkeypatch.setattr(blocks, "EQUATION_BYTES", 600)
    again = fit()
    np.testing.assert_allclose(again.coef_, kept.coef_, rtol=1e-9)
    for name, values in kept.cv_results_.items():
        np.testing.assert_allclose(again.cv_results_[name], values, rtol=1e-9)


def test_what_stands_in_rows_that_are_left_out_does_not_matter():
    """The atoms are neighbours: what is learnt of the others is exact."""
    fitted = model(missing_forces="ignore", baseline=True).fit(bare(X), Y, forces=PARTLY)
    for found, true in zip(fitted.predict_forces(X), F, strict=True):
        np.testing.assert_allclose(found, true, atol=1e-5)


def test_forces_of_calculators():
    def attached(atoms, energy, forces):
        atoms = atoms.copy()
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        return atoms

    structures = [attached(*row) for row in zip(X, Y, PARTLY, strict=True)]
    with pytest.raises(ValueError, match=r"X\[0\] .*: the forces of its calculator must be finite"):
        model().fit(structures)
    fitted = model(OTHER, missing_forces="ignore").fit(structures)
    given = model(OTHER, missing_forces="ignore").fit(structures, Y, forces=PARTLY)
    np.testing.assert_array_equal(fitted.coef_, given.coef_)
    assert fitted.n_rows_ == {"energy": len(X), "forces": N_FORCES, "stress": 0}


def test_a_structure_without_any_force_is_as_with_none():
    nothing = [*F[:3], np.full_like(F[3], np.nan), *F[4:]]
    none = [*F[:3], None, *F[4:]]
    one = model(OTHER, missing_forces="ignore").fit(bare(X), Y, forces=nothing)
    other = model(OTHER).fit(bare(X), Y, forces=none)
    np.testing.assert_array_equal(one.coef_, other.coef_)
    assert one.n_rows_ == other.n_rows_


def test_only_forces_that_are_all_missing():
    with pytest.raises(ValueError, match="None of the 16 structures has an energy, forces"):
        model(missing_forces="ignore").fit(
            bare(X), [None] * len(X), forces=[np.full_like(f, np.nan) for f in F]
        )


def broken(index, atom, value):
    changed = [f.copy() for f in F]
    changed[index][atom] = value
    return changed


@pytest.mark.parametrize(
    ("missing", "forces", "message"),
    [
        (
            "error",
            PARTLY,
            r"X\[0\] .* its forces must be finite; those of 1 of 3 atoms are NaN, first of atom 0"
            r".* missing_forces='ignore'",
        ),
        ("ignore", broken(1, 2, [np.nan, 1.0, 2.0]), r"X\[1\] .* for atom 2; .* all three"),
        ("ignore", broken(1, 2, np.inf), r"X\[1\] .* its forces must be finite"),
        ("ignore", broken(3, 0, [np.inf, np.nan, np.nan]), r"X\[3\] .* all three components"),
    ],
)
def test_refused(missing, forces, message):
    with pytest.raises(ValueError, match=message):
        model(missing_forces=missing).fit(bare(X), Y, forces=forces)


def test_energies_and_stresses_that_are_missing_are_errors():
    energies = Y.copy()
    energies[2] = np.nan
    with pytest.raises(ValueError, match=r"X\[2\] .* its energy in y must be finite"):
        model(missing_forces="ignore").fit(bare(X), energies, forces=F)
    with pytest.raises(ValueError, match="missing_forces"):
        model(missing_forces="mean").fit(bare(X), Y, forces=F)
