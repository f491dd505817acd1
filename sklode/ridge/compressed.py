"""Rows of a least-squares problem, as few as it has columns, that stand for all of them."""

import numpy as np

from ..physics import blocks
from .normal_equations import Rows


class CompressedRows:
    """The triangle R of the QR decomposition of rows that come one batch after the other.

    R^T R = A^T A for the rows A = [counts | matrix | targets], without the digits that the product
    would lose: the baseline takes most of the energies away, which normal equations forgive less.

    Parameters
    ----------
    n_columns : int
        Columns of ``counts`` and ``matrix`` and the targets.

    Attributes
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        What stands for all rows so far.
    """

    def __init__(self, n_columns):
        self.rows = np.zeros((0, n_columns))
        self._waiting, self._n_waiting = [], 0

    @property
    def waiting(self):
        """Rows that were added and are not part of ``rows`` yet."""
        return np.concatenate([self.rows[:0], *self._waiting])

    def add(self, array):
        """Add rows, of shape (n_rows, n_columns)."""
        if len(array):
            self._waiting.append(array)
            self._n_waiting += len(array)
        if self._n_waiting > blocks.WAITING_ROWS * self.rows.shape[1]:
            self.settle()
        return self

    def settle(self):
        """Let the rows that wait become part of the triangle."""
        if self._waiting:
            whole = np.concatenate([self.rows, *self._waiting])
            n_rows, n_columns = whole.shape
            self.rows = np.linalg.qr(whole, mode="r") if n_rows > n_columns else whole
            self._waiting, self._n_waiting = [], 0
        return self

    def scaled(self, n_baseline, scale):
        """As Rows of a problem whose features are divided by a scale.

        Parameters
        ----------
        n_baseline : int
        scale : ndarray of shape (n_features,)

        Returns
        -------
        Rows
        """
        whole = self.settle().rows
        nobody = np.zeros(len(whole), dtype=int)
        return Rows(
            whole[:, n_baseline:-1] / scale,
            whole[:, -1],
            whole[:, :n_baseline],
            nobody,
            nobody,
            np.ones(len(whole)),
        )


def as_columns(rows):
    """Counts, matrix and targets of Rows side by side, as CompressedRows takes them."""
    return np.concatenate([rows.counts, rows.matrix, rows.targets[:, None]], axis=1)
