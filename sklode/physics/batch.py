"""Batches that mix isolated and periodic structures."""

import numpy as np


def expand_batch(structures, channels, widths, isolated, periodic):
    """Coefficients of a batch, each structure handled as its periodicity says.

    Parameters
    ----------
    structures : list of Structure
        Isolated or periodic along all three directions.
    channels : Channels
        Of all atoms of the batch.
    widths : list of int
        Number of columns for each l.
    isolated : callable
        List of structures and their channels to coefficients (all isolated ones at once).
    periodic : callable
        One structure and its channels to coefficients.

    Returns
    -------
    list of ndarray
        For each l, shape (n_atoms, 2 l + 1, widths[l]).
    """
    n_atoms = len(channels.index)
    out = [np.zeros((n_atoms, 2 * l + 1, width)) for l, width in enumerate(widths)]
    owner = np.repeat(np.arange(len(structures)), [len(s) for s in structures])
    repeats = np.array([bool(s.periodic.any()) for s in structures])
    jobs = [(isolated, np.flatnonzero(~repeats))] if not repeats.all() else []
    jobs += [(periodic, [number]) for number in np.flatnonzero(repeats)]
    for expand, numbers in jobs:
        chosen = [structures[number] for number in numbers]
        atoms = np.flatnonzero(np.isin(owner, numbers))
        parts = expand(chosen if expand is isolated else chosen[0], channels.of(atoms))
        for whole, part in zip(out, parts, strict=True):
            whole[atoms] = part.reshape(*whole[atoms].shape)
    return out
