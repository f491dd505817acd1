"""What a batch of structures adds to a fit, and the sums of it, without the rows themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator

from ..inputs.targets import element_counts
from ..ridge.compressed import CompressedRows, as_columns
from ..ridge.left_out import Fold, Streamed, tallies
from ..ridge.normal_equations import NormalEquations
from ..ridge.solvers import PrimalRidge, Solution
from .equations import KINDS, GradientRows, Weights, energy_rows
from .survey import read_all, refuse_others, targets_of

COMMON = -1  # the bin of structures that no bin of their own needs


@dataclass(frozen=True)
class Task:
    """A batch of structures with what is known of them.

    Attributes
    ----------
    batch : Batch
    digests : bytes
        What those of its structures were when the source was read first.
    sample_weight : ndarray of shape (n_structures,)
    bins : ndarray of shape (n_structures,), int
        Structures of one bin are left out together, or COMMON.
    folds : list of Fold
        Left out one after the other, by places in the batch.
    """

    batch: object
    digests: bytes
    sample_weight: np.ndarray
    bins: np.ndarray
    folds: list[Fold]


@dataclass(frozen=True)
class RowsOfBatch:
    """How a batch becomes rows.

    Parameters
    ----------
    features : estimator
        Fitted.
    numbers : ndarray of shape (n_baseline,), int
        Elements that have a baseline.
    force_weight, stress_weight, energy_per_atom, missing_forces
        As of AtomisticRidgeCV.
    """

    features: BaseEstimator
    numbers: np.ndarray
    force_weight: float
    stress_weight: float
    energy_per_atom: bool
    missing_forces: str

    def __call__(self, task, scale=None):
        """Rows of energies, a stream of the others, and features, all divided by a scale."""
        refuse_others(task.batch.records, task.digests)
        atoms_list = read_all(task.batch.records)
        targets = targets_of(task.batch.records, atoms_list, self.missing_forces)
        own = self.force_weight, self.stress_weight
        targets = targets.counted(task.sample_weight, *own)
        weights = Weights.of(atoms_list, task.sample_weight, *own, self.energy_per_atom)
        counts = element_counts(atoms_list, self.numbers)[1]
        stream = GradientRows(self.features, atoms_list, targets, weights, len(self.numbers))
        matrix = stream.describe()
        stream.scale = np.ones(matrix.shape[1]) if scale is None else scale
        rows = energy_rows(matrix / stream.scale, counts, targets.energies, weights)
        return rows, stream, matrix


class Sums:
    """Sums over structures, bin by bin.

    Parameters
    ----------
    n_features, n_baseline : int

    Attributes
    ----------
    squares : ndarray of shape (n_features,)
        Of the features, with the weights of the structures.
    """

    def __init__(self, n_features, n_baseline):
        self._shape, self.squares = (n_features, n_baseline), np.zeros(n_features)
        self._energies, self._others = {}, {}

    def merge(self, part):
        """Add the sums of a batch."""
        self.squares = self.squares + part.squares
        for number, rows in part.energies.items():
            self._bin(self._energies, number).add(rows)
        for number, equations in part.others.items():
            self._others[number] = self._bin(self._others, number).plus(equations)

    def _bin(self, bins, number):
        if number not in bins:
            n_features, n_baseline = self._shape
            n_columns = n_features + n_baseline + 1
            energies = bins is self._energies
            bins[number] = CompressedRows(n_columns) if energies else NormalEquations(n_features)
        return bins[number]

    def ridge(self, scale, without=None):
        """Fit of all bins, or of all but one.

        Parameters
        ----------
        scale : ndarray of shape (n_features,)
        without : int or None

        Returns
        -------
        PrimalRidge
        """
        n_features, n_baseline = self._shape
        energies, others = CompressedRows(n_features + n_baseline + 1), NormalEquations(n_features)
        for number in sorted(self._energies):
            if number != without:
                energies.add(self._energies[number].settle().rows)
        for number in sorted(self._others):
            if number != without:
                others = others.plus(self._others[number])
        return PrimalRidge(energies.scaled(n_baseline, scale), others.scaled(scale))

    def state(self):
        """All sums as arrays by name; nothing is added up for it, which would change the bits."""
        found = {"squares": self.squares}
        for number, rows in self._energies.items():
            found[f"energies {number}"] = rows.rows
            found[f"waiting {number}"] = rows.waiting
        for number, equations in self._others.items():
            found[f"lower {number}"] = equations.lower
            found[f"moments {number}"] = equations.moments
        return found

    def restore(self, state):
        """Go on from what ``state`` gave."""
        self.squares = state["squares"]
        for name, array in state.items():
            kind, _, number = name.partition(" ")
            if kind == "energies":
                rows = self._bin(self._energies, int(number))
                rows.rows = array
                rows.add(state[f"waiting {number}"])
            if kind == "lower":
                equations = self._bin(self._others, int(number))
                equations.lower = np.asfortranarray(array)
                equations.moments = state[f"moments {number}"]


@dataclass(frozen=True)
class PartSums:
    """What one batch adds to Sums."""

    squares: np.ndarray
    energies: dict
    others: dict


@dataclass(frozen=True)
class Accumulate:
    """First pass: the sums of a batch."""

    rows_of: RowsOfBatch

    def __call__(self, task):
        """Sums of the structures of a task, as PartSums."""
        rows, stream, matrix = self.rows_of(task)
        columns, energies, others = as_columns(rows), {}, {}
        for number in np.unique(task.bins):
            members = np.flatnonzero(task.bins == number)
            own = np.isin(rows.owners, members)
            if own.any():
                compressed = CompressedRows(columns.shape[1]).add(columns[own])
                energies[int(number)] = compressed.settle().rows
            for batch in stream.batches(members):
                part = stream(batch)
                equations = others.setdefault(int(number), NormalEquations(matrix.shape[1]))
                equations.add(part.matrix, part.targets)
        return PartSums(task.sample_weight @ matrix**2, energies, others)


@dataclass(frozen=True)
class LeaveOut:
    """Second pass: left-out residuals of a batch.

    Parameters
    ----------
    rows_of : RowsOfBatch
    scale : ndarray of shape (n_features,)
    ridge : PrimalRidge
        Of all structures.
    solutions : dict of int to Solution
        Of all structures but those of a bin.
    alphas : ndarray of shape (n_alphas,)
    """

    rows_of: RowsOfBatch
    scale: np.ndarray
    ridge: PrimalRidge
    solutions: dict[int, Solution]
    alphas: np.ndarray

    def __call__(self, task):
        """Tallies of the rows that count, and of those whose baseline is not determined."""
        rows, stream, _ = self.rows_of(task, self.scale)
        part = Streamed.part_of(self.ridge, rows, stream)

        def left_out(structures, alphas):
            number = int(task.bins[structures[0]])
            if number == COMMON:
                return part.left_out(structures, alphas)
            return part.predicted_by(self.solutions[number], structures, alphas)

        return tallies(left_out, stream, task.folds, self.alphas, len(KINDS))


def local_folds(folds: Sequence[Fold], start: int, stop: int) -> list[Fold]:
    """Parts of folds among the structures from ``start`` to ``stop``, by places from there on."""

    def inside(structures):
        first, last = np.searchsorted(structures, [start, stop])
        return structures[first:last] - start

    pairs = [(inside(fold.left_out), inside(fold.tested)) for fold in folds]
    return [Fold(*pair) for pair in pairs if len(pair[1])]
