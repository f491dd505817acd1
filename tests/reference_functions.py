"""Functions of the theory page that ``reference`` and ``reference_layers`` share."""

from itertools import pairwise

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import gamma, lpmv, poch, spherical_jn


def quadrature(n, *edges):
    """Nodes and weights of Gauss and Legendre, n on each interval between the edges."""
    x, w = np.polynomial.legendre.leggauss(n)
    each = [((b - a) / 2 * x + (a + b) / 2, (b - a) / 2 * w) for a, b in pairwise(edges)]
    return np.concatenate(each, axis=1)


def harmonics(l_max, vectors):
    """Section 1: Y_lm of each vector at l^2 + l + m."""
    d, phi = np.linalg.norm(vectors, axis=1), np.arctan2(vectors[:, 1], vectors[:, 0])
    out = np.empty((len(vectors), (l_max + 1) ** 2))
    for l in range(l_max + 1):
        for m in range(-l, l + 1):
            ratio = (2 * l + 1) / (4 * np.pi) / poch(l - abs(m) + 1, 2 * abs(m))
            angle = np.sqrt(2) * (np.cos(m * phi) if m > 0 else np.sin(-m * phi)) if m else 1
            legendre = (-1) ** m * lpmv(abs(m), l, vectors[:, 2] / d)
            out[:, l * l + l + m] = np.sqrt(ratio) * legendre * angle
    return out


def fourier(law, sigma, k):
    """Sections 2.2, 2.3 and 2.5: transform of a smeared law."""
    s = (sigma * k) ** 2 / 2
    if hasattr(law, "kappa"):
        return 4 * np.pi / (k**2 + law.kappa**2) * np.exp(-s - (law.kappa * sigma) ** 2 / 2)
    if hasattr(law, "distances"):
        (r, w), v = quadrature(12, *law.distances), CubicSpline(law.distances, law.values)
        return 4 * np.pi * np.exp(-s) * (spherical_jn(0, np.outer(k, r)) @ (w * r**2 * v(r)))
    if law == 0:
        return (4 * np.pi * sigma**2) ** 0.75 * np.exp(-s)
    integral = np.full(len(k), 0.0 if law == 3 else 2 / (law - 3))
    (x, w), s_k = quadrature(80, 0, 1), s[k > 0]
    # of exp(-s t) t^((1 - p) / 2) from t = 1 on, with t = exp(end x)
    end = np.log(1 + 45 / s_k)
    y = np.multiply.outer(end, x)
    integral[k > 0] = end * (np.exp(-s_k[:, None] * np.exp(y) + (3 - law) / 2 * y) @ w)
    return np.pi**1.5 * (2 * sigma**2) ** ((3 - law) / 2) / gamma(law / 2) * integral
