"""Estimates of time that decide between ways of summing; only their ratios matter.

Seconds on one core of a common machine, measured with ``benchmarks/bench_methods.py``.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Costs:
    """Seconds of the steps of the sums."""

    structure: float = 3e-4  # of matrix products, whatever the size
    phase: float = 2.0e-9  # for each atom and k-vector
    wave: float = 1.8e-9  # and each channel
    product: float = 5.0e-11  # and each column
    kernel: float = 6.0e-9  # for each k-vector and column
    mesh: float = 4e-3  # of a sum on a mesh, whatever the size
    transform: float = 2.5e-10  # for each mesh point, field and log2 of the points
    point: float = 3.0e-9  # for each mesh point and field
    window: float = 6.0e-10  # for each atom, point of its window and field
    spreading: float = 5.0e-9  # for each atom and point of its window
    combination: float = 2.5e-9  # for each atom, field and derivative
    pair: float = 6e-7  # of a neighbour list and the expansion of its pairs
    pairs: float = 1e-3  # for each structure that has pairs at all


COSTS = Costs()


def direct_seconds(n_atoms, n_vectors, n_channels, n_columns):
    """The sum as matrix products; ``n_columns`` is (l_max + 1)^2 n_laws n_max."""
    per_phase = COSTS.phase + n_channels * (COSTS.wave + n_columns * COSTS.product)
    kernels = n_vectors * n_columns * COSTS.kernel
    return COSTS.structure + n_atoms * n_vectors * per_phase + kernels


def mesh_seconds(n_atoms, n_points, order, n_fields, l_max):
    """The sum on a mesh of ``n_points``."""
    transforms = n_points * (np.log2(n_points) * COSTS.transform + COSTS.point)
    window = COSTS.spreading + COSTS.window * n_fields
    n_triples = (l_max + 1) * (l_max + 2) * (l_max + 3) / 6
    atoms = order**3 * window + n_fields * n_triples * COSTS.combination
    return COSTS.mesh + n_fields * transforms + n_atoms * atoms
