"""Coefficients that are sums over neighbours, c_nlm = sum_j w_j F_nl(d_ij) Y_lm(r_ij).

Both the local density (theory, section 7) and the potential of isolated structures (section 5.1)
are of this form. Coefficients are kept as one array per degree l, of shape
(n_atoms, 2 l + 1, n_channels * n_radial), which invariants contract without copying.
"""

import numpy as np

from .harmonics import degree_slice, spherical_harmonics

_BLOCK = 2048  # padded pairs handled at once, so that their tables stay in cache


def expand_pairs(pairs, channels, n_atoms, radial, l_max):
    """Sum radial functions times harmonics over the neighbours of every atom.

    Neighbours are grouped by (center, channel); groups of similar size are padded to one length
    and summed as batched matrix products.

    Parameters
    ----------
    pairs : Pairs
        Ordered pairs.
    channels : Channels
        Channel and weight of every atom.
    n_atoms : int
        Number of atoms of the batch.
    radial : callable
        Distances (n,) to a new array of functions (n, (l_max + 1) * n_radial), l slowest.
    l_max : int
        Largest degree.

    Returns
    -------
    list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_channels, n_radial).
    """
    acting = channels.index[pairs.neighbors] >= 0
    groups = pairs.centers * channels.count + channels.index[pairs.neighbors]
    order = np.flatnonzero(acting)[np.argsort(groups[acting], kind="stable")]
    sizes = np.bincount(groups[acting], minlength=n_atoms * channels.count)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    by_size = np.argsort(-sizes, kind="stable")
    n_radial = radial(np.ones(1)).shape[1] // (l_max + 1)
    sums = [np.zeros((len(sizes), 2 * l + 1, n_radial)) for l in range(l_max + 1)]
    filled, n_groups = 0, int(np.count_nonzero(sizes))
    while filled < n_groups:
        width = sizes[by_size[filled]]
        block = by_size[filled : min(filled + max(1, _BLOCK // width), n_groups)]
        filled += len(block)
        slots = np.arange(width)
        present = slots < sizes[block][:, None]
        chosen = order[np.where(present, starts[block][:, None] + slots, starts[block][:, None])]
        vectors = pairs.vectors[chosen.ravel()]
        weights = np.where(present, channels.weights[pairs.neighbors[chosen]], 0.0)
        values = radial(np.sqrt(np.einsum("px,px->p", vectors, vectors)))
        values *= weights.reshape(-1, 1)
        values = values.reshape(*chosen.shape, l_max + 1, n_radial)
        harmonics = spherical_harmonics(vectors, l_max).reshape(*chosen.shape, -1)
        for l in range(l_max + 1):
            angular = harmonics[:, :, degree_slice(l)].transpose(0, 2, 1)
            sums[l][block] = angular @ values[:, :, l]
    return [
        s.reshape(n_atoms, channels.count, 2 * l + 1, n_radial).transpose(0, 2, 1, 3)
        for l, s in enumerate(sums)
    ]


def add_centers(coefficients, channels, values):
    """Add each atom's own term ``values`` (n_radial,), times its weight, to l = 0 in place."""
    atoms = np.flatnonzero(channels.index >= 0)
    coefficients[0][atoms, 0, channels.index[atoms]] += channels.weights[atoms, None] * values
