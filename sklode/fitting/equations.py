"""Weighted rows of a linear model of energies, forces and stresses, in parts that fit in memory."""

from dataclasses import dataclass

import numpy as np

from ..gradients import some_gradients
from ..physics import blocks
from ..ridge.normal_equations import Rows, stack

KINDS = ENERGY, FORCES, STRESS = range(3)

_VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
# with sqrt(2) for shear, the squares of six numbers add up to those of the 3 x 3 stress:
# the fit does not depend on the orientation
_VOIGT_WEIGHTS = np.sqrt([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])


def to_voigt(tensors):
    """Symmetric parts in the order xx, yy, zz, yz, xz, xy.

    Parameters
    ----------
    tensors : ndarray of shape (n, 3, 3, ...)

    Returns
    -------
    ndarray of shape (n, 6, ...)
    """
    return 0.5 * (tensors[:, _VOIGT[0], _VOIGT[1]] + tensors[:, _VOIGT[1], _VOIGT[0]])


def stresses_of(atoms_list, strains):
    """Stresses (n_structures, 6) from derivatives by strain; NaN where there is no volume."""
    volumes = [atoms.cell.volume if atoms.pbc.all() else np.nan for atoms in atoms_list]
    return to_voigt(np.asarray(strains, dtype=float)) / np.array(volumes)[:, None]


def finite(features):
    """Features as an array of floats of its own.

    Raises
    ------
    ValueError
        If some are not finite.
    """
    matrix = np.array(features, dtype=float)
    if not np.isfinite(matrix).all():
        raise ValueError("The features are not finite for some structures.")
    return matrix


@dataclass(frozen=True)
class Weights:
    """Factors of rows, one a structure.

    Attributes
    ----------
    sizes : ndarray of shape (n_structures,)
        Numbers of atoms.
    energies, forces, stresses : ndarray of shape (n_structures,)
        Of rows in eV, eV/angstrom and eV/angstrom^3.
    """

    sizes: np.ndarray
    energies: np.ndarray
    forces: np.ndarray
    stresses: np.ndarray

    @classmethod
    def of(cls, atoms_list, sample_weight, force_weight, stress_weight, per_atom):
        """From the parameters of a fit."""
        sizes = np.array([len(atoms) for atoms in atoms_list])
        volumes = [atoms.cell.volume if atoms.pbc.all() else 0.0 for atoms in atoms_list]
        energies = np.sqrt(sample_weight) / (sizes if per_atom else 1.0)
        forces = force_weight * np.sqrt(sample_weight)
        return cls(sizes, energies, forces, stress_weight * energies * np.array(volumes))


def energy_rows(matrix, counts, energies, weights):
    """Rows of the energies.

    Parameters
    ----------
    matrix : ndarray of shape (n_structures, n_features)
        Scaled features.
    counts : ndarray of shape (n_structures, n_elements)
    energies : list of float or None
    weights : Weights

    Returns
    -------
    Rows
    """
    known = np.flatnonzero([e is not None for e in energies])
    factors = weights.energies[known]
    return Rows(
        matrix[known] * factors[:, None],
        np.array([energies[i] for i in known], dtype=float) * factors,
        counts[known] * factors[:, None],
        known,
        np.full(len(known), ENERGY),
        factors * weights.sizes[known],  # errors are told per atom
    )


class GradientRows:
    """Rows of forces and stresses, computed when asked for.

    Parameters
    ----------
    features : estimator
        Fitted features.
    atoms_list : list of ase.Atoms
    targets : Targets
    scale : ndarray of shape (n_features,)
        Divisors of the features.
    n_baseline : int
        Number of baseline columns, all zero here.
    weights : Weights

    Attributes
    ----------
    sizes : ndarray of shape (n_structures,), int
        Number of rows of each structure.
    rows_per_batch : int
        About so many rows fit in memory.
    """

    def __init__(self, features, atoms_list, targets, scale, n_baseline, weights):
        self._features, self._atoms, self._scale = features, atoms_list, scale
        self._forces, self._stresses = targets.forces, targets.stresses
        self._n_baseline, self._weights = n_baseline, weights
        self.sizes = np.array(
            [
                (0 if f is None else 3 * len(a)) + (0 if s is None else 6)
                for a, f, s in zip(atoms_list, self._forces, self._stresses, strict=True)
            ]
        )
        self.rows_per_batch = max(1, blocks.EQUATION_BYTES // (8 * max(len(scale), 1)))
        self._keep_all = 8 * self.sizes.sum() * len(scale) <= blocks.CACHED_EQUATION_BYTES
        self._loaded = {}

    def batches(self, structures):
        """Parts of structures whose rows fit in memory; those without rows are left out."""
        structures = structures[self.sizes[structures] > 0]
        if len(structures) == 0:
            return []
        batch = np.cumsum(self.sizes[structures]) // self.rows_per_batch
        return np.split(structures, np.flatnonzero(np.diff(batch)) + 1)

    def load(self, structures):
        """Compute the rows of structures at once and keep them for the next calls."""
        missing = [i for i in np.unique(structures) if i not in self._loaded and self.sizes[i]]
        if not self._keep_all and missing:
            self._loaded = {}
            missing = [i for i in np.unique(structures) if self.sizes[i]]
        for batch in self.batches(np.array(missing, dtype=int)):
            self._loaded.update(zip(batch, self._compute(batch), strict=True))

    def __call__(self, structures):
        """Rows of structures, in their order."""
        self.load(structures)
        parts = [self._loaded[i] for i in structures if self.sizes[i]]
        return stack(parts) if parts else self._assembled(0, [], [], [], [])

    def _compute(self, structures):
        """Rows of each structure."""
        known = {
            i: (self._forces[i] is not None, self._stresses[i] is not None) for i in structures
        }
        found = {}
        for wanted in dict.fromkeys(known.values()):
            some = [i for i in structures if known[i] == wanted]
            moved, strained = some_gradients(
                self._features, [self._atoms[i] for i in some], *wanted
            )
            moved = moved if wanted[0] else [None] * len(some)
            strained = to_voigt(strained) if wanted[1] else [None] * len(some)
            found.update(zip(some, zip(moved, strained, strict=True), strict=True))
        return [self._rows_of(i, *found[i]) for i in structures]

    def _rows_of(self, index, gradients, strains):
        matrices, targets, kinds, weights = [], [], [], []
        if gradients is not None:
            n_rows = 3 * len(self._atoms[index])
            matrices.append(-np.reshape(gradients, (n_rows, -1)))
            targets.append(self._forces[index].ravel())
            kinds.append(np.full(n_rows, FORCES))
            weights.append(np.full(n_rows, self._weights.forces[index]))
        if strains is not None:
            matrices.append(strains / self._atoms[index].cell.volume)
            targets.append(self._stresses[index])
            kinds.append(np.full(6, STRESS))
            weights.append(self._weights.stresses[index] * _VOIGT_WEIGHTS)
        return self._assembled(index, matrices, targets, kinds, weights)

    def _assembled(self, index, matrices, targets, kinds, weights):
        n_features = len(self._scale)
        matrix = np.concatenate([np.zeros((0, n_features)), *matrices]) / self._scale
        weights = np.concatenate([np.zeros(0), *weights])
        return Rows(
            matrix * weights[:, None],
            np.concatenate([np.zeros(0), *targets]) * weights,
            np.zeros((len(weights), self._n_baseline)),
            np.full(len(weights), index),
            np.concatenate([np.zeros(0, dtype=int), *kinds]),
            weights,
        )
