"""Crystals in cells of any shape, drawn by chance, and how far their coefficients may be off.

Each crystal is known by few numbers, of which hypothesis draws and shrinks some, and which a
message can name. It stands in a good cell and, as the same crystal, in the one that users give.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sklode import DensityProjector, LongRangePotential, MultipoleFeatures

SHAPES = {
    "cube": (1.0, 1.0, 1.0),
    "flat": (1.0, 1.0, 0.1),
    "long": (1.0, 1.0, 9.0),
    "uneven": (1.0, 2.0, 4.0),
}
CELLS = ("good", "skewed", "thin", "needle")
ELEMENTS = (1, 6, 8, 11, 17)


@dataclass(frozen=True)
class Crystal:
    """A periodic structure in two cells of one lattice.

    Attributes
    ----------
    shape : {"cube", "flat", "long", "uneven"}
        Proportions of the good cell, which is Minkowski-reduced.
    given : {"good", "skewed", "thin", "needle"}
        The user's cell: integers up to 3, 12 or 100 times the good vectors are added to each
        other. The last have angles below one degree.
    n_atoms, n_species : int
    density : float
        Atoms per cubic angstrom.
    outside : int
        How many lattice vectors away from the cell atoms are, at most.
    left_handed : bool
    seed : int
    """

    shape: str = "cube"
    given: str = "good"
    n_atoms: int = 1
    n_species: int = 1
    density: float = 0.1
    outside: int = 0
    left_handed: bool = False
    seed: int = 0

    @cached_property
    def _rng(self):
        return np.random.default_rng([self.seed, self.n_atoms])

    @cached_property
    def _good(self):
        """Atoms inside the good cell."""
        rng = np.random.default_rng(self.seed)
        cell = np.diag(SHAPES[self.shape]) @ (np.eye(3) + 0.25 * rng.uniform(-1, 1, (3, 3)))
        cell = Rotation.random(None, rng).apply(cell)
        volume = self.n_atoms / self.density
        cell = minkowski_reduce(cell * np.cbrt(volume / abs(np.linalg.det(cell))))[0]
        atoms = Atoms(
            np.resize(ELEMENTS[: self.n_species], self.n_atoms),
            cell=cell,
            scaled_positions=rng.random((self.n_atoms, 3)),
            pbc=True,
        )
        atoms.set_initial_charges(rng.uniform(-1, 1, self.n_atoms))
        return atoms

    @cached_property
    def _steps(self):
        """Integers that make the user's cell of the good one, and take atoms away from it."""
        rng = np.random.default_rng(self.seed + 1)
        matrix = unimodular(rng, self.given, self.left_handed)
        return matrix, rng.integers(-self.outside, self.outside + 1, (self.n_atoms, 3))

    @cached_property
    def atoms(self):
        """The crystal in the user's cell, atoms anywhere."""
        atoms, good = self._good.copy(), self._good.cell.array
        matrix, shifts = self._steps
        atoms.set_cell(matrix @ good)
        atoms.positions += shifts @ good
        return atoms

    @cached_property
    def reduced(self):
        """The same inside the good cell: as the rounded numbers of the user have it, exactly.

        Vectors of hundreds of angstrom are rounded to 1e-14, and atoms hundreds of cells away are
        moved by ten thousand times as much.
        """
        matrix, shifts = self._steps
        inverse = np.round(np.linalg.inv(matrix)).astype(int).astype(object)
        good = inverse @ exact_numbers(self.atoms.cell.array)
        positions = exact_numbers(self.atoms.positions) - shifts.astype(object) @ good
        atoms = self.atoms.copy()
        atoms.set_cell(good.astype(float))
        atoms.positions[:] = positions.astype(float)
        return atoms


exact_numbers = np.vectorize(Fraction, otypes=[object])


def unimodular(rng, given, left_handed=False):
    """A matrix of integers that takes a cell to another one of the same lattice."""
    largest = {"good": 0, "skewed": 3, "thin": 12, "needle": 100}[given]
    lower = np.eye(3, dtype=int)
    steps = rng.integers(-largest, largest + 1, 3)
    if given == "needle":
        steps = np.where(steps < 0, -1, 1) * np.maximum(np.abs(steps), 90)
    lower[np.tril_indices(3, -1)] = steps
    matrix = lower[:, rng.permutation(3)][rng.permutation(3)]
    signs = rng.choice([-1, 1], 3)
    signs[0] *= round(np.linalg.det(matrix)) * signs.prod() * (-1 if left_handed else 1)
    return signs[:, None] * matrix


def crystals(most_atoms=8, given=CELLS, densities=(0.02, 0.1)):
    """Strategy of crystals; the simplest are one atom in a cube."""
    return st.builds(
        Crystal,
        shape=st.sampled_from(list(SHAPES)),
        given=st.sampled_from(list(given)),
        n_atoms=st.integers(1, most_atoms),
        n_species=st.integers(1, 3),
        density=st.sampled_from(densities),
        outside=st.sampled_from([0, 1, 300]),
        left_handed=st.booleans(),
        seed=st.integers(0, 9999),
    )


@st.composite
def far_fields(draw, methods=("direct", "nufft", "auto"), tolerances=(1e-3, 1e-6, 1e-8), **fixed):
    """Strategy of LongRangePotential, with coefficients as columns unless others are ``fixed``."""
    exponents = st.sampled_from([1, 2.5, 3, 6, 0]) | st.just((1, 2.5, 3, 6, 0))
    drawn = {
        "exponent": draw(exponents),
        "cutoff": draw(st.sampled_from([1.5, 3.0, 5.0])),
        "n_max": draw(st.integers(1, 2)),
        "l_max": draw(st.integers(0, 3)),
        "smearing": draw(st.sampled_from([1.0, 0.5, 2.0, 4.0])),
        "radial_basis": draw(st.sampled_from(["monomial", "gto"])),
        "exterior": draw(st.booleans()),
        "charges": draw(st.sampled_from([None, "initial_charges"])),
        "tol": draw(st.sampled_from(tolerances)),
        "method": draw(st.sampled_from(methods)),
        "invariants": None,
    }
    return LongRangePotential(**{**drawn, **fixed})


@st.composite
def multipoles(draw, **fixed):
    """Strategy of MultipoleFeatures, as ``far_fields``."""
    drawn = {
        "exponent": draw(st.sampled_from([1, 2.5, 6, (1, 3, 6)])),
        "cutoff": draw(st.sampled_from([1.5, 3.0, 5.0])),
        "n_max": draw(st.integers(1, 2)),
        "l_max": draw(st.integers(0, 3)),
        "charges": draw(st.sampled_from([None, "initial_charges"])),
        "tol": draw(st.sampled_from([1e-3, 1e-6, 1e-8])),
        "invariants": None,
    }
    return MultipoleFeatures(**{**drawn, **fixed})


@st.composite
def densities(draw, **fixed):
    """Strategy of DensityProjector, as ``far_fields``."""
    drawn = {
        "cutoff": draw(st.sampled_from([1.5, 3.0, 5.0])),
        "n_max": draw(st.integers(1, 2)),
        "l_max": draw(st.integers(0, 3)),
        "smearing": draw(st.sampled_from([0.3, 1.0])),
        "invariants": None,
    }
    return DensityProjector(**{**drawn, **fixed})


def projectors(**fixed):
    """Strategy of all three."""
    return far_fields(**fixed) | multipoles(**fixed) | densities(**fixed)
