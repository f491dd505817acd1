"""Scaling of feature columns."""

from numbers import Real
from typing import Self

import numpy as np
from ase import Atom, Atoms
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .base import CheckedWhenLoaded, Number, fit_context


class BlockScaler(CheckedWhenLoaded, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Divide every column by its size, but not by less than a share of the block's largest.

    Column j is divided by max(rms_j, floor * max_j rms_j). Full scaling of each column lets the
    nearly empty columns of rare elements explode; one factor for all drowns small far-field columns
    in the large local ones. Put one at the end of each branch of a FeatureUnion, whose
    ``transformer_weights`` then compare like with like.

    Parameters
    ----------
    floor : float, default=0.01
        Smallest divisor, as a share of the largest one. 1 is one factor for the whole block, 0
        scales each column by itself.
    with_mean : bool, default=False
        Whether to subtract the column means first; the sizes are then standard deviations.

    Attributes
    ----------
    scale_ : ndarray of shape (n_features,)
        Divisors; 1 for a block of zeros.
    mean_ : ndarray of shape (n_features,)
        Subtracted means; zeros without ``with_mean``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklode import BlockScaler
    >>> BlockScaler(floor=0.1).fit_transform(np.array([[10.0, 2.0, 0.5], [10.0, -2.0, 0.5]]))
    array([[ 1. ,  1. ,  0.5],
           [ 1. , -1. ,  0.5]])
    """

    _parameter_constraints = {
        "floor": [Number(Real, 0, 1, closed="both")],
        "with_mean": ["boolean"],
    }

    def __init__(self, floor: float = 0.01, *, with_mean: bool = False):
        self.floor = floor
        self.with_mean = with_mean

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn the scale of every column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : ignored
            For compatibility with pipelines.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If X holds structures.
        """
        _refuse_structures(X)
        rows = validate_data(self, X, dtype=(np.float64, np.float32))
        values = rows.astype(np.float64)
        mean = values.mean(axis=0) if self.with_mean else np.zeros(values.shape[1])
        sizes = np.sqrt(np.mean((values - mean) ** 2, axis=0))
        rounding = len(values) * np.finfo(rows.dtype).eps * abs(mean)  # of constant columns
        sizes[sizes <= rounding] = 0.0
        floored = np.maximum(sizes, self.floor * sizes.max())
        self.mean_ = mean.astype(rows.dtype)
        self.scale_ = np.where(floored > 0, floored, 1.0).astype(rows.dtype)
        return self

    def transform(self, X: ArrayLike) -> NDArray:
        """Scale the columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        _refuse_structures(X)
        rows = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        return (rows - self.mean_) / self.scale_

    def inverse_transform(self, X: ArrayLike) -> NDArray:
        """Undo the scaling.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Scaled features.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        return np.asarray(X) * self.scale_ + self.mean_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _refuse_structures(X):
    """Of which numpy would say something about shapes."""
    head = X.iloc[:1].to_numpy() if hasattr(X, "iloc") else X
    head = head.flat if isinstance(head, np.ndarray) else head
    first = next(iter(head), None) if isinstance(head, (list, tuple, np.flatiter)) else head
    if isinstance(first, (Atom, Atoms)):
        raise TypeError("X holds structures; put a transformer of structures before BlockScaler.")
