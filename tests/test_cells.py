"""Periodic structures in cells of every shape: one lattice has one set of features.

Crystals stand in a good cell and in one that is skewed, flat, long, left-handed or tiny, with atoms
anywhere. Rows and derivatives must agree within what ``tol`` allows.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from accuracy import gradient_errors, row_errors
from ase import Atoms
from drawn import CELLS, Crystal, crystals, far_fields, multipoles, projectors
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from sklearn.base import clone

from sklode import LongRangePotential

ROUNDING = 1e-9  # of the largest derivative: lattice vectors of thousands of angstrom are added


@dataclass
class Description:
    """What a model makes of one structure.

    Attributes
    ----------
    rows : ndarray of shape (n_atoms, n_features)
    moved, strained : ndarray of shape (n_atoms, 3, n_features) and (3, 3, n_features)
        Derivatives of the row of the structure.
    back, back_strain : ndarray of shape (n_atoms, 3) and (3, 3)
        The reverse pass, of ``cotangents``.
    """

    rows: np.ndarray
    moved: np.ndarray
    strained: np.ndarray
    back: np.ndarray
    back_strain: np.ndarray


def describe(model, atoms, cotangents):
    model = clone(model).fit([atoms])
    moved, strained = model.transform_all_gradients([atoms])
    back, back_strain = model.backpropagate([atoms], cotangents[None])
    rows = model.transform_atoms([atoms])
    return Description(rows, moved[0], strained[0], back[0], back_strain[0])


def cotangents_of(errors):
    """Factors that make the allowed errors of all columns equal to one."""
    signs = np.random.default_rng(0).choice([-1.0, 1.0], len(errors))
    return signs / np.where(errors > 0, errors, np.inf)


def assert_close(found, expected, errors, what):
    """Elementwise, with the allowed errors of the columns, and rounding of the largest."""
    limit = errors + ROUNDING * np.abs(expected).max(axis=tuple(range(expected.ndim - 1)))
    excess = np.abs(found - expected) - limit
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    assert excess[worst] <= 0, (
        f"{what}{list(map(int, worst))}: {found[worst]} against {expected[worst]}; "
        f"the difference may be {limit[worst[-1]]}"
    )


def assert_alike(model, pairs, atoms, copies=1):
    """All that is made of the first of a pair agrees with that of the second.

    Parameters
    ----------
    model : projector
        Or a pair of them, the second for the expected values.
    pairs : tuple of ase.Atoms
        What is tested, and another form of the same structure.
    copies : int
        How many times the first holds the second.
    """
    models = model if isinstance(model, tuple) else (model, model)
    fitted = clone(models[0]).fit([atoms])
    rows, (moved, strained) = row_errors(fitted, atoms), gradient_errors(fitted, atoms)
    factors = cotangents_of(moved)
    found, expected = (describe(of, form, factors) for of, form in zip(models, pairs, strict=True))
    repeated = [np.concatenate([part] * copies) for part in (expected.rows, expected.moved)]
    assert_close(found.rows, repeated[0], 2 * rows, "rows")
    assert_close(found.moved, repeated[1], 2 * moved, "position gradients")
    assert_close(found.strained, copies * expected.strained, 2 * copies * strained, "strain")
    # random signs of the errors of all columns; the Jacobian of one is the measure of the other
    allowed = 4 * np.sqrt(len(factors))
    np.testing.assert_allclose(
        found.back,
        np.concatenate([expected.moved @ factors] * copies),
        rtol=0,
        atol=allowed + ROUNDING * np.abs(expected.moved * factors).max(),
        err_msg="reverse pass",
    )
    rate = np.max(strained[moved > 0] / moved[moved > 0], initial=1.0)
    np.testing.assert_allclose(
        found.back_strain,
        copies * expected.strained @ factors,
        rtol=0,
        atol=copies * (allowed * rate + ROUNDING * np.abs(expected.strained * factors).max()),
        err_msg="reverse pass by strain",
    )


def both(few, many=30):
    """Parametrize a test by the number of examples: a few always, many with ``-m slow``."""
    return pytest.mark.parametrize("n_examples", [few, pytest.param(many, marks=pytest.mark.slow)])


def check(test, n_examples, *strategies):
    settings(max_examples=n_examples)(given(*strategies)(test))()


@both(8)
@pytest.mark.parametrize("cells", CELLS[1:])
def test_any_cell_of_a_lattice(cells, n_examples):
    def test(model, crystal):
        assert_alike(model, (crystal.atoms, crystal.reduced), crystal.reduced)

    check(test, n_examples, projectors(), crystals(given=(cells,)))


@both(5)
@pytest.mark.parametrize("repeat", [(2, 1, 1), (1, 1, 3), (1, 2, 2)])
def test_supercells(repeat, n_examples):
    def test(model, crystal):
        atoms = crystal.atoms
        larger = atoms.repeat(repeat)
        assert_alike(model, (larger, atoms), crystal.reduced, copies=int(np.prod(repeat)))

    check(test, n_examples, projectors(), crystals(most_atoms=4))


@both(10)
@pytest.mark.parametrize("method", ["direct", "nufft", "auto"])
def test_any_method(method, n_examples):
    def test(model, crystal):
        exact = clone(model).set_params(method="direct", tol=1e-2 * model.tol)
        assert_alike((model, exact), (crystal.atoms, crystal.atoms), crystal.reduced)

    check(test, n_examples, far_fields(methods=(method,)), crystals(most_atoms=16))


@both(15)
def test_multipoles_at_a_finer_tolerance(n_examples):
    def test(model, crystal):
        exact = clone(model).set_params(tol=1e-2 * model.tol)
        assert_alike((model, exact), (crystal.atoms, crystal.atoms), crystal.reduced)

    check(test, n_examples, multipoles(), crystals(most_atoms=16))


@both(20)
def test_invariants_neither_turn_nor_know_left_from_right(n_examples):
    def test(model, crystal, seed, improper):
        turn = (-1.0 if improper else 1.0) * Rotation.random(None, seed).as_matrix()
        atoms, turned = crystal.atoms, crystal.atoms.copy()
        turned.set_cell(atoms.cell.array @ turn.T)
        turned.positions = atoms.positions @ turn.T
        model.fit([atoms])
        errors = 2 * row_errors(model, crystal.reduced)
        assert_close(model.transform_atoms([turned]), model.transform_atoms([atoms]), errors, "row")

    spectra = projectors(invariants="power_spectrum")
    check(test, n_examples, spectra, crystals(), st.integers(0, 99), st.booleans())


@pytest.mark.parametrize("exponent", [1, 6])
@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_a_skewed_cell_of_many_atoms(exponent, tol):
    """Angles of 6, 19 and 18 degrees; the mesh was wrong by 30 times ``tol``, and silently."""
    rng = np.random.default_rng(0)
    cube = Atoms("H3000", cell=40.0 * np.eye(3), positions=rng.uniform(0, 40, (3000, 3)), pbc=True)
    skewed = cube.copy()
    skewed.set_cell([[40, 0, 0], [120, 40, 0], [360, 120, 40]])
    model = LongRangePotential(exponent, l_max=2, tol=tol, invariants=None).fit([cube])
    rows, expected = model.transform_atoms([skewed]), model.transform_atoms([cube])
    assert np.abs(rows - expected).max() <= 2 * tol * np.abs(expected).max()


@pytest.mark.parametrize("method", ["direct", "nufft", "auto"])
def test_a_needle_of_few_atoms(method):
    """Angles below one degree; the mesh was wrong by 77 %."""
    cell = np.array([[6, 0, 0], [600, 6.5, 0], [0, 650, 7.0]])
    scaled = np.random.default_rng(0).random((4, 3))
    needle = Atoms("CO2H", cell=cell, scaled_positions=scaled, pbc=True)
    good = needle.copy()
    good.set_cell(np.array([[1, 0, 0], [-100, 1, 0], [10000, -100, 1]]) @ cell)
    assert np.allclose(np.sort(good.cell.lengths()), [6, 6.5, 7])
    needle.set_initial_charges([1, -1, 0.5, -0.5])
    good.set_initial_charges([1, -1, 0.5, -0.5])
    model = LongRangePotential(1, method=method, invariants=None)
    assert_alike(model, (needle, good), good)


def test_drawn_cells_are_of_all_kinds():
    """Angles far below one degree, both hands, atoms far outside, cells smaller than an atom."""
    drawn = [Crystal("flat", "needle", 3, left_handed=left, outside=300) for left in (False, True)]
    for crystal in drawn:
        angles = crystal.atoms.cell.angles()
        assert np.minimum(angles, 180 - angles).min() < 1
        scaled = crystal.reduced.cell.scaled_positions(crystal.atoms.positions)
        assert np.abs(scaled).max() > 100
        assert np.isclose(crystal.atoms.get_volume(), crystal.reduced.get_volume())
    hands = [np.sign(np.linalg.det(crystal.atoms.cell)) for crystal in drawn]
    assert np.prod(hands) == -1
