"""Scales of feature columns, block by block, where blocks are the branches of a FeatureUnion."""

from itertools import pairwise

import numpy as np
from sklearn.pipeline import FeatureUnion, Pipeline

from ..projection.chain_rule import SCALERS, branches


def column_scales(features, atoms_list, matrix, weights, floor):
    """Divisors of columns, those of a BlockScaler in every branch of a union.

    The weights of a union stay what they are, factors between blocks of like size, and blocks that
    end in a scaler of their own keep it.

    Parameters
    ----------
    features : estimator
        Fitted features.
    atoms_list : list of ase.Atoms
    matrix : ndarray of shape (n_structures, n_features)
        Features of the structures.
    weights : ndarray of shape (n_structures,)
    floor : float or None
        None leaves all columns as they are.

    Returns
    -------
    ndarray of shape (n_features,)
    """
    return scales_of_sizes(features, atoms_list, column_sizes(matrix, weights), floor)


def scales_of_sizes(features, atoms_list, sizes, floor):
    """The same, from the root mean squares of the columns.

    Parameters
    ----------
    features : estimator
        Fitted features.
    atoms_list : list of ase.Atoms
        One structure at least.
    sizes : ndarray of shape (n_features,)
    floor : float or None

    Returns
    -------
    ndarray of shape (n_features,)
    """
    if floor is None:
        return np.ones(len(sizes))
    found = _blocks(features, atoms_list, len(sizes))
    ends = np.cumsum([0, *(size for size, _, _ in found)])
    scales = []
    for (start, end), (size, factor, scaled) in zip(pairwise(ends), found, strict=True):
        if scaled or factor == 0.0:
            scales.append(np.ones(size))
        else:
            scales.append(_floored(sizes[start:end] / abs(factor), floor))
    return np.concatenate(scales)


def column_scale(matrix, weights, floor):
    """Divisors max(rms_j, floor * max_j rms_j) of columns; 1 where all are zero.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_features)
    weights : ndarray of shape (n_rows,)
        How often a row counts.
    floor : float

    Returns
    -------
    ndarray of shape (n_features,)
    """
    return _floored(column_sizes(matrix, weights), floor)


def column_sizes(matrix, weights):
    """Root mean squares of columns: (n_features,); those of column_scale."""
    largest = np.abs(matrix).max(initial=0.0)
    if not largest > 0.0 or not weights.sum() > 0.0:
        return np.zeros(matrix.shape[1])
    return largest * np.sqrt(weights @ (matrix / largest) ** 2 / weights.sum())


def _floored(sizes, floor):
    floored = np.maximum(sizes, floor * sizes.max(initial=0.0))
    return np.where(floored > 0.0, floored, 1.0)


def _blocks(features, atoms_list, size=None):
    """Number of columns of each block, its weight in the unions, whether it is scaled already."""
    if isinstance(features, FeatureUnion):
        return [
            (columns, weight * factor, scaled)
            for branch, weight in branches(features)
            for columns, factor, scaled in _blocks(branch, atoms_list)
        ]
    if isinstance(features, Pipeline):
        steps = [s for _, s in features.steps if not isinstance(s, str) and s is not None]
        if len(steps) == 1:
            return _blocks(steps[0], atoms_list, size)
    if size is None:
        size = np.shape(features.transform(atoms_list[:1]))[1]
    scaled = isinstance(features, Pipeline) and any(isinstance(s, SCALERS) for s in steps)
    return [(size, 1.0, scaled)]
