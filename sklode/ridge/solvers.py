"""Ridge regression on rows of several kinds beside columns that bear no penalty.

The model of a row is ``matrix @ coefficients + counts @ baseline``. The coefficients are penalised
by alpha times their squared norm, the baseline is not; where the rows do not determine it, it is
the one of smallest norm. One eigendecomposition serves all alphas.
"""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import eigh

from ..physics import blocks

_RANK_TOLERANCE = 1e-10
_ROUNDING = 16 * np.finfo(float).eps  # of the eigenvalues, relative to the largest


@dataclass(frozen=True)
class Solution:
    """The ridge for all alphas at once.

    Attributes
    ----------
    vectors : ndarray of shape (n_features, n_kept)
        Orthonormal directions in the space of coefficients.
    values : ndarray of shape (n_kept,)
        Eigenvalues of the normal equations along them, the baseline projected out.
    moments : ndarray of shape (n_kept,)
        Right-hand sides along them.
    offset : ndarray of shape (n_baseline,)
        Baseline of coefficients that are zero.
    coupling : ndarray of shape (n_baseline, n_features)
        The baseline is ``offset - coupling @ coefficients``.
    count_covariance : ndarray of shape (n_baseline, n_baseline)
        Pseudo-inverse of counts^T counts.
    undetermined : ndarray of shape (n_baseline, n_baseline)
        Projector on the baselines of which no row tells.
    """

    vectors: np.ndarray
    values: np.ndarray
    moments: np.ndarray
    offset: np.ndarray
    coupling: np.ndarray
    count_covariance: np.ndarray
    undetermined: np.ndarray

    def shrinkage(self, alphas):
        """1 / (eigenvalue + alpha), alpha not below rounding: (n_alphas, n_kept)."""
        return 1.0 / (self.values + self.effective(alphas)[:, None])

    def effective(self, alphas):
        """The alphas, raised to the rounding errors of the eigenvalues: (n_alphas,)."""
        return np.maximum(np.atleast_1d(alphas), _ROUNDING * self.values.max(initial=0.0))

    def coefficients(self, alphas):
        """Coefficients (n_alphas, n_features) and baselines (n_alphas, n_baseline)."""
        coefficients = (self.shrinkage(alphas) * self.moments) @ self.vectors.T
        return coefficients, self.offset - coefficients @ self.coupling.T

    def leverages(self, matrix, counts, alphas):
        """Variances of predictions, in units of the variance of a row of weight 1.

        Parameters
        ----------
        matrix : ndarray of shape (n_rows, n_features)
        counts : ndarray of shape (n_rows, n_baseline)
        alphas : float or ndarray of shape (n_alphas,)

        Returns
        -------
        ndarray of shape (n_alphas, n_rows)
            Infinite where the baseline is not determined.
        """
        rest = matrix - counts @ self.coupling
        along = (rest @ self.vectors) ** 2
        variances = self.shrinkage(alphas) @ along.T
        if self.vectors.shape[1] < self.vectors.shape[0]:  # directions of which no row tells
            across = np.einsum("rf,rf->r", rest, rest) - along.sum(axis=1)
            variances += np.maximum(across, 0.0) / self.effective(alphas)[:, None]
        variances += np.einsum("rb,bc,rc->r", counts, self.count_covariance, counts)
        outside = np.linalg.norm(counts @ self.undetermined, axis=1)
        variances[:, outside > 1e-6 * np.linalg.norm(counts, axis=1)] = np.inf
        return variances


