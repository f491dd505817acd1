"""Special functions as arrays, where library functions are slow."""

import numpy as np
from scipy.special import spherical_jn


def spherical_bessel(l_max, x):
    """Spherical Bessel functions j_l(x) of all degrees, by their recursion in l.

    Where x < l_max + 1 the recursion loses digits, so that scipy's functions are taken.

    Parameters
    ----------
    l_max : int
    x : ndarray
        Not negative.

    Returns
    -------
    ndarray of shape (l_max + 1, *x.shape)
    """
    small = x < l_max + 1
    safe = np.where(small, l_max + 1.0, x)
    inverse = 1.0 / safe
    values = np.empty((l_max + 1, *x.shape))
    values[0] = np.sin(safe) * inverse
    if l_max > 0:
        values[1] = (values[0] - np.cos(safe)) * inverse
    for l in range(2, l_max + 1):
        values[l] = (2 * l - 1) * inverse * values[l - 1] - values[l - 2]
    degrees = np.arange(l_max + 1)[:, None]
    values[:, small] = spherical_jn(degrees, x[small])
    return values
