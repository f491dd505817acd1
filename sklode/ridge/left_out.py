"""Leaving structures out of a ridge: what cross-validation needs, without refits where possible."""

from dataclasses import dataclass, replace

import numpy as np

from .normal_equations import NormalEquations, stack
from .solvers import DualRidge, PrimalRidge

_REFIT = 5.0  # cost of an eigendecomposition, in cubes of the number of columns


@dataclass(frozen=True)
class Fold:
    """Structures left out of a fit, and those of them whose residuals count.

    Attributes
    ----------
    left_out, tested : ndarray of int
    """

    left_out: np.ndarray
    tested: np.ndarray


class InMemory:
    """The dual ridge, with all rows at hand.

    Parameters
    ----------
    rows : Rows
        One row a structure at most, with counts.
    stream : callable
        Rows without counts of given structures; with ``sizes``, their number for each structure,
        and ``batches(structures)``, parts of them that fit in memory.
    """

    def __init__(self, rows, stream):
        self._rows = stack([rows, stream(np.arange(len(stream.sizes)))])
        self._ridge = DualRidge(self._rows)
        self.solution = self._ridge.solution

    def left_out(self, structures, alphas):
        """Rows of structures, without matrix, and residuals and variances in a fit without them."""
        own = np.isin(self._rows.owners, structures)
        rows = self._rows.take(own)
        found = self._ridge.left_out(np.flatnonzero(own), alphas)
        if found is None:
            found = _predicted(DualRidge(self._rows.take(~own)).solution, rows, alphas)
        return _without_matrix(rows), *found


class Streamed:
    """The primal ridge, rows computed when needed.

    Parameters
    ----------
    rows, stream
        As those of InMemory.
    """

    def __init__(self, rows, stream):
        self._rows, self._stream = rows, stream
        self._position = _positions(rows, stream)
        self._others = self._equations(np.arange(len(stream.sizes)))
        self._ridge = PrimalRidge(rows, self._others)
        self.solution = self._ridge.solution

    @classmethod
    def part_of(cls, ridge, rows, stream):
        """A fit of many rows, as far as some of its structures are left out.

        The rest must determine the baseline.

        Parameters
        ----------
        ridge : PrimalRidge
            Of all rows.
        rows, stream
            Of the structures at hand.
        """
        part = cls.__new__(cls)
        part._rows, part._stream, part._others = rows, stream, None
        part._position = _positions(rows, stream)
        part._ridge = ridge.seen_by(rows)
        part.solution = ridge.solution
        return part

    def _equations(self, structures):
        equations = NormalEquations(self._rows.matrix.shape[1])
        for batch in self._stream.batches(structures):
            others = self._stream(batch)
            equations.add(others.matrix, others.targets)
        return equations

    def left_out(self, structures, alphas):
        """Rows of structures, without matrix, and residuals and variances in a fit without them."""
        index = self._position[structures]
        index = index[index >= 0]
        n_rows = len(index) + self._stream.sizes[structures].sum()
        n_columns = self._rows.matrix.shape[1]
        # a matrix of the fold for every alpha, or one eigendecomposition of a fit without it
        if len(alphas) * n_rows**2 * (n_rows + n_columns) < _REFIT * n_columns**3:
            others = self._stream(structures)
            found = self._ridge.left_out(index, others, alphas)
            if found is not None:
                return _without_matrix(stack([self._rows.take(index), others])), *found
        return self._refitted(structures, index, alphas)

    def _refitted(self, structures, index, alphas):
        """Without the closed form, which costs more than a fit for many rows."""
        others = self._equations(structures)
        solution = self._ridge.without(index, others)
        if solution is None:
            rest = np.delete(np.arange(len(self._rows)), index)
            solution = PrimalRidge(self._rows.take(rest), self._others.minus(others)).solution
        return self.predicted_by(solution, structures, alphas)

    def predicted_by(self, solution, structures, alphas):
        """What ``left_out`` gives, of a fit that has none of these structures."""
        index = self._position[structures]
        rows = self._rows.take(index[index >= 0])
        parts = [(_without_matrix(rows), *_predicted(solution, rows, alphas))]
        for batch in self._stream.batches(structures):
            rows = self._stream(batch)
            parts.append((_without_matrix(rows), *_predicted(solution, rows, alphas)))
        labels, residuals, variances = zip(*parts, strict=True)
        return stack(labels), np.concatenate(residuals, axis=1), np.concatenate(variances, axis=1)


def _positions(rows, stream):
    """Row of each structure, -1 without."""
    positions = np.full(len(stream.sizes), -1)
    positions[rows.owners] = np.arange(len(rows))
    return positions


def _predicted(solution, rows, alphas):
    coefficients, baselines = solution.coefficients(alphas)
    residuals = rows.targets - coefficients @ rows.matrix.T - baselines @ rows.counts.T
    return residuals, 1.0 + solution.leverages(rows.matrix, rows.counts, alphas)


