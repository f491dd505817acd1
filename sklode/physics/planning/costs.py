"""Estimates of time that decide between ways of summing; only their ratios matter.

Seconds on one core of a common machine, measured with ``benchmarks/bench_methods.py``.
"""

from dataclasses import dataclass

import numpy as np

from .. import blocks


@dataclass(frozen=True)
class Costs:
    """Seconds of the steps of the sums."""

    structure: float = 3e-4  # of matrix products, whatever the size
    phase: float = 2.0e-9  # for each atom and k-vector
    wave: float = 1.8e-9  # and each channel
    product: float = 5.0e-11  # and each column
    kernel: float = 6.0e-9  # for each k-vector and column
    mesh: float = 1e-3  # of a sum on a mesh, whatever the size
    point: float = 3e-8  # for each mesh point, whose k-vector has kernels
    transform: float = 5.5e-10  # for each mesh point, field and log2 of the points
    spreading: float = 2.6e-9  # for each atom and point of its window
    window: float = 3.0e-10  # and each field
    along_x: float = 8.7e-11  # and each derivative along the first axis
    along_y: float = 5.2e-10  # for each line of a window, field and derivative along two axes
    call: float = 1.3e-7  # of a small matrix product
    harmonic: float = 1e-10  # for each atom, field, derivative and harmonic
    step: float = 2.5e-6  # of a block of atoms, overhead
    pairs: float = 5e-4  # of a structure that has pairs at all
    pair: float = 1.2e-7  # for each pair, its search included
    pair_column: float = 3.5e-9  # and each column


COSTS = Costs()


def direct_seconds(n_atoms, n_vectors, n_channels, n_columns):
    """The sum as matrix products; ``n_columns`` is (l_max + 1)^2 n_laws n_max."""
    per_phase = COSTS.phase + n_channels * (COSTS.wave + n_columns * COSTS.product)
    kernels = n_vectors * n_columns * COSTS.kernel
    return COSTS.structure + n_atoms * n_vectors * per_phase + kernels


def pair_seconds(n_pairs, n_columns):
    """Search and expansion of pairs."""
    return COSTS.pairs + n_pairs * (COSTS.pair + n_columns * COSTS.pair_column)


def mesh_seconds(n_atoms, n_points, order, n_fields, l_max):
    """The sum on a mesh of ``n_points``."""
    points = n_points * (COSTS.point + n_fields * np.log2(n_points) * COSTS.transform)
    n_orders = l_max + 1
    n_doubles, n_triples = (
        n_orders * (n_orders + 1) / 2,
        n_orders * (n_orders + 1) * (l_max + 3) / 6,
    )
    window = COSTS.spreading + n_fields * (COSTS.window + n_orders * COSTS.along_x)
    atoms = (
        order**3 * window
        + order**2 * n_fields * n_doubles * COSTS.along_y
        + n_fields * n_triples * n_orders**2 * COSTS.harmonic
        + (1 + n_orders + n_doubles) * COSTS.call
        + (4 + 3 * n_orders + n_doubles) * COSTS.step / blocks.atoms_per_block(order**3 * n_fields)
    )
    return COSTS.mesh + points + n_atoms * atoms
