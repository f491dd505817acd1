"""Ridge regression from products of rows: all alphas, and all weights of blocks, at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, qr, svd

# Rounding errors of products, in units of alpha, from which on rows are decomposed themselves: they
# keep twice the digits, in twice the time. Baselines of large weight need it.
_COARSE = 1e-6


@dataclass(frozen=True)
class Block:
    """Columns of a model, for the rows that it is fitted to and for those that it predicts.

    Attributes
    ----------
    train : ndarray of shape (n_train, n_columns)
    test : ndarray of shape (n_test, n_columns)
    products : ndarray of shape (n_train, n_train)
        Scalar products of the rows.
    cross : ndarray of shape (n_test, n_train)
    squares : ndarray of shape (n_test,)
        Squared lengths of the rows to predict.
    """

    train: NDArray
    test: NDArray
    products: NDArray
    cross: NDArray
    squares: NDArray

    @classmethod
    def of(cls, train: NDArray, test: NDArray) -> "Block":
        """From the rows."""
        squares = np.einsum("tf,tf->t", test, test)
        return cls(train, test, train @ train.T, test @ train.T, squares)


def centered(
    train: NDArray, test: NDArray, weights: NDArray, with_mean: bool
) -> tuple[NDArray, NDArray]:
    """Rows without the mean of those of the fit, which are then weighted.

    Parameters
    ----------
    train : ndarray of shape (n_train, ...)
    test : ndarray of shape (n_test, ...)
    weights : ndarray of shape (n_train,)
        Of the squared errors.
    with_mean : bool
        Whether a constant is fitted too, which takes up the mean.
    """
    if with_mean:
        mean = np.average(train, axis=0, weights=weights)
        train, test = train - mean, test - mean
    roots = np.sqrt(weights)
    return train * roots.reshape(-1, *[1] * (train.ndim - 1)), test


def ridge_path(
    blocks: Sequence[Block], factors: Sequence[float], targets: NDArray, alphas: NDArray
) -> tuple[NDArray, NDArray]:
    """Predictions of the fits for all alphas, and their variances, eqs. (9.1) and (9.2).

    Parameters
    ----------
    blocks : sequence of Block
    factors : sequence of float
        By which the columns of each block are multiplied.
    targets : ndarray of shape (n_train,)
    alphas : ndarray of shape (n_alphas,)
        Positive.

    Returns
    -------
    predictions : ndarray of shape (n_alphas, n_test)
    variances : ndarray of shape (n_alphas, n_test)
        The part of a row's squared length of which the fit knows nothing: that of Bayesian
        regression, for a prior of unit width.
    """
    squares = np.square(factors)
    few_columns = sum(block.train.shape[1] for block in blocks) < len(targets)
    size = sum(f * np.trace(block.products) for f, block in zip(squares, blocks, strict=True))
    is_coarse = np.finfo(float).eps * size > _COARSE * alphas.min()
    if few_columns or is_coarse:
        train = np.hstack([f * b.train for f, b in zip(factors, blocks, strict=True)])
        test = np.hstack([f * b.test for f, b in zip(factors, blocks, strict=True)])
        values, vectors, moments = _directions(train, targets, is_coarse)
        shrunk = 1.0 / (np.maximum(values, 0.0) + alphas[:, None])  # alpha, direction
        along = test @ vectors  # test, direction
        rest = test - along @ vectors.T  # formed first: lengths may be 1e15 of these
        unknown = alphas[:, None] * shrunk @ np.square(along).T
        variances = np.einsum("tf,tf->t", rest, rest) + unknown
    else:
        products = sum(f * block.products for f, block in zip(squares, blocks, strict=True))
        cross = sum(f * block.cross for f, block in zip(squares, blocks, strict=True))
        values, vectors = eigh(products, driver="evd", check_finite=False)
        shrunk = 1.0 / (np.maximum(values, 0.0) + alphas[:, None])
        along = cross @ vectors
        moments = vectors.T @ targets
        lengths = sum(f * block.squares for f, block in zip(squares, blocks, strict=True))
        variances = np.maximum(lengths - shrunk @ np.square(along).T, 0.0)
    return (shrunk * moments) @ along.T, variances


def _directions(rows, targets, is_coarse):
    """Eigenvalues and eigenvectors of the products of columns, and the targets' moments in them."""
    if not is_coarse:
        values, vectors = eigh(rows.T @ rows, driver="evd", check_finite=False)
        return values, vectors, vectors.T @ (rows.T @ targets)
    basis, triangle = qr(rows.T, mode="economic", check_finite=False)
    vectors, sizes, left = svd(triangle, full_matrices=False, check_finite=False)
    return np.square(sizes), basis @ vectors, sizes * (left @ targets)