def _without_matrix(rows):
    return replace(rows, matrix=rows.matrix[:, :0])


class Tally:
    """Sums of squares of left-out residuals, for each alpha.

    Parameters
    ----------
    n_alphas, n_kinds : int

    Attributes
    ----------
    counts : ndarray of shape (n_kinds,)
        How many rows count.
    n_undetermined : int
        How many do not count beside those, since the rest does not determine their baseline.
    """

    def __init__(self, n_alphas, n_kinds):
        self.n_undetermined = 0
        self.counts = np.zeros(n_kinds, dtype=int)
        self._weighted = np.zeros((n_alphas, n_kinds))
        self._plain = np.zeros((n_alphas, n_kinds))
        self._relative = np.zeros((n_alphas, n_kinds))

    def add(self, rows, residuals, variances):
        """Count rows with their residuals and variances, of shape (n_alphas, n_rows)."""
        for kind in np.unique(rows.kinds):
            own = rows.kinds == kind
            squares = residuals[:, own] ** 2
            self.counts[kind] += own.sum()
            self._weighted[:, kind] += squares.sum(axis=1)
            self._plain[:, kind] += (squares / rows.weights[own] ** 2).sum(axis=1)
            self._relative[:, kind] += (squares / variances[:, own]).sum(axis=1)

    def state(self):
        """All sums in one array, for ``restored``."""
        counts = np.repeat(self.counts[None].astype(float), len(self._weighted), axis=0)
        return np.stack([counts, self._weighted, self._plain, self._relative])

    @classmethod
    def restored(cls, state):
        """Make a tally of what ``state`` gave, of shape (4, n_alphas, n_kinds)."""
        tally = cls(*state.shape[1:])
        tally.counts = state[0, 0].astype(int)
        _, tally._weighted, tally._plain, tally._relative = state
        return tally

    def merge(self, other):
        """Count the rows of another tally too."""
        self.counts = self.counts + other.counts
        self._weighted = self._weighted + other._weighted
        self._plain = self._plain + other._plain
        self._relative = self._relative + other._relative
        return self

    def objective(self):
        """Root mean square of the weighted residuals: (n_alphas,)."""
        return np.sqrt(self._weighted.sum(axis=1) / self.counts.sum())

    def errors(self, kind):
        """Root mean square error of one kind in its units: (n_alphas,)."""
        return np.sqrt(self._plain[:, kind] / self.counts[kind])

    def noise(self):
        """Size of the noise of a row of weight 1: (n_alphas,).

        From the rows of kind 0, for whose predictions it is meant, if there are any.
        """
        kinds = slice(0, 1) if self.counts[0] else slice(None)
        return np.sqrt(self._relative[:, kinds].sum(axis=1) / self.counts[kinds].sum())


def cross_validate(ridge, stream, folds, alphas, n_kinds):
    """Leave every fold out once.

    Parameters
    ----------
    ridge : InMemory or Streamed
    stream : callable
        That of the ridge.
    folds : list of Fold
    alphas : ndarray of shape (n_alphas,)
    n_kinds : int

    Returns
    -------
    Tally
        See ``judged``.
    """
    return judged(*tallies(ridge.left_out, stream, folds, alphas, n_kinds))


def judged(tally, undetermined):
    """The tally to judge by.

    Parameters
    ----------
    tally, undetermined : Tally
        Of rows whose baseline the rest determines, and of the others.

    Returns
    -------
    Tally
        Of the former: without the others of an element, its energy would count as an error. Of all
        rows, with a noise of NaN, if there are no such.
    """
    if not tally.counts.any():
        return undetermined
    tally.n_undetermined = undetermined.counts.sum()
    return tally


def tallies(left_out, stream, folds, alphas, n_kinds):
    """Tallies of left-out rows whose baseline the rest determines, and of the others.

    Parameters
    ----------
    left_out : callable
        That of a ridge.
    stream, folds, alphas, n_kinds
        As of ``cross_validate``.
    """
    tally, undetermined = Tally(len(alphas), n_kinds), Tally(len(alphas), n_kinds)
    for pack in _packs(folds, stream):
        if len(pack) > 1:
            stream.load(np.concatenate([fold.left_out for fold in pack]))
        for fold in pack:
            rows, residuals, variances = left_out(fold.left_out, alphas)
            tested = np.isin(rows.owners, fold.tested)
            known = np.isfinite(variances[0])
            own = tested & known
            tally.add(rows.take(own), residuals[:, own], variances[:, own])
            own = tested & ~known
            if own.any():
                undetermined.add(rows.take(own), residuals[:, own], np.nan * residuals[:, own])
    return tally, undetermined


def _packs(folds, stream):
    """Folds together whose rows fit in memory: small batches of gradients are slow."""
    pack, size = [], 0
    for fold in folds:
        rows = stream.sizes[fold.left_out].sum()
        if pack and size + rows > stream.rows_per_batch:
            yield pack
            pack, size = [], 0
        pack.append(fold)
        size += rows
    if pack:
        yield pack
