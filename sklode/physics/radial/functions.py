"""Functions of the distance that sums over pairs are made of, each with its slope.

Values and slopes have the shape (n, (l_max + 1) * n_laws * n_max) at distances (n,), l slowest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .integrals import PairTable, pair_table
from .laws import SmearedPowerLaw

CLOSEST = 1e-3  # angstrom, where bare powers stop to grow


@dataclass(frozen=True)
class RadialFunction:
    """A function of the distance and its derivative.

    Attributes
    ----------
    values, slopes : callable
        Distances (n,) to new arrays.
    """

    values: Callable
    slopes: Callable

    def __call__(self, distances):
        """Values at distances (n,)."""
        return self.values(distances)

    def switched(self, switch):
        """The product with a switch, by the product rule."""

        def values(distances):
            found = self.values(distances)
            found *= switch(distances)[:, None]  # in the precision of the function
            return found

        def slopes(distances):
            changes = switch.slopes(distances)
            shell = np.flatnonzero(changes)  # few pairs
            found = self.slopes(distances) * switch(distances)[:, None]
            if len(shell):
                found[shell] += self.values(distances[shell]) * changes[shell, None]
            return found

        return RadialFunction(values, slopes)

    def __sub__(self, other):
        return RadialFunction(
            lambda d: self.values(d) - other.values(d), lambda d: self.slopes(d) - other.slopes(d)
        )

    def values_and_slopes(self, distances):
        """Slopes and values as one array (n, 2, n_functions), as gradients need them.

        At distance 0 the values are slopes too: there F / d becomes F'.
        """
        both = np.stack([self.slopes(distances), self.values(distances)], axis=1)
        null = np.flatnonzero(distances == 0)
        both[null, 1] = both[null, 0]
        return both


def density_function(basis, smearing, dtype):
    """Pair function of a Gaussian density, tabulated up to the cutoff."""
    law, cutoff = SmearedPowerLaw(0.0, smearing), basis.cutoff
    table = _density_table(basis, law, dtype)
    return RadialFunction(
        lambda d: table(np.minimum(d, cutoff)),
        lambda d: _density_slopes(basis, law)(np.minimum(d, cutoff)),
    )


@lru_cache(maxsize=64)
def _density_table(basis, law, dtype):
    return pair_table(basis, law, upper=basis.cutoff).near.astype(np.dtype(dtype))


@lru_cache(maxsize=64)
def _density_slopes(basis, law):
    return pair_table(basis, law, upper=basis.cutoff).near.derivative()


def pair_function(basis, laws):
    """Pair functions <nl|V> of several potentials (section 3.2)."""
    return RadialFunction(
        lambda d: _side_by_side(basis, [pair_table(basis, law)(d) for law in laws]),
        lambda d: _side_by_side(basis, [_pair_slopes(basis, law)(d) for law in laws]),
    )


def _side_by_side(basis, values):
    """From one array a law, (n, (l_max + 1) * n_max), to (n, (l_max + 1) * n_laws * n_max)."""
    if len(values) == 1:
        return values[0]
    shape = len(values[0]), basis.l_max + 1, 1, basis.n_max
    stacked = np.concatenate([value.reshape(shape) for value in values], axis=2)
    return stacked.reshape(shape[0], np.prod(stacked.shape[1:]))


@lru_cache(maxsize=256)
def _pair_slopes(basis, law):
    """Slopes of ``pair_table`` at any distance."""
    near = pair_table(basis, law).near
    far = law.far_field_slopes(*basis.quadrature(law.smearing), near.upper)
    return PairTable(near.derivative(), far)


def bare_powers(powers, l_max, unit=1.0, factors=1.0):
    """``factors`` times (unit / d)^(p + l) of all powers (section 6); finite at d = 0."""
    exponents = np.add.outer(np.arange(l_max + 1), powers).ravel()

    def values(distances):
        ratio = unit / np.maximum(distances, CLOSEST)
        return factors * ratio[:, None] ** exponents

    def slopes(distances):
        inverse = np.where(distances > CLOSEST, 1.0 / np.maximum(distances, CLOSEST), 0.0)
        return -exponents * inverse[:, None] * values(distances)

    return RadialFunction(values, slopes)
