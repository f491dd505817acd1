"""Weighted rows of a linear model of energies, forces and stresses, in parts that fit in memory."""

from dataclasses import dataclass

import numpy as np

from ..gradients import differentiate
from ..inputs.targets import stress_volume
from ..physics import blocks
from ..projection.chain_rule import n_columns
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
    volumes = np.array([stress_volume(atoms) or np.nan for atoms in atoms_list])
    return to_voigt(np.asarray(strains, dtype=float)) / volumes[:, None]


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
    volumes : ndarray of shape (n_structures,)
        By which stresses are divided; 0 without a stress.
    energies, forces, stresses : ndarray of shape (n_structures,)
        Of rows in eV, eV/angstrom and eV/angstrom^3.
    """

    sizes: np.ndarray
    volumes: np.ndarray
    energies: np.ndarray
    forces: np.ndarray
    stresses: np.ndarray

    @classmethod
    def of(cls, atoms_list, sample_weight, force_weight, stress_weight, per_atom):
        """From the parameters of a fit."""
        sizes = np.array([len(atoms) for atoms in atoms_list])
        volumes = np.array([stress_volume(atoms) for atoms in atoms_list])
        energies = np.sqrt(sample_weight) / (sizes if per_atom else 1.0)
        forces = force_weight * np.sqrt(sample_weight)
        return cls(sizes, volumes, energies, forces, stress_weight * energies * volumes)


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
    weights : Weights
    n_baseline : int
        Number of baseline columns, all zero here.

    Attributes
    ----------
    scale : ndarray of shape (n_features,)
        Divisors of the features, to be set after ``describe``, before rows are asked for.
    sizes : ndarray of shape (n_structures,), int
        Number of rows of each structure.
    """

    def __init__(self, features, atoms_list, targets, weights, n_baseline):
        self._features, self._atoms, self.scale = features, atoms_list, None
        self._forces, self._stresses = targets.forces, targets.stresses
        self._known = [None if f is None else np.isfinite(f).all(axis=1) for f in targets.forces]
        self._n_baseline, self._weights = n_baseline, weights
        self.sizes = np.array(
            [
                (0 if known is None else 3 * known.sum()) + (0 if stress is None else 6)
                for known, stress in zip(self._known, self._stresses, strict=True)
            ]
        )
        self._loaded, self._derivatives = {}, {}

    def describe(self):
        """Features of all structures; the derivatives are kept if memory holds them all."""
        known = n_columns(self._features, self._atoms) if self.sizes.any() else 0
        if not known or not self._all_fit(known):
            return finite(self._features.transform(self._atoms))
        matrix = np.empty((len(self._atoms), known))
        for wanted, numbers in self._by_targets(np.arange(len(self._atoms))):
            whole = len(numbers) == len(self._atoms)
            subset = self._atoms if whole else [self._atoms[i] for i in numbers]
            if any(wanted):
                found = differentiate(self._features, subset, *wanted)
                matrix[numbers] = found.rows
                self._derivatives.update(self._each(numbers, found))
            else:
                matrix[numbers] = self._features.transform(subset)
        return finite(matrix)

    @property
    def rows_per_batch(self):
        """About so many rows fit in memory."""
        return max(1, blocks.EQUATION_BYTES // (8 * max(len(self.scale), 1)))

    def _all_fit(self, n_features):
        """Whether the rows of all structures may be kept."""
        return 8 * self.sizes.sum() * n_features <= blocks.CACHED_EQUATION_BYTES

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
        if missing and not self._all_fit(len(self.scale)):
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
        missing = [i for i in structures if i not in self._derivatives]
        for wanted, numbers in self._by_targets(missing):
            found = differentiate(self._features, [self._atoms[i] for i in numbers], *wanted)
            self._derivatives.update(self._each(numbers, found))
        return [self._rows_of(i, *self._derivatives.pop(i)) for i in structures]

    def _by_targets(self, structures):
        """Whether forces and stresses are known, and the structures of which this is so."""
        known = {
            i: (self._forces[i] is not None, self._stresses[i] is not None) for i in structures
        }
        for wanted in dict.fromkeys(known.values()):
            yield wanted, [i for i in structures if known[i] == wanted]

    @staticmethod
    def _each(numbers, found):
        """Pairs of the number of a structure, and its derivatives by positions and by strain."""
        moved = found.positions or [None] * len(numbers)
        strained = [None] * len(numbers) if found.strain is None else to_voigt(found.strain)
        return zip(numbers, zip(moved, strained, strict=True), strict=True)

    def _rows_of(self, index, gradients, strains):
        matrices, targets, kinds, weights = [], [], [], []
        if gradients is not None:
            known = self._known[index]
            n_rows = 3 * known.sum()
            # (atom, direction, feature) -> (known atom and direction, feature)
            matrices.append(-np.reshape(gradients[known], (n_rows, -1)))
            targets.append(self._forces[index][known].ravel())
            kinds.append(np.full(n_rows, FORCES))
            weights.append(np.full(n_rows, self._weights.forces[index]))
        if strains is not None:
            matrices.append(strains / self._weights.volumes[index])
            targets.append(self._stresses[index])
            kinds.append(np.full(6, STRESS))
            weights.append(self._weights.stresses[index] * _VOIGT_WEIGHTS)
        return self._assembled(index, matrices, targets, kinds, weights)

    def _assembled(self, index, matrices, targets, kinds, weights):
        n_features = len(self.scale)
        matrix = np.concatenate([np.zeros((0, n_features)), *matrices]) / self.scale
        weights = np.concatenate([np.zeros(0), *weights])
        return Rows(
            matrix * weights[:, None],
            np.concatenate([np.zeros(0), *targets]) * weights,
            np.zeros((len(weights), self._n_baseline)),
            np.full(len(weights), index),
            np.concatenate([np.zeros(0, dtype=int), *kinds]),
            weights,
        )
