"""Gauss-Legendre quadrature on a finite interval."""

from functools import lru_cache

import numpy as np

from .. import blocks


@lru_cache(maxsize=64)
def _unit_rule(n_nodes):
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    return 0.5 * (nodes + 1.0), 0.5 * weights


def gauss_legendre(n_nodes, upper=1.0):
    """Nodes and weights of shape (n,) on [0, upper], ascending, n about ``n_nodes`` or more.

    Raises
    ------
    ValueError
        For more nodes than are of use.
    """
    if n_nodes > blocks.MOST_NODES:
        raise ValueError(
            f"Integrals of radial functions would need {n_nodes:.1e} nodes: the smearing is too "
            "small beside the cutoff. Use a larger smearing or a smaller cutoff."
        )
    n_parts = -(-n_nodes // blocks.RULE_NODES)
    nodes, weights = _unit_rule(-(-n_nodes // n_parts))
    width = upper / n_parts
    nodes = np.add.outer(np.arange(n_parts), nodes).ravel() * width
    return nodes, np.tile(weights * width, n_parts)
