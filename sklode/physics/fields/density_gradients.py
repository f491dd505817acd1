"""Derivatives of the coefficients of the smeared local density (theory, section 7)."""

import numpy as np

from ..operators.linearized import FieldSlopes
from ..pairs.derivatives import NearPairs
from ..pairs.reverse import pair_backward
from ..system.neighbors import pairs_within
from ..system.structures import atom_offsets
from .density import _batches
from .pair_slopes import density_functions


def density_slopes(structures, channels, basis, *, smearing, cutoff_width, include_center=True):
    """Derivatives of the coefficients of ``density_expansion``, as FieldSlopes.

    The parameters are those of ``density_expansion``; the center itself is a constant.
    """
    pairs = pairs_within(structures, basis.cutoff)
    functions = density_functions(basis, smearing, cutoff_width)
    atoms = np.arange(len(channels.index))
    source = NearPairs(pairs, atoms, functions, basis.l_max, 1)
    return FieldSlopes([source], channels, basis.l_max, 1, basis.n_max)


def density_backward(
    structures,
    channels,
    basis,
    *,
    smearing,
    cutoff_width,
    cotangents,
    include_center=True,
    n_threads=1,
):
    """Gradient of the sum of ``cotangents`` times the coefficients of ``density_expansion``.

    Parameters
    ----------
    structures, channels, basis, smearing, cutoff_width, include_center, n_threads
        As for ``density_expansion``; the center itself is a constant.
    cotangents : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_channels * n_max).

    Returns
    -------
    positions : ndarray of shape (n_atoms, 3)
    strain : ndarray of shape (n_structures, 3, 3)
    """
    functions = density_functions(basis, smearing, cutoff_width)
    shape = (channels.count, basis.n_max)
    cotangents = [np.reshape(c, (*np.shape(c)[:2], *shape)) for c in cotangents]
    offsets = atom_offsets(structures)
    positions, strain = [np.zeros((0, 3))], [np.zeros((0, 3, 3))]
    for batch in _batches(structures, basis.cutoff):
        atoms = slice(offsets[batch.start], offsets[batch.stop])
        n_structures, size = batch.stop - batch.start, atoms.stop - atoms.start
        owners = np.repeat(np.arange(n_structures), np.diff(offsets)[batch])
        by_position, by_strain = pair_backward(
            pairs_within(structures[batch], basis.cutoff),
            channels.of(atoms),
            size,
            *functions,
            basis.l_max,
            [c[atoms] for c in cotangents],
            owners,
            n_structures,
            n_threads,
        )
        positions.append(by_position)
        strain.append(by_strain)
    return np.concatenate(positions), np.concatenate(strain)
