"""The contract of all operators that turn structures into coefficients, in three modes.

Coefficients are one array for each degree l, always of shape
(n_atoms, 2 l + 1, n_laws, n_channels, n_max). They are linear in the weights of the channels.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..system.structures import Batch
from .linearized import Linearized


class CoefficientOperator(Protocol):
    """A sum over atoms that gives coefficients c_i,anlm, and its derivatives.

    Attributes
    ----------
    l_max, n_laws : int
    """

    l_max: int
    n_laws: int

    def values(self, batch: Batch) -> list[NDArray]:
        """Compute the coefficients for each l."""

    def vjp(self, batch: Batch, cotangents: list[NDArray]) -> tuple[NDArray, NDArray]:
        """Differentiate the sum of ``cotangents`` times the coefficients.

        Returns
        -------
        positions : ndarray of shape (n_atoms, 3)
            In a fixed cell.
        strain : ndarray of shape (n_structures, 3, 3)
            By eps_ab of r_b -> r_b + sum_a r_a eps_ab, atoms and cell alike.
        """

    def jacobian(self, batch: Batch, atoms: NDArray) -> list:
        """List the terms of the derivatives, for Linearized, which forms them block by block.

        ``atoms`` (n_atoms,), ascending, says what the atoms are in a larger batch.
        """


def linearize(operator: CoefficientOperator, batch: Batch, n_max: int) -> Linearized:
    """The derivatives of the coefficients of a batch, as Linearized."""
    terms = operator.jacobian(batch, np.arange(batch.n_atoms))
    return Linearized(terms, batch.channels, operator.l_max, operator.n_laws, n_max)