@dataclass(frozen=True)
class Baseline:
    """The space of the columns without penalty.

    Attributes
    ----------
    basis : ndarray of shape (n_rows, rank)
        Orthonormal basis of the columns.
    to_columns : ndarray of shape (n_baseline, rank)
        From coefficients of the basis to those of the columns, of smallest norm.
    """

    basis: np.ndarray
    to_columns: np.ndarray

    @classmethod
    def of(cls, counts):
        """From the columns, of shape (n_rows, n_baseline)."""
        if counts.size == 0:
            return cls(np.zeros((len(counts), 0)), np.zeros((counts.shape[1], 0)))
        left, sizes, right = np.linalg.svd(counts, full_matrices=False)
        kept = sizes > _RANK_TOLERANCE * sizes.max(initial=0.0)
        return cls(left[:, kept], right[kept].T / sizes[kept])

    @property
    def inverse(self):
        """Pseudo-inverse of the columns: (n_baseline, n_rows)."""
        return self.to_columns @ self.basis.T

    def project_out(self, array):
        """Project the columns of an array on what the baseline cannot express."""
        return array - self.basis @ (self.basis.T @ array)

    def complement(self):
        """Orthonormal basis of all else: (n_rows, n_rows - rank)."""
        rank = self.basis.shape[1]
        return np.linalg.qr(self.basis, mode="complete")[0][:, rank:]

    def determined_without(self, index):
        """Whether the rank stays the same without some of the rows."""
        cosines = np.linalg.norm(self.basis[index], ord=2) if self.basis[index].size else 0.0
        return 1.0 - cosines**2 > 1e-8

    def solution(self, rows, vectors, values, moments):
        """A Solution from an eigendecomposition of the projected rows."""
        inverse = self.inverse
        return Solution(
            vectors,
            values,
            moments,
            inverse @ rows.targets,
            inverse @ rows.matrix,
            inverse @ inverse.T,
            np.eye(rows.counts.shape[1]) - inverse @ rows.counts,
        )


class PrimalRidge:
    """Ridge from the normal equations: for more rows than features.

    Parameters
    ----------
    rows : Rows
        All rows with counts; kept.
    others : NormalEquations
        Sum over the rows without counts.
    """

    def __init__(self, rows, others):
        self._baseline = Baseline.of(rows.counts)
        matrix = self._baseline.project_out(rows.matrix)
        self._targets = self._baseline.project_out(rows.targets)
        self._equations = others.copy().add(matrix, self._targets)
        values, vectors = self._equations.eigen()
        self._along = matrix @ vectors
        self._shared = self._baseline.basis.T @ rows.matrix, self._baseline.basis.T @ rows.targets
        moments = vectors.T @ self._equations.moments
        self.solution = self._baseline.solution(rows, vectors, values, moments)

    def seen_by(self, rows):
        """The same fit, for leaving out rows that it was made from, whatever stood for them.

        Parameters
        ----------
        rows : Rows
            Some of the rows with counts; numbers of rows are those of these.

        Returns
        -------
        PrimalRidge
        """
        other, (matrix, targets) = copy(self), self._shared
        basis = rows.counts @ self._baseline.to_columns
        other._baseline = Baseline(basis, self._baseline.to_columns)
        other._along = (rows.matrix - basis @ matrix) @ self.solution.vectors
        other._targets = rows.targets - basis @ targets
        return other

    def left_out(self, index, others, alphas):
        """Residuals of rows in fits without them, and their variances in units of the noise.

        Parameters
        ----------
        index : ndarray of int
            The rows with counts to leave out.
        others : Rows
            The rows without counts to leave out.
        alphas : ndarray of shape (n_alphas,)

        Returns
        -------
        residuals, variances : ndarray of shape (n_alphas, n_left_out)
            Rows with counts first. None if the baseline needs these rows, or alpha is so small
            that the inverse is lost to rounding.
        """
        if not self._baseline.determined_without(index):
            return None
        along = np.concatenate([self._along[index], others.matrix @ self.solution.vectors])
        targets = np.concatenate([self._targets[index], others.targets])
        basis = np.zeros((len(targets), self._baseline.basis.shape[1]))
        basis[: len(index)] = self._baseline.basis[index]
        complement = np.eye(len(targets)) - basis @ basis.T
        shrinkage = self.solution.shrinkage(alphas)
        residuals = targets - (shrinkage * self.solution.moments) @ along.T
        return _left_out(residuals, lambda part: complement - _gram(along, shrinkage[part]))

    def without(self, index, others):
        """Solution of the fit without some rows, at a cost that does not grow with the others.

        Parameters
        ----------
        index : ndarray of int
            The rows with counts to leave out.
        others : NormalEquations
            Sum over the rows without counts to leave out.

        Returns
        -------
        Solution
            None if the baseline needs these rows.
        """
        if not self._baseline.determined_without(index):
            return None
        basis, to_columns = self._baseline.basis[index], self._baseline.to_columns
        # of the basis Q, orthonormal over all rows, the rest keeps R^T R = 1 - Q_G^T Q_G:
        # without the rows G, Q_G^T of each array has to move from them to the others
        covariance = np.linalg.inv(np.eye(basis.shape[1]) - basis.T @ basis)
        root = np.linalg.cholesky(covariance)
        matrix = self._along[index] @ self.solution.vectors.T
        targets = self._targets[index]
        shared, shared_targets = basis.T @ matrix, basis.T @ targets
        left_out = others.copy().add(matrix, targets).add(root.T @ shared, root.T @ shared_targets)
        equations = self._equations.minus(left_out)
        values, vectors = equations.eigen()
        return replace(
            self.solution,
            vectors=vectors,
            values=values,
            moments=vectors.T @ equations.moments,
            offset=self.solution.offset - to_columns @ covariance @ shared_targets,
            coupling=self.solution.coupling - to_columns @ covariance @ shared,
            count_covariance=to_columns @ covariance @ to_columns.T,
        )


