"""Real spherical harmonics, m = -l .. l at index l^2 + l + m (theory, section 1)."""

from functools import lru_cache

import numpy as np
from sphericart import SphericalHarmonics

# a calculator a call: its scratch memory is for one thread, and for as many threads of OpenMP as it
# finds when it is made; one that is kept gives wrong harmonics beyond l = 6, or writes elsewhere


def spherical_harmonics(vectors, l_max):
    """Y_lm of the directions of ``vectors`` (n, 3); shape (n, (l_max + 1)^2).

    A zero vector, which has no direction, is read as the z axis: whatever multiplies its l > 0
    harmonics vanishes at distance zero.
    """
    return SphericalHarmonics(l_max).compute(_with_directions(vectors))


def harmonics_with_gradients(vectors, l_max):
    """Y_lm of directions, (n, (l_max + 1)^2), and Cartesian gradients (n, 3, (l_max + 1)^2).

    A zero vector is read as the unit vector along z.
    """
    return SphericalHarmonics(l_max).compute_with_gradients(_with_directions(vectors))


def unit_vectors(vectors):
    """Vectors (n, 3) divided by their lengths; z for a zero vector."""
    vectors = _with_directions(vectors)
    return vectors / np.sqrt(np.einsum("px,px->p", vectors, vectors))[:, None]


def _with_directions(vectors):
    """Contiguous vectors, the unit vector along z in the place of zero vectors."""
    squares = np.einsum("px,px->p", vectors, vectors)
    if not squares.all():
        z_axis = np.array([0.0, 0.0, 1.0], vectors.dtype)
        vectors = np.where(squares[:, None] == 0, z_axis, vectors)
    return np.ascontiguousarray(vectors)


@lru_cache(maxsize=128)
def degree_slice(l):
    """Columns of degree l among all harmonics."""
    return slice(l * l, (l + 1) ** 2)
