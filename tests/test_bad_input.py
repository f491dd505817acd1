"""Bad input: every message says which structure it is, what is wrong, and the way out."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline, make_union

from sklode import (
    BlockScaler,
    Composition,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    MultipoleFeatures,
    PowerSpectrum,
)

DENSITY = DensityProjector(cutoff=3.0, n_max=2, l_max=1)
POTENTIAL = LongRangePotential(cutoff=2.0, l_max=1)
CHARGES = LongRangePotential(cutoff=2.0, l_max=1, charges="charge")
EXTERIOR = LongRangePotential(cutoff=2.0, l_max=1, exterior=True)
MULTIPOLES = MultipoleFeatures(cutoff=1.2, l_max=1)
ESTIMATORS = [
    DENSITY,
    POTENTIAL,
    PowerSpectrum(DENSITY, POTENTIAL),
    Composition(),
    InteractionFeatures(POTENTIAL),
    EXTERIOR,
    MULTIPOLES,
]


def name(estimator):
    return type(estimator).__name__


ALL = pytest.mark.parametrize("estimator", ESTIMATORS, ids=name)


def water():
    atoms = molecule("H2O")
    atoms.set_array("fragment", np.array([0, 1, 1]))
    atoms.set_array("charge", np.array([-0.8, 0.4, 0.4]))
    return atoms


def with_fourth(change):
    """Four molecules of water, the last one changed."""
    X = [water() for _ in range(4)]
    change(X[3])
    return X


def assert_refused(estimator, X, error, *messages):
    """Both fit and transform refuse X."""
    with pytest.raises(error) as raised:
        clone(estimator).fit(X)
    texts = [str(raised.value)]
    with pytest.raises(error) as raised:
        clone(estimator).fit([water()]).transform(X)
    texts.append(str(raised.value))
    for text in texts:
        for message in messages:
            assert message in text


class TestContainers:
    @ALL
    def test_lone_atoms(self, estimator):
        assert_refused(estimator, water(), TypeError, "single Atoms", "[atoms]")

    @ALL
    def test_generator(self, estimator):
        X = (water() for _ in range(3))
        assert_refused(estimator, X, TypeError, "generator", "list(...)")

    @pytest.mark.parametrize("X", ["H2O.xyz", b"H2O.xyz", {"atoms": [water()]}, None, 3])
    @ALL
    def test_not_a_container(self, estimator, X):
        assert_refused(estimator, X, TypeError, "list, tuple", "Series", f"got {type(X).__name__}")

    @pytest.mark.parametrize("X", ["H2O.xyz", b"H2O.xyz", {"atoms": [water()]}], ids=type)
    def test_no_bad_advice(self, X):
        """A list of the letters of a file name, or of the keys of a dict, would not help."""
        with pytest.raises(TypeError) as raised:
            POTENTIAL.fit(X)
        assert "list(...)" not in str(raised.value)

    @pytest.mark.parametrize(
        "X",
        [[], (), pd.Series([], dtype=object), np.empty(0, dtype=object)],
        ids=["list", "tuple", "Series", "array"],
    )
    @ALL
    def test_no_structures(self, estimator, X):
        assert_refused(estimator, X, ValueError, "at least one structure")

    @pytest.mark.parametrize("wrong", [None, "H2O", 1.0, [water()], water().positions], ids=type)
    @ALL
    def test_something_else_among_the_atoms(self, estimator, wrong):
        X = [water(), wrong, water()]
        assert_refused(estimator, X, TypeError, f"X[1] is of type {type(wrong).__name__}")

    @ALL
    def test_frame_with_two_columns(self, estimator):
        X = pd.DataFrame({"atoms": [water()], "energy": [1.0]})
        message = ("one column", "['atoms', 'energy']", "ColumnTransformer")
        assert_refused(estimator, X, ValueError, *message)

    @pytest.mark.parametrize("shape", [(3, 3), (2, 0), (2, 1, 1), ()], ids=str)
    @ALL
    def test_array_of_another_shape(self, estimator, shape):
        X = np.zeros(shape, dtype=object)
        assert_refused(estimator, X, (TypeError, ValueError), "object array of ase.Atoms")

    @ALL
    def test_a_list_mangled_into_single_atoms(self, estimator):
        X = np.asarray([water(), water()], dtype=object)
        assert_refused(estimator, X, ValueError, "(n,) or (n, 1)", "(2, 3)", "pass the list itself")

    @ALL
    def test_numbers(self, estimator):
        assert_refused(estimator, np.zeros(3), TypeError, "X[0] is of type float64")

    @ALL
    def test_transform_before_fit(self, estimator):
        estimator = clone(estimator)
        for method in (estimator.transform, estimator.transform_atoms):
            with pytest.raises(NotFittedError):
                method([water()])
        with pytest.raises(NotFittedError):
            estimator.get_feature_names_out()


class TestStructures:
    @ALL
    def test_no_atoms(self, estimator):
        X = [water(), Atoms()]
        X[1].arrays["fragment"] = np.zeros(0, int)
        assert_refused(estimator, X, ValueError, "X[1] (empty)", "no atoms", "Remove it")

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @ALL
    def test_positions_that_are_not_finite(self, estimator, value):
        def spoil(atoms):
            atoms.positions[2, 1] = value

        X = with_fourth(spoil)
        message = ("X[3] (H2O)", "position of atom 2", "finite", "Repair or remove")
        assert_refused(estimator, X, ValueError, *message)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    @ALL
    def test_cell_that_is_not_finite(self, estimator, value):
        def spoil(atoms):
            atoms.cell = np.diag([5.0, 5.0, 5.0])
            atoms.cell.array[0, 0] = value
            atoms.pbc = True

        message = ("X[3] (H2O)", "cell", "finite", "Set a proper cell")
        assert_refused(estimator, with_fourth(spoil), ValueError, *message)

    @pytest.mark.parametrize(
        "cell",
        [np.zeros((3, 3)), np.diag([5.0, 5.0, 0.0]), np.ones((3, 3))],
        ids=["none", "flat", "parallel"],
    )
    @ALL
    def test_periodic_cell_without_volume(self, estimator, cell):
        def spoil(atoms):
            atoms.cell = cell
            atoms.pbc = True

        message = ("X[3] (H2O)", "no volume", "set_cell", "pbc = False")
        assert_refused(estimator, with_fourth(spoil), ValueError, *message)

    @ALL
    def test_any_cell_is_fine_without_periodicity(self, estimator):
        X = [water(), water(), water()]
        X[1].cell = np.ones((3, 3))
        X[2].cell.array[:] = np.nan
        rows = clone(estimator).fit_transform(X)
        assert np.array_equal(rows, clone(estimator).fit_transform([water(), water(), water()]))

    def test_local_density_of_slabs(self):
        slab = fcc111("Cu", (2, 2, 3), vacuum=8.0)
        double = slab.repeat((2, 1, 1))
        rows = DENSITY.fit_transform([slab, double])
        np.testing.assert_allclose(2 * rows[0], rows[1], rtol=1e-10)


class TestElements:
    @pytest.mark.parametrize("estimator", ESTIMATORS[:4] + ESTIMATORS[5:], ids=name)
    def test_not_seen_in_fit(self, estimator):
        fitted = clone(estimator).fit([molecule("H2O"), molecule("CH4")])
        X = [molecule("H2O"), molecule("NH3"), molecule("SiH4")]
        for method in (fitted.transform, fitted.transform_atoms):
            with pytest.raises(ValueError, match=r"X\[1\] \(H3N\): contains N \(Z=7\)") as raised:
                method(X)
            for message in ("['H', 'C', 'O']", "species=[...]", "handle_unknown='ignore'"):
                assert message in str(raised.value)

    def test_not_seen_in_fit_of_interaction_features(self):
        ammonia = molecule("NH3")
        ammonia.arrays["fragment"] = np.array([0, 1, 1, 1])
        fitted = InteractionFeatures(POTENTIAL).fit([water()])
        with pytest.raises(ValueError, match=r"X\[2\] \(H3N\): contains N"):
            fitted.transform([water(), water(), ammonia])

    @pytest.mark.parametrize(
        "estimator", ESTIMATORS[:2] + ESTIMATORS[3:4] + ESTIMATORS[5:], ids=name
    )
    def test_not_in_the_given_list(self, estimator):
        estimator = clone(estimator).set_params(species=["C", "H"])
        with pytest.raises(ValueError, match=r"X\[0\] \(H2O\): contains O \(Z=8\)"):
            estimator.fit_transform([water()])

    @pytest.mark.parametrize("center_species", ["shared", "split"])
    @pytest.mark.parametrize("pooling", ["sum", "mean"])
    @pytest.mark.parametrize("invariants", ["power_spectrum", "radial_spectrum", None])
    @pytest.mark.parametrize("estimator", [DENSITY, POTENTIAL, EXTERIOR, MULTIPOLES], ids=name)
    def test_ignored_ones_count_as_absent(self, estimator, invariants, pooling, center_species):
        estimator = clone(estimator).set_params(
            handle_unknown="ignore",
            invariants=invariants,
            pooling=pooling,
            center_species=center_species,
        )
        assert_absent(estimator)

    @pytest.mark.parametrize("center_species", ["shared", "split"])
    def test_ignored_ones_count_as_absent_in_power_spectra(self, center_species):
        left, right = (
            clone(estimator).set_params(handle_unknown="ignore")
            for estimator in (DENSITY, POTENTIAL)
        )
        assert_absent(PowerSpectrum(left, right, center_species=center_species))

    def test_ignored_ones_are_not_counted(self):
        composition = Composition(["H", "C"], handle_unknown="ignore")
        assert composition.fit_transform([molecule("CH3OH")]).tolist() == [[4.0, 1.0]]

    def test_a_structure_of_ignored_ones_only_is_a_row_of_zeros(self):
        for estimator in (DENSITY, POTENTIAL, EXTERIOR, MULTIPOLES, Composition()):
            ignoring = clone(estimator).set_params(handle_unknown="ignore").fit([water()])
            assert not ignoring.transform([molecule("N2")]).any()

    def test_charges_need_no_known_elements(self):
        X = [water(), molecule("NH3")]
        X[1].set_array("charge", np.array([-0.9, 0.3, 0.3, 0.3]))
        assert CHARGES.fit(X[:1]).transform(X).all()


def assert_absent(estimator):
    fitted = estimator.fit([molecule("H2O")])
    salt = bulk("NO", "rocksalt", a=4.2)
    for atoms in (molecule("CH3OH"), molecule("CH3CN"), salt):
        kept = atoms[np.isin(atoms.numbers, fitted.species_)]
        got, expected = fitted.transform([atoms])[0], fitted.transform([kept])[0]
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
        rows = fitted.transform_atoms([atoms])
        known = np.isin(atoms.numbers, fitted.species_)
        np.testing.assert_allclose(rows[known], fitted.transform_atoms([kept]), atol=1e-12)
        assert not rows[~known].any()


class TestArrays:
    @pytest.mark.parametrize(
        "estimator",
        [
            CHARGES,
            PowerSpectrum(DENSITY, CHARGES),
            InteractionFeatures(CHARGES),
            clone(MULTIPOLES).set_params(charges="charge"),
        ],
        ids=name,
    )
    def test_no_charges(self, estimator):
        X = with_fourth(lambda atoms: atoms.arrays.pop("charge"))
        message = ("X[3] (H2O)", "'charge'", "'positions'", "atoms.set_array('charge', values)")
        assert_refused(estimator, X, ValueError, *message, "charges=None")

    def test_no_initial_charges(self):
        """ASE has a method of its own for them."""
        estimator = clone(CHARGES).set_params(charges="initial_charges")
        with pytest.raises(
            ValueError, match=r"atoms\.set_initial_charges\(values\), or charges=None"
        ):
            estimator.fit([water()])

    @pytest.mark.parametrize(
        "values",
        [np.zeros((3, 2)), np.array(["a", "b", "c"]), np.zeros(3, dtype=complex)],
        ids=["matrix", "text", "complex"],
    )
    def test_charges_that_are_not_one_number_an_atom(self, values):
        X = with_fourth(lambda atoms: atoms.arrays.update(charge=values))
        assert_refused(CHARGES, X, ValueError, "X[3] (H2O)", "'charge'", "one number", "set_array")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_charges_that_are_not_finite(self, value):
        X = with_fourth(lambda atoms: atoms.arrays.update(charge=np.array([0.0, value, 1.0])))
        assert_refused(CHARGES, X, ValueError, "X[3] (H2O)", "'charge'", "finite", "set_array")

    def test_no_fragments(self):
        X = with_fourth(lambda atoms: atoms.arrays.pop("fragment"))
        message = ("X[3] (H2O)", "'fragment'", "'positions'", "set_array", "another array")
        assert_refused(InteractionFeatures(POTENTIAL), X, ValueError, *message)

    @pytest.mark.parametrize(
        "values", [np.zeros((3, 1), int), np.array([0.0, 1.0, 1.0]), np.array(list("aab"))]
    )
    def test_fragments_that_are_not_one_integer_an_atom(self, values):
        X = with_fourth(lambda atoms: atoms.arrays.update(fragment=values))
        message = ("X[3] (H2O)", "'fragment'", "one integer an atom", "set_array")
        assert_refused(InteractionFeatures(POTENTIAL), X, ValueError, *message)


NO_EXPONENTS = [
    *(True, [True], 1 + 0j, 10**400, np.array(1.0), np.ones((1, 1)), {1, 6}, {1: 6}),
    *(1e-4, 101, 200.0, [1, 200]),
]
BAD_PARAMETERS = [
    *[(POTENTIAL, "exponent", p) for p in (-1, [], [1, 1], [1, 1.0], np.nan, [1, np.nan], [1, -2])],
    *[
        (POTENTIAL, "exponent", p)
        for p in (np.inf, "one", [1, "six"], None, [[1, 6]], [[1], [1, 2]], *NO_EXPONENTS)
    ],
    *[(POTENTIAL, "tol", tol) for tol in (0, 1, -1e-6, None, True)],
    *[(POTENTIAL, "k_cutoff", k) for k in (0, -1.0, "auto", np.nan, True, 1e7)],
    (POTENTIAL, "charges", 1),
    *[(DENSITY, "cutoff_width", width) for width in (-0.1, True, 1e7, 5.0)],
    *[
        (estimator, parameter, value)
        for estimator in (DENSITY, POTENTIAL)
        for parameter, values in {
            "cutoff": [0, -1.0, np.nan, np.inf, "3", True, 1e-4, 1e7, 10**400],
            "n_max": [0, 1.5, "2", True, 21, 10**400],
            "l_max": [-1, 1.5, True, 51, 10**400],
            "smearing": [0, -1, np.nan, np.inf, True, 1e-10, 1e7, 10**400],
            "radial_basis": ["gaussian", None],
            "include_center": ["yes", None],
            "invariants": ["bispectrum", False],
            "center_species": ["all", None],
            "species": ["H", ["Xx"], [], [-1], [1.5], [200], None, [True], np.array(1)],
            "handle_unknown": ["warn", None],
            "pooling": ["max", None],
            "dtype": ["float16", float],
            "n_jobs": [0, 1.5, "all", True, 10**400],
        }.items()
        for value in values
    ],
    *[
        (MULTIPOLES, parameter, value)
        for parameter, values in {
            "exponent": [0, -1, [], [1, 1], [0, 1], np.nan, np.inf, "one", None, *NO_EXPONENTS],
            "cutoff": [0, -1.0, np.nan, np.inf, "3", True, 1e-4, 1e7, 10**400],
            "cutoff_width": [-0.1, 1.2, 5.0, np.nan, None, True],
            "n_max": [0, 1.5, "2", True, 21, 10**400],
            "l_max": [-1, 1.5, True, 51, 10**400],
            "tol": [0, 1, -1e-6, None],
            "charges": [1],
            "invariants": ["bispectrum", False],
            "center_species": ["all"],
            "species": ["H", ["Xx"], []],
            "handle_unknown": ["warn"],
            "pooling": ["max"],
            "dtype": ["float16"],
            "n_jobs": [0, 1.5, True],
        }.items()
        for value in values
    ],
    *[(EXTERIOR, "cutoff_width", width) for width in (-0.1, 2.0, 5.0, np.nan)],
    (EXTERIOR, "include_center", True),
    *[(POTENTIAL, "exterior", value) for value in ("yes", None)],
    *[(Composition(), "species", species) for species in ("H", ["Xx"], [], [1.5])],
    (Composition(), "handle_unknown", "warn"),
    (PowerSpectrum(DENSITY), "left", None),
    (PowerSpectrum(DENSITY), "right", Composition()),
    (PowerSpectrum(DENSITY), "center_species", "all"),
    (PowerSpectrum(DENSITY), "pooling", "max"),
    (PowerSpectrum(DENSITY), "n_jobs", 0.5),
    (InteractionFeatures(POTENTIAL), "transformer", None),
    (InteractionFeatures(POTENTIAL), "fragments", 1),
]


class TestParameters:
    @pytest.mark.parametrize(
        ("estimator", "parameter", "value"),
        BAD_PARAMETERS,
        ids=[f"{name(e)}-{parameter}={value}" for e, parameter, value in BAD_PARAMETERS],
    )
    def test_wrong_value_is_named(self, estimator, parameter, value):
        estimator = clone(estimator).set_params(**{parameter: value})
        with pytest.raises((ValueError, TypeError), match=parameter):
            estimator.fit([water()])

    @pytest.mark.parametrize("parameter", ["floor", "with_mean"])
    @pytest.mark.parametrize("value", [-0.1, 1.5, np.nan, "no"])
    def test_wrong_value_of_the_scaler(self, parameter, value):
        with pytest.raises(ValueError, match=parameter):
            BlockScaler(**{parameter: value}).fit(np.ones((2, 2)))

    @pytest.mark.parametrize("estimator", [DENSITY, POTENTIAL], ids=name)
    def test_too_many_monomials(self, estimator):
        estimator = clone(estimator).set_params(n_max=7, radial_basis="monomial")
        with pytest.raises(ValueError, match=r"n_max=7.*n_max <= 6, or radial_basis='gto'"):
            estimator.fit([water()])
        assert estimator.set_params(n_max=6).fit_transform([water()]).any()

    @pytest.mark.parametrize("estimator", [DENSITY, POTENTIAL], ids=name)
    @pytest.mark.parametrize("n_max", [17, 30, 10**6])
    def test_too_many_gaussians(self, estimator, n_max):
        estimator = clone(estimator).set_params(n_max=n_max, radial_basis="gto")
        with pytest.raises(ValueError, match=r"n_max.*\b16\b"):
            estimator.fit([water()])
        rows = estimator.set_params(n_max=16).fit_transform([water()])
        assert np.isfinite(rows).all()

    @pytest.mark.parametrize("X", [[water()], [bulk("NaCl", "rocksalt", a=5.6)]], ids=str)
    @pytest.mark.parametrize("exponent", [0.001, 100])
    def test_the_flattest_and_the_steepest(self, exponent, X):
        for estimator in (POTENTIAL, EXTERIOR, MULTIPOLES):
            rows = clone(estimator).set_params(exponent=exponent).fit_transform(X)
            assert np.isfinite(rows).all()
            assert rows.any()

    @pytest.mark.parametrize("X", [[water()], [bulk("NaCl", "rocksalt", a=5.6)]], ids=str)
    @pytest.mark.parametrize(("n_max", "l_max"), [(2, 28), (12, 8)])
    def test_the_steepest_multipoles(self, n_max, l_max, X):
        steep = MultipoleFeatures(100, 2.5, n_max, l_max, invariants=None)
        assert np.isfinite(steep.fit_transform(X)).all()
        with pytest.raises(ValueError, match=r"exponent \+ l_max \+ 2 \(n_max - 1\) is 131"):
            steep.set_params(exponent=(1, 100), l_max=l_max + 1).fit(X)

    @pytest.mark.parametrize("number", [np.float32(2), np.int64(2), Fraction(2)], ids=type)
    def test_numbers_of_any_type(self, number):
        expected = clone(POTENTIAL).set_params(exponent=2.0).fit_transform([water()])
        got = clone(POTENTIAL).set_params(exponent=number, cutoff=number).fit_transform([water()])
        np.testing.assert_array_equal(got, expected)

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda inner: PowerSpectrum(DENSITY, inner),
            lambda inner: InteractionFeatures(inner),
            lambda inner: InteractionFeatures(PowerSpectrum(inner)),
            lambda inner: make_pipeline(make_union(DENSITY, InteractionFeatures(inner))),
        ],
        ids=["spectrum", "interaction", "both", "union"],
    )
    def test_wrong_value_of_an_inner_projector(self, wrap):
        with pytest.raises(ValueError, match="'smearing' parameter of LongRangePotential"):
            wrap(clone(POTENTIAL).set_params(smearing=-1)).fit([water()])


class TestPoints:
    """Where the potential of the multipoles is asked for."""

    @pytest.mark.parametrize(
        "points",
        [
            np.zeros((2, 2)),
            np.zeros(4),
            np.zeros((1, 2, 3)),
            [[np.nan, 0, 0]],
            [[0, np.inf, 0]],
            1.0,
        ],
        ids=["pairs", "four", "three axes", "nan", "infinite", "number"],
    )
    @pytest.mark.parametrize("method", ["potential", "field"])
    def test_wrong_points(self, method, points):
        fitted = clone(MULTIPOLES).fit([water()])
        with pytest.raises(ValueError, match=r"points .*\(n_points, 3\)"):
            getattr(fitted, method)([water()], points)

    @pytest.mark.parametrize("method", ["potential", "field"])
    def test_structures_are_checked_too(self, method):
        with pytest.raises(NotFittedError):
            getattr(clone(MULTIPOLES), method)([water()], [[0, 0, 0]])
        compute = getattr(clone(MULTIPOLES).fit([water()]), method)
        with pytest.raises(ValueError, match=r"X\[0\] \(H3N\): contains N"):
            compute([molecule("NH3")], [[0, 0, 0]])
        with pytest.raises(TypeError, match="single Atoms"):
            compute(water(), [[0, 0, 0]])

    def test_one_point(self):
        fitted = clone(MULTIPOLES).fit([water()])
        assert fitted.potential([water()], [0.1, 0, 0])[0].shape == (3, 1, 2, 1)
        assert fitted.field([water()], [0.1, 0, 0])[0].shape == (3, 1, 2, 1, 3)


class TestWhatJustWorks:
    @pytest.mark.parametrize(
        "estimator", [DENSITY, POTENTIAL, EXTERIOR, MULTIPOLES, Composition()], ids=name
    )
    def test_left_handed_cells(self, estimator, crystals):
        mirrored = []
        for atoms in crystals:
            swapped = atoms.copy()
            swapped.cell = atoms.cell[[1, 0, 2]]
            assert swapped.cell.handedness == -atoms.cell.handedness
            mirrored.append(swapped)
        expected = clone(estimator).fit_transform(crystals)
        got = clone(estimator).fit_transform(mirrored)
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7 * abs(expected).max())

    @pytest.mark.parametrize("estimator", [DENSITY, POTENTIAL, EXTERIOR, MULTIPOLES], ids=name)
    def test_atoms_outside_the_cell(self, estimator, crystals):
        moved = [atoms.copy() for atoms in crystals]
        for atoms in moved:
            atoms.positions += np.arange(-3, len(atoms) - 3)[:, None] * atoms.cell[0]
            atoms.positions[-1] -= 2 * atoms.cell[2]
        expected = clone(estimator).fit_transform(crystals)
        got = clone(estimator).fit_transform(moved)
        np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-9 * abs(expected).max())

    @pytest.mark.parametrize("estimator", [DENSITY, POTENTIAL, EXTERIOR, MULTIPOLES], ids=name)
    def test_mixtures_of_periodicities(self, estimator, molecules, crystals, mixed):
        fitted = clone(estimator).fit(mixed)
        both = fitted.transform([*crystals, *molecules])
        apart = [fitted.transform(crystals), fitted.transform(molecules)]
        np.testing.assert_allclose(both, np.concatenate(apart), rtol=1e-10, atol=1e-12)

    def test_single_atoms(self):
        X = [Atoms("H"), Atoms("H", cell=[4, 4, 4], pbc=True), Atoms("O")]
        assert np.isfinite(PowerSpectrum(DENSITY, POTENTIAL).fit_transform(X)).all()

    def test_far_away_atoms(self):
        X = [water(), water()]
        X[1].positions += 1e5
        rows = POTENTIAL.fit_transform(X)
        np.testing.assert_allclose(rows[1], rows[0], rtol=1e-8)
