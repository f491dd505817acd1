"""Arrays that would lose something as floats, and numbers of no element: refused by name."""

import warnings

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from sklearn.base import clone

from sklode import (
    AtomisticRidgeCV,
    Composition,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    MultipoleFeatures,
    PowerSpectrum,
)
from sklode.gradients import backpropagate
from sklode.inputs.atoms import real_array

DENSITY = DensityProjector(cutoff=3.0, n_max=2, l_max=1)
POTENTIAL = LongRangePotential(cutoff=2.0, l_max=1)
ESTIMATORS = [
    DENSITY,
    POTENTIAL,
    PowerSpectrum(DENSITY, POTENTIAL),
    Composition(),
    InteractionFeatures(POTENTIAL),
    MultipoleFeatures(cutoff=1.2, l_max=1),
]
ALL = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
COMPLEX = "must be real; got complex128. Take .real"


def water():
    atoms = molecule("H2O")
    atoms.arrays["fragment"] = np.array([0, 1, 1])
    return atoms


def masked(values):
    return np.ma.masked_array(values, mask=np.arange(np.size(values)).reshape(np.shape(values)) < 2)


def with_fourth(**arrays):
    """Four molecules of water, the last one with other arrays."""
    X = [water() for _ in range(4)]
    X[3].arrays.update(arrays)
    return X


def assert_refused(estimator, X, *messages):
    """Both fit and transform refuse X, and lose nothing before."""
    for run in (
        lambda: clone(estimator).fit(X),
        lambda: clone(estimator).fit([water()]).transform(X),
    ):
        with pytest.raises(ValueError, match=r"X\[3\] ") as raised:
            run()
        for message in messages:
            assert message in str(raised.value)


class TestElements:
    @pytest.mark.parametrize(
        "numbers",
        [[8, 1, 200], [8, 1, -3], [8, 1, 119], [8.0, 1.0, 1.5], masked([8, 1, 1])],
        ids=["large", "negative", "next", "float", "masked"],
    )
    @ALL
    def test_no_element(self, estimator, numbers):
        numbers = numbers if isinstance(numbers, np.ma.MaskedArray) else np.array(numbers)
        message = ("X[3] (3 atoms)", "atomic numbers", "from 0 (X) to 118", "Repair or remove")
        assert_refused(estimator, with_fourth(numbers=numbers), *message)

    def test_the_placeholder_is_an_element_of_its_own(self):
        """ASE's X stands for vacancies and beads: it has a channel like any other."""
        X = [Atoms("XH", positions=[[0, 0, 0], [0, 0, 1.0]])]
        fitted = clone(POTENTIAL).fit(X)
        assert fitted.species_.tolist() == [0, 1]
        assert fitted.get_feature_names_out()[0] == "v1_X.X_n0n0_l0"
        with pytest.raises(ValueError, match=r"X\[0\] \(H2OX\): contains X \(Z=0\)"):
            clone(POTENTIAL).fit([water()]).transform([water() + Atoms("X")])

    def test_the_last_element(self):
        assert Composition().fit([Atoms([118])]).get_feature_names_out() == ["composition_Og"]


