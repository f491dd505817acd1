"""Random estimators and structures over wide ranges, each known by a seed and a number."""

import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms
from drawn import CELLS, SHAPES, Crystal
from sklearn.pipeline import make_union

from sklode import (
    Composition,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    MultipoleFeatures,
    PowerSpectrum,
)
from sklode.potentials import TabulatedPotential, Yukawa

DISTANCES = np.linspace(0.0, 9.0, 19)
BUMP = TabulatedPotential(DISTANCES, np.cos(np.pi * DISTANCES / 18.0) ** 4, label="bump")
ELEMENTS = ["H", "C", "O", "Na", "Cl"]
CHARGES = "initial_charges"
FRAGMENTS = "fragment"


@dataclass(frozen=True)
class Case:
    """One estimator and some structures for it.

    Attributes
    ----------
    seed, number : int
        Which tell all else.
    chosen : tuple of int
        Which of the structures, all if empty.
    """

    seed: int
    number: int
    chosen: tuple = ()

    @cached_property
    def _drawn(self):
        rng = np.random.default_rng([self.seed, self.number])
        structures = draw_structures(rng)
        return draw_estimator(rng, Content.of(structures)), structures

    @property
    def estimator(self):
        """Not fitted."""
        return self._drawn[0]

    @property
    def structures(self):
        """Those that were chosen."""
        everything = self._drawn[1]
        return [everything[i] for i in self.chosen or range(len(everything))]

    def rng(self, purpose):
        """Random numbers of a check."""
        return np.random.default_rng([self.seed, self.number, *purpose.encode()])

    def snippet(self, check):
        """A program that repeats a check."""
        lines = [f"# {self.estimator!r}"]
        lines += [f"# {i}: {described(atoms)}" for i, atoms in enumerate(self.structures)]
        lines = "\n".join(lines).replace("\n ", "\n# ")
        return (
            f"{lines}\nimport sys; sys.path.insert(0, 'tests')\n"
            f"from soak_cases import Case\nfrom soak_checks import {check}\n"
            f"{check}({self!r})"
        )


@dataclass(frozen=True)
class Content:
    """What estimators must know of the structures, to fit and to be fast.

    Attributes
    ----------
    elements : list of str
    volume : float
        Of the largest cell, or box of a slab or wire, in cubic angstrom; 0 without any.
    """

    elements: list
    volume: float

    @staticmethod
    def of(structures):
        elements = sorted({s for atoms in structures for s in atoms.get_chemical_symbols()})
        volumes = [volume_of(atoms) for atoms in structures if atoms.pbc.any()]
        return Content(elements, max(volumes, default=0.0))

    def sharpest(self, rng):
        """Smallest smearing, for which there are not too many k-vectors; mostly moderate."""
        return max(pick(rng, 0.05, 0.3, 0.3), np.cbrt(self.volume / 1e5))


def volume_of(atoms):
    """Of the cell, or of a box with room for images of all atoms and 30 angstrom."""
    vectors = atoms.cell.array[atoms.pbc]
    across = np.linalg.svd(vectors)[2][len(vectors) :]
    extent = np.linalg.norm(np.ptp(atoms.positions @ across.T, axis=0))
    size = np.sqrt(np.linalg.det(vectors @ vectors.T))
    return size * (2.0 * extent + 30.0) ** len(across)


def described(atoms):
    """A structure in a line."""
    cell = np.round(atoms.cell.array, 3).tolist() if atoms.pbc.any() else "isolated"
    repeats = "" if atoms.pbc.all() or not atoms.pbc.any() else f", pbc {atoms.pbc.tolist()}"
    return f"{atoms.symbols!s}, {cell}{repeats}"


def between(rng, low, high):
    """A number, uniform in its logarithm, with few digits."""
    return float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")


def pick(rng, *options):
    """One of them."""
    return options[rng.integers(len(options))]


def draw_structures(rng):
    """One to four structures of one periodicity, or of any.

    SKLODE_SOAK_KIND leaves one kind alone.
    """
    kinds = {"isolated": draw_cluster, "layers": draw_layer, "periodic": draw_crystal}
    kind = pick(rng, *kinds, "mixed")
    kind = os.environ.get("SKLODE_SOAK_KIND", kind)
    elements = list(rng.permutation(ELEMENTS)[: rng.integers(1, 4)])
    most = pick(rng, 4, 4, 16, 16, 64, 130)  # small ones are fast, and have faults of their own
    found = []
    for _ in range(rng.integers(1, 5)):
        n_atoms = int(between(rng, 0.51, most) + 0.5)
        draw = pick(rng, *kinds.values()) if kind == "mixed" else kinds[kind]
        atoms = draw(rng, n_atoms)
        atoms.symbols = rng.choice(elements, n_atoms)
        draw_charges(rng, atoms)
        atoms.set_array(FRAGMENTS, rng.integers(0, 2, n_atoms))
        found.append(atoms)
    return found


def draw_crystal(rng, n_atoms):
    """A periodic structure in a cell of any shape."""
    crystal = Crystal(
        shape=pick(rng, *SHAPES),
        given=pick(rng, *CELLS),
        n_atoms=n_atoms,
        density=between(rng, 0.01, 0.15),
        outside=pick(rng, 0, 1, 100),
        left_handed=pick(rng, False, True),
        seed=int(rng.integers(2**31)),
    )
    return crystal.atoms.copy()


