"""Derivatives by the distance of the functions that sums over pairs are made of.

Functions and slopes are callables from distances (n,) to new arrays (n, n_functions).
"""

from functools import lru_cache

import numpy as np

from ..radial.bases import PairTable, pair_table
from ..radial.laws import SmearedPowerLaw
from ..radial.switches import cutoff_function, cutoff_slope, exterior_weight, exterior_weight_slope
from .multipoles import CLOSEST, _bare, _smeared_table, _taylor_scales
from .potential import _tables


def density_functions(basis, smearing, cutoff_width):
    """Functions of the local density, switched off at ``basis.cutoff``, and slopes."""
    table = pair_table(basis, SmearedPowerLaw(0.0, smearing), upper=basis.cutoff).near
    derivative = table.derivative()
    return _weighted(
        lambda distances: table(np.minimum(distances, basis.cutoff)),
        lambda distances: derivative(np.minimum(distances, basis.cutoff)),
        lambda distances: cutoff_function(distances, basis.cutoff, cutoff_width),
        lambda distances: cutoff_slope(distances, basis.cutoff, cutoff_width),
    )


def potential_functions(basis, laws, exterior_width):
    """Functions of the potentials of all laws, or of their far fields, and slopes."""
    both = _tables(basis, laws), table_slopes(basis, laws)
    return both if exterior_width is None else _exterior(*both, basis.cutoff, exterior_width)


def multipole_functions(powers, l_max, cutoff, width):
    """Functions of the multipoles beyond the cutoff, of each power, and slopes."""
    return _exterior(
        lambda distances: _bare(distances, powers, l_max, 1.0),
        lambda distances: _bare_slopes(distances, powers, l_max, 1.0),
        cutoff,
        width,
    )


def table_slopes(basis, laws):
    """Slopes of the pair functions of all laws, (n, (l_max + 1) * n_laws * n_max), l slowest."""
    return _tables(basis, laws, _pair_slopes)


def correction_slopes(basis, laws, wide, exterior_width):
    """Slopes of what pairs correct in a k-sum of the potentials ``wide`` instead of ``laws``."""
    near = potential_functions(basis, laws, exterior_width)[1]
    smooth = table_slopes(basis, wide)
    return lambda distances: near(distances) - smooth(distances)


def multipole_correction_slopes(powers, l_max, cutoff, width, smearing, reach):
    """Slopes of what pairs correct in a k-sum of potentials smeared by ``smearing``.

    The multipoles are those in units of ``_taylor_scales``, as the k-sum has them.
    """
    scales = _taylor_scales(powers, l_max, cutoff)
    units = (scales / cutoff ** np.add.outer(np.arange(l_max + 1), powers)).ravel()
    smeared = _smeared_table(powers, l_max, cutoff, smearing, reach).derivative()
    near = _exterior(
        lambda distances: units * _bare(distances, powers, l_max, cutoff),
        lambda distances: units * _bare_slopes(distances, powers, l_max, cutoff),
        cutoff,
        width,
    )[1]
    return lambda distances: near(distances) - smeared(distances)


@lru_cache(maxsize=256)
def _pair_slopes(basis, law):
    """Slopes of ``pair_table`` at any distance."""
    near = pair_table(basis, law).near
    far = law.far_field_slopes(*basis.quadrature(law.smearing), near.upper)
    return PairTable(near.derivative(), far)


def _bare_slopes(distances, powers, l_max, unit):
    """Slopes of ``_bare``."""
    exponents = np.add.outer(np.arange(l_max + 1), powers).ravel()
    inverse = np.where(distances > CLOSEST, 1.0 / np.maximum(distances, CLOSEST), 0.0)
    return -exponents * inverse[:, None] * _bare(distances, powers, l_max, unit)


def _exterior(functions, slopes, cutoff, width):
    """Functions, and slopes, of what acts from outside the cutoff alone."""
    return _weighted(
        functions,
        slopes,
        lambda distances: exterior_weight(distances, cutoff, width),
        lambda distances: exterior_weight_slope(distances, cutoff, width),
    )


def _weighted(functions, slopes, weight, weight_slope):
    """Functions times a weight, and their slopes."""

    def products(distances):
        return functions(distances) * weight(distances)[:, None]

    def product_slopes(distances):
        changes = weight_slope(distances)
        shell = np.flatnonzero(changes)  # few pairs
        values = slopes(distances) * weight(distances)[:, None]
        if len(shell):
            values[shell] += functions(distances[shell]) * changes[shell, None]
        return values

    return products, product_slopes
