"""How far a structure is from what a ridge model has learnt."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, svd
from sklearn.pipeline import Pipeline

from .candidates import Data, Score

_QUANTILE = 0.95  # of the left-out structures count as known


@dataclass(frozen=True)
class Caution:
    """What is known of the rows of the fit, calibrated on rows that were left out.

    Attributes
    ----------
    mean : ndarray of shape (n_columns,)
        Of the rows of the fit.
    directions : ndarray of shape (n_columns, n_directions)
        In which the rows of the fit differ.
    values : ndarray of shape (n_directions,)
        Squared length of all rows of the fit in each direction.
    alpha : float
    noise : float
        Root mean square of left-out errors over the roots of their variances.
    limit : float
        Variance that 95 % of the left-out rows stay below.
    """

    mean: NDArray
    directions: NDArray
    values: NDArray
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
        basis, triangle = qr(rows.T, mode="economic")  # of rows, not their products: more digits
        directions, sizes, _ = svd(triangle, full_matrices=False)
        variances = np.concatenate([score.variances for score in left_out])
        errors = np.concatenate([score.errors for score in left_out])
        known = variances > 0
        noise = np.sqrt(np.mean(errors[known] ** 2 / variances[known])) if known.any() else np.nan
        limit = np.quantile(variances, _QUANTILE)
        values = np.square(sizes)
        return cls(mean, basis @ directions, values, alpha, float(noise), float(limit))

    def variances(self, rows: NDArray) -> NDArray:
        """The part of each row's squared length of which the fit knows nothing, eq. (9.2)."""
        rows = rows - self.mean
        along = rows @ self.directions
        rest = rows - along @ self.directions.T
        return np.einsum("sf,sf->s", rest, rest) + np.square(along) @ (
            self.alpha / (self.values + self.alpha)
        )