class TestPositionsAndCells:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda a: a + 1j, COMPLEX),
            (masked, "has 2 masked values, which would count as numbers"),
            (lambda a: a.astype(str), "must be numbers"),
            (lambda a: a[:, :2], "must have shape (3, 3); got (3, 2)"),
            (lambda a: a[:2], "must have shape (3, 3); got (2, 3)"),
        ],
        ids=["complex", "masked", "text", "flat", "short"],
    )
    @ALL
    def test_positions(self, estimator, change, message):
        X = with_fourth(positions=change(water().positions))
        assert_refused(estimator, X, "X[3] (H2O): the array of positions", message)

    @pytest.mark.parametrize("change", [lambda a: a + 0j, masked], ids=["complex", "masked"])
    @ALL
    def test_cells(self, estimator, change):
        X = with_fourth()
        X[3].cell.array = change(np.diag([9.0, 9.0, 9.0]))
        assert_refused(estimator, X, "X[3] (H2O): the cell")

    @ALL
    def test_other_real_arrays_are_fine(self, estimator):
        """Single precision, integers, the other byte order, a mask of nothing."""
        crystal = bulk("NaCl", "rocksalt", a=5.0, cubic=True)
        crystal.positions = np.round(crystal.positions)
        crystal.arrays["fragment"] = np.arange(8) % 2
        expected = clone(estimator).fit_transform([crystal])
        for change in (
            lambda a: a.astype(np.float32),
            lambda a: a.astype(int),
            lambda a: a.astype(">f8"),
            np.ma.masked_array,
        ):
            other = crystal.copy()
            other.arrays["positions"] = change(other.positions)
            np.testing.assert_array_equal(clone(estimator).fit_transform([other]), expected)


class TestOtherArrays:
    def test_masked_charges(self):
        charged = clone(POTENTIAL).set_params(charges="charge")
        X = with_fourth(charge=masked([-0.8, 0.4, 0.4]))
        for atoms in X[:3]:
            atoms.arrays["charge"] = np.array([-0.8, 0.4, 0.4])
        with pytest.raises(ValueError, match=r"X\[3\] \(H2O\): the array 'charge' has 2 masked"):
            charged.fit(X)

    def test_masked_fragments(self):
        X = with_fourth(fragment=masked([0, 1, 1]))
        assert_refused(InteractionFeatures(POTENTIAL), X, "one integer an atom", "some are masked")

    @pytest.mark.parametrize("change", [lambda a: a + 1j, masked], ids=["complex", "masked"])
    def test_cotangents_and_points(self, change):
        multipoles = MultipoleFeatures(cutoff=1.2, l_max=1).fit([water()])
        factors = change(np.ones((1, len(multipoles.get_feature_names_out()))))
        features = InteractionFeatures(multipoles).fit([water()])
        for run in (
            lambda: multipoles.backpropagate([water()], factors),
            lambda: features.backpropagate([water()], factors),
            lambda: backpropagate(multipoles, [water()], factors),
        ):
            with pytest.raises(ValueError, match="cotangents"):
                run()
        with pytest.raises(ValueError, match="points"):
            multipoles.potential([water()], change(np.ones((1, 3))))


class TestTargets:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda a: a + 1j, "must be real"),
            (masked, "masked values"),
            (lambda a: a.astype(str), "numbers"),
        ],
        ids=["complex", "masked", "text"],
    )
    @pytest.mark.parametrize("what", ["y", "forces", "stresses", "calculator", "sample_weight"])
    def test_targets_and_weights(self, what, change, message):
        X = [bulk("NaCl", "rocksalt", a=a) for a in (5.0, 5.2, 5.4, 5.6)]
        given = {"y": np.arange(4.0)}
        if what == "calculator":
            X[0].calc = SinglePointCalculator(X[0], energy=1.0)
            X[0].calc.results["forces"] = change(np.ones((2, 3)))
            given = {}
        elif what in ("forces", "stresses"):
            shape = (2, 3) if what == "forces" else (6,)
            given[what] = [change(np.ones(shape)), *np.ones((3, *shape))]
        else:
            given[what] = change(np.arange(4.0))
        where = "sample_weight" if what == "sample_weight" else r"X\[0\] \(ClNa\)"
        with (
            warnings.catch_warnings(action="error"),
            pytest.raises(ValueError, match=f"{where}.*{message}"),
        ):
            AtomisticRidgeCV(Composition(), alphas=1.0).fit(X, **given)


@pytest.mark.parametrize(
    "values", [[[1.0], [1.0, 2.0]], [object()], [10**400], "one", [np.datetime64("2020")]]
)
def test_what_is_no_array_of_numbers(values):
    with pytest.raises(ValueError, match=r"^these must be numbers; got "):
        real_array(values, "these")
