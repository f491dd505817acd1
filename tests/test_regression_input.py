"""Bad targets and parameters of the ridge of atoms."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import Hookean
from sklearn.base import clone
from toy import (
    with_results,
)
from toy_world import GROUPS, NEW, F, S, X, Y, bare, model

from sklode import AtomisticRidgeCV, DensityProjector


def broken(values, index, value):
    values = list(values)
    values[index] = value
    return values


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": Y[:-1]}, "y must have one entry a structure: 16 structures in X, 15 entries"),
        ({"y": broken(Y, 2, np.nan)}, r"X\[2\] \(.*\): its energy in y must be finite"),
        ({"y": broken(Y, 2, -1e150)}, r"X\[2\] .*: its energy in y must be between .* got 1e\+150"),
        ({"y": np.array(broken(Y, 2, 1e150))}, r"X\[2\] .*: its energy in y must be between"),
        (
            {"y": Y, "forces": broken(F, 1, F[1] - 1e300)},
            r"X\[1\] .*: its forces must be between -1e\+100 and 1e\+100; got 1e\+300 in size",
        ),
        ({"y": [[1.0, 2.0]] * len(X)}, r"X\[0\] .*: its energy in y must have shape"),
        ({"y": Y, "forces": F[:3]}, "forces must have one entry a structure"),
        (
            {"y": Y, "forces": broken(F, 1, F[1][:-1])},
            r"X\[1\] .*: its forces must have shape \(4, 3\); got \(3, 3\)",
        ),
        (
            {"y": Y, "forces": broken(F, 1, F[1] * np.inf)},
            r"X\[1\] .*: its forces must be finite",
        ),
        ({"y": Y, "forces": broken(F, 3, "no")}, r"X\[3\] .*: its forces must be numbers"),
        ({"y": Y, "stresses": broken(S, 1, S[1][:5])}, r"X\[1\] .*: its stress must have shape"),
        (
            {"y": Y, "stresses": broken(S, 0, np.zeros(6))},
            r"X\[0\] .*: a stress needs a periodic direction",
        ),
        ({"y": Y, "groups": GROUPS[:4]}, "groups must have one label a structure"),
        ({"y": Y, "sample_weight": -np.ones(len(X))}, "sample_weight must be 16 numbers"),
        ({"y": Y, "sample_weight": np.ones(3)}, "sample_weight must be 16 numbers"),
        ({}, "None of the 16 structures has an energy, forces or a stress"),
        ({"y": Y, "sample_weight": np.zeros(len(X))}, "None of the 16 structures"),
    ],
)
def test_bad_targets(arguments, message):
    with pytest.raises(ValueError, match=message):
        model().fit(bare(X), **arguments)


@pytest.mark.parametrize(
    "alphas",
    [0.0, -1.0, [1.0, 0.0], [1.0, np.nan], [], "many", [[1.0]], True, [1j], {1.0}, {}, 10**400],
)
def test_bad_alphas(alphas):
    with pytest.raises(ValueError, match="alphas"):
        model(alphas=alphas).fit(X)


NO_CV = [
    {"cv": cv} for cv in (b"3", [1], [True], {1, 2}, {}, (), np.array(1), 10**400, "all", True, 99)
]


@pytest.mark.parametrize(
    "wrong",
    [
        {"force_weight": -1},
        {"floor": 2},
        {"cv": "many"},
        {"baseline": "no"},
        *({"cv": cv} for cv in NO_CV),
    ],
)
def test_bad_parameters(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        model(**wrong).fit(X)


def test_splits_that_overlap():
    with pytest.raises(ValueError, match="cv must not test structures that are fitted"):
        model(cv=[(np.arange(5), np.arange(4, 16))]).fit(X)
    with pytest.raises(ValueError, match="cv must leave structures"):
        model(cv=[(np.arange(5), np.arange(5, 16))]).fit(X[:5] + bare(X[5:]))


def test_results_of_other_positions():
    moved = [atoms.copy() for atoms in X]
    for atoms, original in zip(moved, X, strict=True):
        atoms.calc = original.calc
    moved[4].positions += [0.1, 0.2, 0.3]
    with pytest.raises(ValueError, match=r"X\[4\] .*results of other positions"):
        model().fit(moved)


def test_initial_charges_are_no_move():
    charged = [with_results(atoms) for atoms in X]
    charged[0].set_initial_charges(np.ones(len(charged[0])))
    np.testing.assert_array_equal(model().fit(charged).coef_, model().fit(X).coef_)


def test_non_finite_results():
    bad = [with_results(atoms) for atoms in X]
    bad[3].calc.results["forces"] = np.full((len(bad[3]), 3), np.nan)
    with pytest.raises(ValueError, match=r"X\[3\] .*the forces of its calculator must be finite"):
        model().fit(bad)


def test_energies_of_another_potential_than_the_forces():
    assert model().fit(X, Y + 0.5 * np.array([len(a) for a in X]), forces=F)  # another zero
    with pytest.raises(ValueError, match="the forces are those of its calculator but y differs"):
        model().fit(X, Y[::-1], forces=F)
    assert model().fit(X, Y[::-1], forces=[np.zeros_like(f) for f in F])


def test_stress_of_a_molecule():
    with pytest.raises(ValueError, match=r"X\[1\] .*: a stress needs a periodic direction"):
        model().fit(X).predict_stress(NEW)


def test_bad_structures():
    with pytest.raises(ValueError, match=r"X\[1\] \(empty\): has no atoms"):
        model().fit([X[0], Atoms()], [1.0, 2.0])
    with pytest.raises(TypeError, match="got a single Atoms"):
        model().fit(X[0])


def test_energies_of_calculators_are_without_constraints():
    """As their forces, and as those that are stored."""
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=0)
    atoms.calc = EMT()
    atoms.set_constraint(Hookean(0, 1, rt=1.0, k=5.0))
    free = atoms.copy()
    free.set_constraint()
    free.calc = EMT()
    model = AtomisticRidgeCV(DensityProjector(4.0, 2, 1), alphas=1.0)
    with_constraint, without = (clone(model).fit([a, a]).predict([a])[0] for a in (atoms, free))
    assert with_constraint == pytest.approx(without, abs=1e-9)
    assert atoms.get_potential_energy() > free.get_potential_energy() + 0.1
