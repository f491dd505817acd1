"""Gauss-Legendre quadrature on a finite interval."""

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=64)
def _unit_rule(n_nodes):
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    return 0.5 * (nodes + 1.0), 0.5 * weights


def gauss_legendre(n_nodes, upper=1.0):
    """Nodes and weights of shape (n_nodes,) on [0, upper]."""
    nodes, weights = _unit_rule(n_nodes)
    return upper * nodes, upper * weights
