"""How far a structure is from what a ridge model has learnt."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from sklearn.pipeline import Pipeline

from .candidates import Data, Score

_QUANTILE = 0.95  # of the left-out structures count as known


@dataclass(frozen=True)
class Caution:
    """What is known of the rows of the fit, calibrated on rows that were left out.

    Attributes
    ----------
    rows : ndarray of shape (n_train, n_columns)
        Weighted rows of the fit, without their mean.
    mean : ndarray of shape (n_columns,)
    root : ndarray
        Lower Cholesky factor of the smaller one of the two Gram matrices plus alpha.
    alpha : float
    noise : float
        Root mean square of left-out errors over the roots of their variances.
    limit : float
        Variance that 95 % of the left-out rows stay below.
    """

    rows: NDArray
    mean: NDArray
    root: NDArray
    alpha: float
    noise: float
    limit: float

    @classmethod
    def of(cls, fitted: Pipeline, data: Data, left_out: Sequence[Score]) -> "Caution | None":
        """From a fitted model and its scores on left-out structures; None if it is no ridge."""
        if left_out[0].variances is None:
            return None
        alpha = fitted[-1].alpha
        matrix = np.asarray(fitted[:-1].transform(data.structures), dtype=float)
        weights = np.ones(len(matrix)) if data.weights is None else data.weights
        mean = np.average(matrix, axis=0, weights=weights) * fitted[-1].fit_intercept
        rows = (matrix - mean) * np.sqrt(weights)[:, None]
        small = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
        small[np.diag_indices(len(small))] += alpha
        variances = np.concatenate([score.variances for score in left_out])
        errors = np.concatenate([score.errors for score in left_out])
        known = variances > 0
        noise = np.sqrt(np.mean(errors[known] ** 2 / variances[known])) if known.any() else np.nan
        limit = np.quantile(variances, _QUANTILE)
        return cls(rows, mean, np.linalg.cholesky(small), alpha, float(noise), float(limit))

    def variances(self, rows: NDArray) -> NDArray:
        """The part of each row's squared length of which the fit knows nothing, eq. (9.2)."""
        rows = rows - self.mean
        lengths = np.einsum("sf,sf->s", rows, rows)
        if self.rows.shape[0] <= self.rows.shape[1]:
            cross = rows @ self.rows.T
            known = np.einsum("st,ts->s", cross, cho_solve((self.root, True), cross.T))
            return np.maximum(lengths - known, 0.0)
        return self.alpha * np.einsum("sf,fs->s", rows, cho_solve((self.root, True), rows.T))