def draw_layer(rng, n_atoms):
    """A slab or wire in any cell, whose other vectors are anything, atoms in any of its images."""
    crystal = Crystal(
        shape=pick(rng, *SHAPES),
        n_atoms=n_atoms,
        density=between(rng, 0.01, 0.15),
        left_handed=pick(rng, False, True),
        seed=int(rng.integers(2**31)),
    )
    atoms, order = crystal.atoms.copy(), rng.permutation(3)
    atoms.pbc = pick(rng, order < 2, order < 1)
    cell, along = atoms.cell.array.copy(), np.flatnonzero(atoms.pbc)
    steps = rng.integers(-1, 2, (n_atoms, len(along))) * pick(rng, 0, 1, 100)
    atoms.positions += steps @ cell[along]
    if len(along) == 2:
        first, second = rng.permutation(along)
        cell[second] += pick(rng, 0, 3, 100) * cell[first]
    cell[~atoms.pbc] *= pick(rng, 0.0, 0.01, 1.0, 10.0)
    atoms.set_cell(cell)
    if rng.random() < 0.3:
        atoms.positions += rng.normal(scale=1000, size=3)
    return atoms


def draw_cluster(rng, n_atoms):
    """Isolated atoms, from dense to a few in the far distance."""
    size = (n_atoms / between(rng, 0.002, 0.15)) ** (1 / 3)
    atoms = Atoms("X" * n_atoms, positions=rng.uniform(0, size, (n_atoms, 3)))
    if rng.random() < 0.1:
        atoms.positions[-1] += 50.0
    if rng.random() < 0.3:
        atoms.positions += rng.normal(scale=1000, size=3)
    return atoms


def draw_charges(rng, atoms):
    """Any, neutral, equal, or zeros for some or all atoms."""
    charges = rng.uniform(-1, 1, len(atoms))
    kind = pick(rng, "any", "neutral", "ones", "some", "zero")
    if kind == "neutral":
        charges -= charges.mean()
    elif kind == "ones":
        charges[:] = 1.0
    elif kind == "some":
        charges[rng.random(len(atoms)) < 0.5] = 0.0
    elif kind == "zero":
        charges[:] = 0.0
    atoms.set_initial_charges(charges)


def draw_estimator(rng, content):
    """One of all kinds; ``known`` are the elements of the structures."""
    kind = rng.integers(12)
    if kind < 4:
        return draw_potential(rng, content)
    if kind < 6:
        return draw_multipoles(rng, content)
    if kind < 7:
        return draw_density(rng, content)
    if kind < 9:
        return draw_spectrum(rng, content)
    if kind < 10:
        return make_union(draw_projector(rng, content), draw_projector(rng, content), Composition())
    if kind < 11:
        return InteractionFeatures(pick(rng, draw_projector, draw_spectrum)(rng, content))
    return Composition()


def draw_projector(rng, content):
    """One of the three."""
    return pick(rng, draw_density, draw_potential, draw_multipoles)(rng, content)


def draw_spectrum(rng, content):
    """A PowerSpectrum of one or two projectors."""
    left = draw_projector(rng, content)
    right = pick(rng, None, draw_projector(rng, content))
    if right is not None:
        right.set_params(species=left.species, handle_unknown=left.handle_unknown)
    return PowerSpectrum(
        left,
        right,
        center_species=pick(rng, "shared", "split"),
        pooling=pick(rng, "sum", "mean"),
    )


def common(rng, content):
    """What all projectors have."""
    parameters = {
        "cutoff": between(rng, 1.5, 8.0),
        "n_max": int(rng.integers(1, 4)),
        "l_max": int(rng.integers(0, 7)),
        "invariants": pick(rng, "power_spectrum", "radial_spectrum", None),
        "center_species": pick(rng, "shared", "split"),
        "pooling": pick(rng, "sum", "mean"),
        "dtype": pick(rng, "float64", "float64", "float32"),
    }
    if rng.random() < 0.3:
        listed = [symbol for symbol in content.elements if rng.random() < 0.7] + ["F"]
        parameters |= {"species": listed, "handle_unknown": "ignore"}
    return parameters


def draw_density(rng, content):
    parameters = common(rng, content)
    return DensityProjector(
        **parameters,
        smearing=between(rng, 0.05, 2.0),
        cutoff_width=pick(rng, 0.0, 0.5, 1.0),
        radial_basis=pick(rng, "gto", "monomial"),
        include_center=pick(rng, True, False),
    )


def draw_potential(rng, content):
    parameters = common(rng, content)
    exterior = pick(rng, True, False)
    return LongRangePotential(
        draw_exponents(rng, zero=True),
        **parameters,
        smearing=between(rng, content.sharpest(rng), 4.0),
        radial_basis=pick(rng, "monomial", "gto"),
        exterior=exterior,
        cutoff_width=pick(rng, 0.0, 0.5, 1.0),
        charges=pick(rng, None, CHARGES),
        include_center=not exterior and pick(rng, True, False),
        tol=between(rng, 1e-9, 1e-2),
        method=pick(rng, "auto", "direct", "nufft"),
    )


def draw_multipoles(rng, content):
    return MultipoleFeatures(
        draw_exponents(rng, zero=False),
        **common(rng, content),
        cutoff_width=pick(rng, 0.0, 0.5, 1.0),
        charges=pick(rng, None, CHARGES),
        tol=between(rng, 1e-9, 1e-2),
    )


def draw_exponents(rng, zero):
    """A number, a law, or some of them."""
    whole = [float(p) for p in rng.choice(np.arange(0 if zero else 1, 13), 2, replace=False)]
    options = [1, 6, whole[0], between(rng, 0.1, 12.0), (1, 6), tuple(whole)]
    if zero:
        options += [Yukawa(between(rng, 0.05, 3.0)), (Yukawa(0.5), 1, BUMP)]
    return pick(rng, *options)
