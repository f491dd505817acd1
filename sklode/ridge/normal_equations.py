"""Rows of a least-squares problem, and their normal equations."""

from dataclasses import dataclass, fields

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.blas import dsyrk


@dataclass(frozen=True)
class Rows:
    """Weighted rows of a least-squares problem.

    Attributes
    ----------
    matrix : ndarray of shape (n_rows, n_features)
        Penalised columns.
    targets : ndarray of shape (n_rows,)
    counts : ndarray of shape (n_rows, n_baseline)
        Columns without penalty.
    owners : ndarray of shape (n_rows,), int
        Structure of each row.
    kinds : ndarray of shape (n_rows,), int
        What a row describes.
    weights : ndarray of shape (n_rows,)
        What a residual is divided by to be in the units of its kind.
    """

    matrix: np.ndarray
    targets: np.ndarray
    counts: np.ndarray
    owners: np.ndarray
    kinds: np.ndarray
    weights: np.ndarray

    def __len__(self):
        return len(self.targets)

    def take(self, index):
        """Some of the rows."""
        return Rows(*(getattr(self, field.name)[index] for field in fields(self)))


def stack(parts):
    """One Rows of several."""
    if len(parts) == 1:
        return parts[0]
    arrays = zip(*[[getattr(p, field.name) for field in fields(Rows)] for p in parts], strict=True)
    return Rows(*(np.concatenate(a) for a in arrays))


class NormalEquations:
    """matrix^T matrix and matrix^T targets, summed batch by batch.

    Parameters
    ----------
    n_features : int

    Attributes
    ----------
    lower : ndarray of shape (n_features, n_features)
        The lower triangle of the products of columns.
    moments : ndarray of shape (n_features,)
        Products of columns and targets.
    """

    def __init__(self, n_features):
        self.lower = np.zeros((n_features, n_features), order="F")
        self.moments = np.zeros(n_features)

    def add(self, matrix, targets):
        """Add rows."""
        if len(targets):
            columns = np.ascontiguousarray(matrix).T  # Fortran order, no copy
            self.lower = dsyrk(1.0, columns, beta=1.0, c=self.lower, lower=1, overwrite_c=1)
            self.moments += columns @ targets
        return self

    def plus(self, other):
        """Add all rows of others; the result are new equations."""
        both = NormalEquations(0)
        both.lower = self.lower + other.lower
        both.moments = self.moments + other.moments
        return both

    def scaled(self, scale):
        """Equations of the same rows with their columns divided by a scale."""
        rest = NormalEquations(0)
        rest.lower = np.asfortranarray(self.lower / scale / scale[:, None])
        rest.moments = self.moments / scale
        return rest

    def minus(self, other):
        """Take the rows of others away; the result are new equations."""
        rest = NormalEquations(0)
        rest.lower = self.lower - other.lower
        rest.moments = self.moments - other.moments
        return rest

    def copy(self):
        """Equations to go on with."""
        return self.minus(NormalEquations(len(self.moments)))

    def eigen(self):
        """Eigenvalues, ascending and not negative, and eigenvectors in columns."""
        values, vectors = eigh(self.lower, lower=True, driver="evd", check_finite=False)
        return np.maximum(values, 0.0), vectors
