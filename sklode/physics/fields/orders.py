"""Multipoles of exponents and orders, from Taylor coefficients of powers."""

from dataclasses import dataclass

import numpy as np

from ..operators.contract import CoefficientOperator


@dataclass(frozen=True, eq=False)
class OrdersLast:
    """A linear map: (law = power, n = 1) becomes (law = exponent, n = order), in other units.

    Attributes
    ----------
    operator : CoefficientOperator
        One law a power, orders fastest.
    factors : ndarray of shape (l_max + 1, n_powers)
    n_max : int
        Number of orders.
    """

    operator: CoefficientOperator
    factors: np.ndarray
    n_max: int

    @property
    def l_max(self):
        """Largest degree."""
        return self.operator.l_max

    @property
    def n_laws(self):
        """Number of exponents."""
        return self.operator.n_laws // self.n_max

    def values(self, batch):
        """Coefficients for each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max)."""
        return [
            # (atom, m, power, channel, 1) -> (atom, m, exponent, order, channel) -> order last
            (c[..., 0] * factors[:, None])
            .reshape(*c.shape[:2], self.n_laws, self.n_max, c.shape[3])
            .swapaxes(3, 4)
            for c, factors in zip(self.operator.values(batch), self.factors, strict=True)
        ]

    def vjp(self, batch, cotangents):
        """Gradients by positions and by strain of the sum of ``cotangents`` times coefficients."""
        by_power = [
            c.swapaxes(3, 4).reshape(*c.shape[:2], self.operator.n_laws, c.shape[3], 1)
            * factors[:, None, None]
            for c, factors in zip(cotangents, self.factors, strict=True)
        ]
        return self.operator.vjp(batch, by_power)

    def jacobian(self, batch, atoms):
        """Terms of the derivatives; ``atoms`` says what the atoms are in a larger batch."""
        terms = self.operator.jacobian(batch, atoms)
        return [_Mapped(term, self.factors, self.n_max) for term in terms]


class _Mapped:
    """A term of the derivatives of ``OrdersLast``.

    Parameters
    ----------
    term : NearPairs, WavePairs or WaveFactors
    factors, n_max
        As of OrdersLast.
    """

    def __init__(self, term, factors, n_max):
        self._term, self._factors, self._n_max = term, factors, n_max
        self.atoms, self.sizes = term.atoms, term.sizes

    def around(self, subset, rows):
        """Pairs or waves around some atoms, with mapped functions."""
        return [p.with_functions(self._by_exponent) for p in self._term.around(subset, rows)]

    def strained_waves(self, subset):
        """Waves of the strain of some atoms, with mapped functions."""
        return [w.with_functions(self._by_exponent) for w in self._term.strained_waves(subset)]

    def add_strained(self, subset, rows, channels, _, out):
        """Add derivatives by the strain to ``out``, [law][l]."""
        powers = [
            [np.zeros((*part.shape[:-1], 1)) for part in law]
            for law in out
            for _ in range(self._n_max)
        ]
        self._term.add_strained(subset, rows, channels, None, powers)
        for totals, parts in zip(out, self._by_exponent(powers), strict=True):
            for total, part in zip(totals, parts, strict=True):
                total += part

    def _by_exponent(self, powers):
        """From functions of powers, [power][l], to those of exponents, orders on the last axis."""
        scaled = [
            [factor * part for factor, part in zip(factors, parts, strict=True)]
            for factors, parts in zip(self._factors.T, powers, strict=True)
        ]
        exponents = [scaled[p : p + self._n_max] for p in range(0, len(scaled), self._n_max)]
        return [
            [np.concatenate(orders, axis=-1) for orders in zip(*exponent, strict=True)]
            for exponent in exponents
        ]