class DualRidge:
    """Ridge from the products of rows: for fewer rows than features.

    Parameters
    ----------
    rows : Rows
        All rows, with counts or without.
    """

    def __init__(self, rows):
        self._baseline = Baseline.of(rows.counts)
        matrix = self._baseline.project_out(rows.matrix)
        targets = self._baseline.project_out(rows.targets)
        others = self._baseline.complement()
        reduced = others.T @ matrix
        values, vectors = eigh(reduced @ reduced.T, driver="evd", check_finite=False)
        self._values = np.maximum(values, 0.0)
        self._vectors = others @ vectors
        self._moments = self._vectors.T @ targets
        self.solution = self._in_features(rows, matrix)

    def _in_features(self, rows, matrix):
        used = self._values > _ROUNDING * self._values.max(initial=0.0)
        sizes = np.sqrt(self._values[used])
        vectors = matrix.T @ (self._vectors[:, used] / sizes)
        moments = sizes * self._moments[used]
        return self._baseline.solution(rows, vectors, self._values[used], moments)

    def left_out(self, index, alphas):
        """Residuals of rows in fits without them, and their variances in units of the noise.

        Parameters
        ----------
        index : ndarray of int
            The rows to leave out.
        alphas : ndarray of shape (n_alphas,)

        Returns
        -------
        residuals, variances : ndarray of shape (n_alphas, n_left_out)
            None if the baseline needs these rows.
        """
        if not self._baseline.determined_without(index):
            return None
        alphas = self.solution.effective(alphas)[:, None]
        roots = np.sqrt(alphas / (self._values + alphas))
        along = self._vectors[index].T
        n_rows, n_left_out = along.shape
        if n_rows < n_left_out:
            return None
        step = max(1, blocks.LEFT_OUT_NUMBERS // max(along.size, 1))
        residuals, variances = np.empty((2, len(alphas), n_left_out))
        for start in range(0, len(alphas), step):
            part = slice(start, start + step)
            # of 1 - H = R^T R, since its small eigenvalues are lost to rounding long before R's
            orthogonal, triangle = np.linalg.qr(roots[part, :, None] * along)
            if not np.diagonal(triangle, axis1=1, axis2=2).all():
                return None
            inverse = np.linalg.inv(triangle)
            moments = (roots[part] * self._moments)[:, None] @ orthogonal
            residuals[part] = np.einsum("aij,aj->ai", inverse, moments[:, 0])
            variances[part] = np.einsum("aij,aij->ai", inverse, inverse)
        return residuals, variances


def _gram(along, factors):
    """Products along diag(factors) along^T for several factors: (n_factors, n_rows, n_rows)."""
    return (factors[:, None, :] * along) @ along.T


def _left_out(residuals, complement):
    """(1 - H)^-1 residuals and the diagonal of the inverse, some alphas at a time."""
    n_alphas, n_rows = residuals.shape
    step = max(1, blocks.LEFT_OUT_NUMBERS // max(n_rows, 1) ** 2)
    left_out, variances = np.empty_like(residuals), np.empty_like(residuals)
    for start in range(0, n_alphas, step):
        part = slice(start, start + step)
        try:
            inverse = np.linalg.inv(complement(part))
        except np.linalg.LinAlgError:
            return None
        left_out[part] = np.einsum("aij,aj->ai", inverse, residuals[part])
        variances[part] = np.diagonal(inverse, axis1=1, axis2=2)
    return (left_out, variances) if (variances > 0).all() else None
