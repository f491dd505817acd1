"""Operators that are made of others, by the structure and by the atom."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from .contract import CoefficientOperator


@dataclass(frozen=True, eq=False)
class Grouped:
    """Structures that are handled alike together, each group by an operator of its own.

    Attributes
    ----------
    keys_of : callable
        Batch to a list of hashable keys, one a structure.
    operator_of : callable
        Key to the operator of its structures.
    l_max, n_laws : int
    """

    keys_of: Callable
    operator_of: Callable[[Hashable], CoefficientOperator]
    l_max: int
    n_laws: int

    def values(self, batch):
        """Coefficients for each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max)."""
        keys = self.keys_of(batch)
        if len(set(keys)) == 1:
            return self.operator_of(keys[0]).values(batch)
        totals = None
        for key, group, _, atoms in batch.groups(keys):
            parts = self.operator_of(key).values(group)
            if totals is None:
                totals = [np.empty((batch.n_atoms, *p.shape[1:]), p.dtype) for p in parts]
            for total, part in zip(totals, parts, strict=True):
                total[atoms] = part
        return totals

    def vjp(self, batch, cotangents):
        """Gradients by positions and by strain of the sum of ``cotangents`` times coefficients."""
        keys = self.keys_of(batch)
        if len(set(keys)) == 1:
            return self.operator_of(keys[0]).vjp(batch, cotangents)
        positions = np.empty((batch.n_atoms, 3))
        strain = np.empty((len(batch.structures), 3, 3))
        for key, group, numbers, atoms in batch.groups(keys):
            parts = [c[atoms] for c in cotangents]
            positions[atoms], strain[numbers] = self.operator_of(key).vjp(group, parts)
        return positions, strain

    def jacobian(self, batch, atoms):
        """Terms of the derivatives; ``atoms`` says what the atoms are in a larger batch."""
        keys = self.keys_of(batch)
        if len(set(keys)) == 1:
            return self.operator_of(keys[0]).jacobian(batch, atoms)
        return [
            term
            for key, group, _, chosen in batch.groups(keys)
            for term in self.operator_of(key).jacobian(group, atoms[chosen])
        ]


@dataclass(frozen=True, eq=False)
class Centered:
    """An operator, and a constant that every atom adds to its own coefficients of l = 0.

    Attributes
    ----------
    operator : CoefficientOperator
    own : ndarray of shape (n_laws, n_max)
    """

    operator: CoefficientOperator
    own: np.ndarray

    @property
    def l_max(self):
        """Largest degree."""
        return self.operator.l_max

    @property
    def n_laws(self):
        """Number of laws."""
        return self.operator.n_laws

    def values(self, batch):
        """Coefficients for each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max)."""
        coefficients, channels = self.operator.values(batch), batch.channels
        atoms = np.flatnonzero(channels.index >= 0)
        own = channels.weights[atoms, None, None] * self.own
        coefficients[0][atoms, 0, :, channels.index[atoms]] += own
        return coefficients

    def vjp(self, batch, cotangents):
        """Gradients of the operator; the constant has none."""
        return self.operator.vjp(batch, cotangents)

    def jacobian(self, batch, atoms):
        """Terms of the derivatives of the operator; the constant has none."""
        return self.operator.jacobian(batch, atoms)
