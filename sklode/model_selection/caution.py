"""How far a structure is from what a ridge model has learnt."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, svd
from sklearn.pipeline import Pipeline

from .candidates import Data, Score

_QUANTILE = 0.95  # of the left-out structures count as known
_SHARES = np.logspace(-12, 0, 241)  # of the noise in a squared error, that are tried


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
        Standard deviation of errors, beside what the variances say.
    width : float
        Of the prior: errors of a variance of 1, beside the noise.
    limit : float
        Variance that 95 % of the left-out rows stay below.
    """

    mean: NDArray
    directions: NDArray
    values: NDArray
    alpha: float
    noise: float
    width: float
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
        limit = np.quantile(variances, _QUANTILE)
        noise, width = noise_and_width(errors, variances)
        values = np.square(sizes)
        return cls(mean, basis @ directions, values, alpha, noise, width, float(limit))

    def error_bars(self, variances: NDArray, spread: NDArray) -> NDArray:
        """Expected errors, eq. (9.3), of structures with these variances and spreads."""
        return np.sqrt(self.noise**2 + self.width**2 * variances + spread**2)

    def variances(self, rows: NDArray) -> NDArray:
        """The part of each row's squared length of which the fit knows nothing, eq. (9.2)."""
        rows = rows - self.mean
        along = rows @ self.directions
        rest = rows - along @ self.directions.T
        return np.einsum("sf,sf->s", rest, rest) + np.square(along) @ (
            self.alpha / (self.values + self.alpha)
        )


def noise_and_width(errors: NDArray, variances: NDArray) -> tuple[float, float]:
    """Most likely noise and width of the prior, eq. (9.3), of left-out errors.

    Parameters
    ----------
    errors, variances : ndarray of shape (n_structures,)

    Returns
    -------
    noise, width : float
    """
    squares, shapes = errors**2, variances / (variances.mean() or 1.0)

    def by_variance(share):
        """Squared errors over what is expected, up to a factor."""
        return share + (1.0 - share) * shapes

    def minus_log_likelihood(share):
        """With the best factor."""
        expected = by_variance(share)
        return np.log(np.mean(squares / expected)) + np.mean(np.log(expected))

    share = min(_SHARES, key=minus_log_likelihood)
    factor = np.mean(squares / by_variance(share))
    scale = variances.mean() or np.inf
    return float(np.sqrt(share * factor)), float(np.sqrt((1.0 - share) * factor / scale))
