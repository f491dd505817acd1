"""Structures that several test modules share, and the coefficients of a structure as an array."""

import numpy as np
from ase import Atoms
from ase.build import bulk
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sklode import LongRangePotential

FCC = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
BCC = np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
CUBE = np.eye(3)
HEIGHT = np.sqrt(8.0 / 3.0)  # c/a of the ideal hexagonal close packing
WIDTH = np.sqrt(3.0) / 2.0


def crystal(symbols, cell, positions, charges, distance):
    """Scale a cell whose nearest neighbours are ``distance`` apart to a bond of 1 angstrom."""
    return Atoms(
        symbols,
        cell=np.array(cell, float) / distance,
        positions=np.array(positions, float) / distance,
        pbc=True,
        charges=charges,
    )


ROCK_SALT = crystal("NaCl", FCC, [[0, 0, 0], [1, 0, 0]], [1, -1], 1.0)
CESIUM_CHLORIDE = crystal("CsCl", CUBE, [[0, 0, 0], [0.5] * 3], [1, -1], WIDTH)
ZINCBLENDE = crystal("ZnS", FCC, [[0, 0, 0], [0.5] * 3], [1, -1], WIDTH)
WURTZITE = crystal(
    "ZnSZnS",
    [[0.5, -WIDTH, 0], [0.5, WIDTH, 0], [0, 0, HEIGHT]],
    [
        [0.5, 0.5 / np.sqrt(3), 0],
        [0.5, 0.5 / np.sqrt(3), 0.375 * HEIGHT],
        [0.5, -0.5 / np.sqrt(3), 0.5 * HEIGHT],
        [0.5, -0.5 / np.sqrt(3), 0.875 * HEIGHT],
    ],
    [1, -1, 1, -1],
    0.375 * HEIGHT,
)
FLUORITE = crystal(
    "CaF2", FCC / 2, [[0, 0, 0], [0.25] * 3, [0.75] * 3], [2, -1, -1], np.sqrt(3) / 4
)
CUPRITE = crystal(
    "O2Cu4",
    CUBE,
    [[0, 0, 0], [0.5] * 3, [0.25] * 3, [0.25, 0.75, 0.75], [0.75, 0.25, 0.75], [0.75, 0.75, 0.25]],
    [-2, -2, 1, 1, 1, 1],
    np.sqrt(3) / 4,
)

SIMPLE_CUBIC = crystal("Po", CUBE, [[0, 0, 0]], [1], 1.0)
BODY_CENTERED = crystal("Fe", BCC, [[0, 0, 0]], [1], np.sqrt(3))
FACE_CENTERED = crystal("Ar", FCC, [[0, 0, 0]], [1], np.sqrt(2))
CLOSE_PACKED = crystal(
    "Mg2",
    [[1, 0, 0], [-0.5, WIDTH, 0], [0, 0, HEIGHT]],
    [[0, 0, 0], [0, 1 / np.sqrt(3), HEIGHT / 2]],
    [1, 1],
    1.0,
)
DIAMOND = crystal("C2", FCC, [[0, 0, 0], [0.5] * 3], [1, 1], WIDTH)


def rattled_salt():
    """Eight atoms of rock salt off their sites."""
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.rattle(0.1, seed=0)
    return atoms


def triclinic(symbols="C3O2H2", seed=1, size=6.0):
    """Random positions in a random cell of edges of about ``size``; a charge for every atom."""
    rng = np.random.default_rng(seed)
    atoms = Atoms(symbols, cell=size * np.eye(3) + rng.uniform(-1, 1, (3, 3)), pbc=True)
    atoms.set_scaled_positions(rng.random((len(atoms), 3)))
    atoms.set_initial_charges(rng.uniform(-1, 1, len(atoms)))
    return atoms


def cluster(symbols="COH2", seed=2, size=4.0):
    """Isolated atoms anywhere in a cube, with charges that add up to zero."""
    rng = np.random.default_rng(seed)
    atoms = Atoms(symbols, positions=rng.uniform(0, size, (len(Atoms(symbols)), 3)))
    charges = rng.uniform(-1, 1, len(atoms))
    atoms.set_initial_charges(charges - charges.mean())
    return atoms


def random_rotation(seed):
    """Whatever scipy calls the seed of its own."""
    return Rotation.from_quat(np.random.default_rng(seed).normal(size=4))


def expand(atoms, transformer=LongRangePotential, **parameters):
    """Coefficients of shape (n_atoms, n_exponents * n_channels, n_max, (l_max + 1)^2)."""
    model = transformer(invariants=None, **parameters)
    rows = model.fit([atoms]).transform_atoms([atoms])
    return np.asarray(rows).reshape(len(atoms), -1, model.n_max, (model.l_max + 1) ** 2)


@st.composite
def cells(draw, shortest=2.0, longest=9.0):
    """Cells of either handedness, from cubic to strongly skewed."""
    lengths = [draw(st.floats(shortest, longest)) for _ in range(3)]
    skew = np.array([draw(st.floats(-0.45, 0.45)) for _ in range(6)])
    cell = np.diag(lengths)
    cell[np.triu_indices(3, 1)] = skew[:3] * min(lengths)
    cell[np.tril_indices(3, -1)] = skew[3:] * min(lengths)
    signs = [draw(st.sampled_from([1.0, -1.0])) for _ in range(3)]
    return cell * np.array(signs)[:, None]


def is_solid(cell):
    """Whether the cell has a sensible volume."""
    return abs(np.linalg.det(cell)) > 0.2 * np.prod(np.linalg.norm(cell, axis=1))
