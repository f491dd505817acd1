"""Coefficients <anlm|rho_i> of the smeared local density (theory, section 7)."""

from functools import lru_cache

import numpy as np

from .. import blocks
from ..pairs.values import add_centers, empty_coefficients, expand_pairs
from ..radial.bases import center_integrals, pair_table
from ..radial.laws import SmearedPowerLaw
from ..radial.switches import cutoff_function
from ..system.neighbors import pairs_within
from ..system.structures import atom_offsets


def density_expansion(
    structures,
    channels,
    basis,
    *,
    smearing,
    cutoff_width,
    include_center,
    dtype=float,
    n_threads=1,
):
    """Coefficients of the density inside ``basis.cutoff``, summed in the precision ``dtype``.

    Returns
    -------
    list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_channels * n_max).
    """
    law = SmearedPowerLaw(0.0, smearing)
    table = _table(basis, law, np.dtype(dtype))
    n_atoms = len(channels.index)

    def radial(distances):
        weights = cutoff_function(distances, basis.cutoff, cutoff_width)
        return table(np.minimum(distances, basis.cutoff), weights)

    coefficients = empty_coefficients(n_atoms, channels.count, basis.n_max, basis.l_max, dtype)
    offsets = atom_offsets(structures)
    for batch in _batches(structures, basis.cutoff):
        atoms = slice(offsets[batch.start], offsets[batch.stop])
        pairs = pairs_within(structures[batch], basis.cutoff, n_threads)
        acting, out = channels.of(atoms), [c[atoms] for c in coefficients]
        expand_pairs(pairs, acting, len(acting.index), radial, basis.l_max, out, n_threads)
    if include_center:
        add_centers(coefficients, channels, center_integrals(basis, law))
    return [c.reshape(n_atoms, c.shape[1], -1) for c in coefficients]


@lru_cache(maxsize=64)
def _table(basis, law, dtype):
    return pair_table(basis, law, upper=basis.cutoff).near.astype(dtype)


def _batches(structures, cutoff):
    """Consecutive slices of structures with about ``PAIRS_LISTED`` pairs."""
    n_neighbors = sizes = np.array([len(s) for s in structures], float)
    repeats = np.array([s.periodic for s in structures]).all(axis=1)
    if repeats.any():
        volumes = np.abs(np.linalg.det([s.cell for s in structures]))
        inside = 4.0 * np.pi / 3.0 * cutoff**3 / np.where(repeats, volumes, 1.0)
        n_neighbors = np.where(repeats, sizes * inside, sizes)
    first, n_pairs = 0, 0.0
    for number, more in enumerate((sizes * n_neighbors).tolist(), start=1):
        n_pairs += more
        if n_pairs > blocks.PAIRS_LISTED or number == len(sizes):
            yield slice(first, number)
            first, n_pairs = number, 0.0
