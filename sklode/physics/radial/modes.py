"""Few functions of |k| that many radial functions are combinations of.

The products v_p(k) I_nl(k) of all exponents, n and l are smooth and much alike, so that far fewer
of them are linearly independent to a given accuracy: fewer columns in matrix products, fewer
Fourier transforms on a mesh.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..system.kvectors import reciprocal

_POINTS = 400  # wave numbers on which functions are compared
FINEST = 1e-16  # accuracy that all functions together have


@dataclass(frozen=True)
class RadialModes:
    """Functions u_r(k) that v_p(k) I_nl(k) / (k length)^l are combinations of.

    Attributes
    ----------
    length : float
        In angstrom.
    compress : ndarray of shape (n_laws * n_degrees * n_max, n_modes)
        From the functions to the modes.
    expand : ndarray of shape (n_modes, n_laws, n_degrees, n_max)
        From the modes to the functions.
    """

    length: float
    compress: np.ndarray
    expand: np.ndarray

    @property
    def count(self):
        """Number of modes."""
        return len(self.expand)


def wave_span(cell, k_cutoff):
    """Interval that holds the norms of the k-vectors, rounded so that cells share modes."""
    return span_from(np.linalg.norm(reciprocal(cell), axis=1).min(), k_cutoff)


def span_from(lowest, k_cutoff):
    """Interval of ``wave_span`` from the length of the shortest reciprocal lattice vector."""
    return 2.0 ** np.floor(np.log2(lowest)), 2.0 ** (np.ceil(4.0 * np.log2(k_cutoff)) / 4.0)


def reduced_functions(basis, laws, degrees, k, length):
    """v_p(k) I_nl(k) / (k length)^l, shape (n_k, n_laws * n_degrees * n_max)."""
    degrees = np.array(degrees)
    integrals = basis.plane_waves(k).reshape(len(k), 1, basis.l_max + 1, basis.n_max)
    fourier = np.stack([law.fourier(k) for law in laws], axis=1)[:, :, None, None]
    powers = (k * length)[:, None] ** -degrees.astype(float)
    values = integrals[:, :, degrees] * fourier * powers[:, None, :, None]
    return _by_k(values)


def reduced_slopes(basis, laws, degrees, k, length):
    """Derivatives of ``reduced_functions`` with respect to k; same shape."""
    degrees, shape = np.array(degrees), (len(k), 1, basis.l_max + 1, basis.n_max)
    integrals = basis.plane_waves(k).reshape(shape)[:, :, degrees]
    slopes = basis.plane_wave_slopes(k).reshape(shape)[:, :, degrees]
    fourier = np.stack([law.fourier(k) for law in laws], axis=1)[:, :, None, None]
    fourier_slopes = np.stack([law.fourier_slope(k) for law in laws], axis=1)[:, :, None, None]
    powers = (k * length)[:, None] ** -degrees.astype(float)
    values = fourier_slopes * integrals + fourier * slopes
    values -= (degrees / k[:, None])[:, None, :, None] * fourier * integrals
    return _by_k(values * powers[:, None, :, None])


def _by_k(values):
    """Two axes of an array whose first is k; there may be no k at all."""
    return values.reshape(len(values), np.prod(values.shape[1:]))


@lru_cache(maxsize=256)
def typical_sizes(basis, laws, span):
    """Sizes of waves of coefficients, and of the fields that these are derivatives of.

    Roots of their summed squares in 1 cubic angstrom, for the largest of all n and of all m at
    once, the l-th derivatives of the fields still to be taken.

    Returns
    -------
    coefficients : ndarray of shape (n_laws,)
        Of the largest degree.
    fields : ndarray of shape (n_laws, l_max + 1)
        In angstrom^l times the unit of the coefficients.
    """
    degrees = np.arange(basis.l_max + 1)
    k, step = np.linspace(*span, _POINTS, retstep=True)
    functions = reduced_functions(basis, laws, degrees, k, 1.0)
    functions = functions.reshape(len(k), len(laws), len(degrees), basis.n_max)
    functions *= (k[:, None] * np.sqrt(16.0 * np.pi * (2 * degrees + 1)))[:, None, :, None]
    derivatives = functions * (k[:, None] ** degrees)[:, None, :, None]
    fields, coefficients = (
        np.sqrt(np.sum(subset**2, axis=0).max(axis=2) * step) for subset in (functions, derivatives)
    )
    return coefficients.max(axis=1) / (2.0 * np.pi), fields / (2.0 * np.pi)


@lru_cache(maxsize=256)
def radial_modes(basis, laws, degrees, span, accuracies):
    """The fewest modes that give all functions of some degrees, in the mean over k-vectors.

    The error of a function of degree l counts k^l times, as in the coefficient, against the
    largest coefficients of the same law. ``accuracies`` is a tuple with one for each law; without
    any there are as many modes as functions.
    """
    length = min(law.smearing for law in laws)
    k = np.linspace(*span, _POINTS)
    functions = reduced_functions(basis, laws, degrees, k, length)
    shape = (len(k), len(laws), len(degrees), basis.n_max)
    weights = k[:, None] * (k[:, None] * length) ** np.array(degrees)
    weights = weights[:, None, :, None]
    sizes = np.linalg.norm(functions.reshape(shape) * weights, axis=0).max(axis=(1, 2))
    sizes *= accuracies or FINEST
    scaled = functions / np.repeat(sizes, shape[2] * shape[3])
    emphasis = np.linalg.norm(weights, axis=2).reshape(-1, 1)
    vectors = np.linalg.svd(scaled * emphasis, full_matrices=False)[2].T
    for n_modes in range(1, vectors.shape[1] + 1):
        kept = vectors[:, :n_modes]
        missed = (scaled - scaled @ kept @ kept.T).reshape(shape)
        if np.linalg.norm(missed * weights, axis=0).max() <= 1.0:
            break
    sizes = np.repeat(sizes, shape[2] * shape[3])[:, None]
    return RadialModes(length, kept / sizes, (kept * sizes).T.reshape(n_modes, *shape[1:]))


def field_modes(basis, laws, cell, k_cutoff, accuracies):
    """Modes that serve all degrees, for the k-vectors of a cell."""
    degrees = tuple(range(basis.l_max + 1))
    return radial_modes(basis, laws, degrees, wave_span(cell, k_cutoff), accuracies)
