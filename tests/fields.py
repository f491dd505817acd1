"""Fields as plain functions of structures: coefficients, derivatives, and the reverse pass.

Coefficients have the columns (law, channel, n) as one axis, as rows of features have them.
"""

import numpy as np

from sklode.physics.fields.density import density
from sklode.physics.fields.multipoles import multipoles
from sklode.physics.fields.potential import potential
from sklode.physics.operators.contract import linearize
from sklode.physics.system.structures import Batch


def _density(basis, *, smearing, cutoff_width, include_center=True, dtype="float64", n_threads=1):
    dtype = np.dtype(dtype).name
    return density(basis, smearing, cutoff_width, include_center, dtype, n_threads), basis.n_max


def _potential(basis, laws, *, summation, include_center=True, exterior_width=None):
    operator = potential(basis, tuple(laws), include_center, exterior_width, summation)
    return operator, basis.n_max


def _multipoles(exponents, n_max, l_max, *, cutoff, width, summation):
    return multipoles(tuple(exponents), n_max, l_max, cutoff, width, summation), n_max


def _expansion(field):
    def expand(structures, channels, *parameters, **options):
        parts = field(*parameters, **options)[0].values(Batch(structures, channels))
        return [part.reshape(*part.shape[:2], -1) for part in parts]

    return expand


def _slopes(field):
    def differentiate(structures, channels, *parameters, **options):
        operator, n_max = field(*parameters, **options)
        return linearize(operator, Batch(structures, channels), n_max)

    return differentiate


def _backward(field):
    def backward(structures, channels, *parameters, cotangents, **options):
        operator, n_max = field(*parameters, **options)
        shape = operator.n_laws, channels.count, n_max
        cotangents = [np.reshape(c, (*np.shape(c)[:2], *shape)) for c in cotangents]
        return operator.vjp(Batch(structures, channels), cotangents)

    return backward


density_expansion, density_slopes, density_backward = (
    mode(_density) for mode in (_expansion, _slopes, _backward)
)
potential_expansion, potential_slopes, potential_backward = (
    mode(_potential) for mode in (_expansion, _slopes, _backward)
)
multipole_expansion, multipole_slopes, multipole_backward = (
    mode(_multipoles) for mode in (_expansion, _slopes, _backward)
)
