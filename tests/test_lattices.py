"""Skewed cells are reduced where they are read."""

import numpy as np
import pytest
from ase import Atoms
from ase.geometry.minkowski_reduction import is_minkowski_reduced
from drawn import Crystal

from sklode import LongRangePotential
from sklode.inputs.atoms import read_structures, reduced

EVERYWHERE = np.ones(3, bool)


def lattice_points(cell, most=2):
    """Sums of up to so many of each lattice vector, rounded."""
    integers = np.stack(np.meshgrid(*[np.arange(-most, most + 1)] * 3), axis=-1).reshape(-1, 3)
    return list(map(tuple, np.round(integers @ cell, 6) + 0.0))


@pytest.mark.parametrize("seed", range(20))
def test_of_the_same_lattice(seed):
    rng = np.random.default_rng(seed)
    short = np.diag(rng.uniform(3.0, 6.0, 3)) + rng.uniform(-0.5, 0.5, (3, 3))
    mixed = np.eye(3, dtype=int)
    for _ in range(6):
        i, j = rng.permutation(3)[:2]
        mixed[i] += rng.integers(-4, 5) * mixed[j]
    found = reduced((mixed @ short)[None], EVERYWHERE[None])[0]
    assert set(lattice_points(short)) <= set(lattice_points(found, 6))
    assert abs(np.linalg.det(found)) == pytest.approx(abs(np.linalg.det(short)))
    # all but reduced ones stay as they are
    again = reduced(found[None].copy(), EVERYWHERE[None])[0]
    np.testing.assert_array_equal(again, found)
    loose = 1e-9 + found * (1.0 + 1e-3 * rng.uniform(-1, 1, (3, 3)))
    np.testing.assert_array_equal(reduced(loose[None].copy(), EVERYWHERE[None])[0], loose)


@pytest.mark.parametrize("seed", range(20))
def test_long_vectors_are_added_exactly(seed):
    """Else atoms hundreds of cells away are moved by hundreds of rounding errors of the vectors."""
    crystal = Crystal("uneven", "needle", 4, outside=300, seed=seed)
    good = crystal.reduced.cell.array
    found = reduced(crystal.atoms.cell.array[None].copy(), EVERYWHERE[None])[0]
    steps = np.round(found @ np.linalg.inv(good))
    np.testing.assert_allclose(found, steps @ good, rtol=0, atol=1e-14)


@pytest.mark.parametrize("cell", [[[6, 0, 0], [600, 6.5, 0], [0, 650, 7]], np.eye(3)])
def test_as_of_ase(cell):
    found = reduced(np.array([cell], float), EVERYWHERE[None])[0]
    assert is_minkowski_reduced(found)


def test_vectors_along_which_nothing_repeats_are_unit_vectors_across():
    atoms = Atoms("H", cell=[[3, 0, 0], [90, 3, 0], [40, 50, 20]], pbc=[True, True, False])
    (found,) = read_structures([atoms])
    np.testing.assert_allclose(found.cell[2], [0, 0, 1], atol=1e-15)
    np.testing.assert_allclose(found.cell[:2] @ found.cell[:2].T, 9.0 * np.eye(2), atol=1e-12)
    np.testing.assert_array_equal(found.cell[:2, 2], 0.0)


@pytest.mark.parametrize("method", ["auto", "direct", "nufft"])
@pytest.mark.parametrize("exponent", [1, 6])
def test_rows_are_those_of_the_lattice(exponent, method):
    rng = np.random.default_rng(0)
    cube = Atoms("NaCl" * 40, rng.uniform(-20, 40, (80, 3)), cell=[9, 10, 11], pbc=True)
    skewed = cube.copy()
    skewed.set_cell(np.array([[1, 0, 0], [4, 1, 0], [-9, 3, -1]]) @ cube.cell.array)
    model = LongRangePotential(exponent, l_max=2, method=method, tol=1e-8).fit([cube])
    rows = model.transform([cube, skewed])
    np.testing.assert_allclose(rows[1], rows[0], rtol=0, atol=1e-10 * abs(rows).max())
    moved, strained = model.transform_all_gradients([cube, skewed])
    np.testing.assert_allclose(moved[1], moved[0], rtol=0, atol=1e-10 * abs(moved[0]).max())
    scale = abs(strained).max()
    np.testing.assert_allclose(strained[1], strained[0], rtol=0, atol=1e-10 * scale)
