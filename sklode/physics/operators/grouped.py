"""Batches that mix isolated and periodic structures."""

import numpy as np

from ..system.structures import repeat


def expand_batch(structures, channels, widths, isolated, periodic, dtype="float64"):
    """Coefficients of a batch, each structure handled as its periodicity says.

    Parameters
    ----------
    structures : list of Structure
        Isolated or periodic along all three directions.
    channels : Channels
        Of all atoms of the batch.
    widths : list of int
        Number of columns for each l.
    isolated, periodic : callable
        List of structures and their channels to coefficients, for all of one kind at once.
    dtype : {"float64", "float32"}, default="float64"
        Of the result.

    Returns
    -------
    list of ndarray
        For each l, shape (n_atoms, 2 l + 1, widths[l]).
    """
    repeats = repeat(structures)
    if repeats.all() or not repeats.any():
        parts = (periodic if repeats[0] else isolated)(structures, channels)
        return [part.reshape(*part.shape[:2], -1).astype(dtype, copy=False) for part in parts]
    n_atoms = len(channels.index)
    out = [np.zeros((n_atoms, 2 * l + 1, width), dtype) for l, width in enumerate(widths)]
    owner = np.repeat(np.arange(len(structures)), [len(s) for s in structures])
    for expand, chosen in ((isolated, ~repeats), (periodic, repeats)):
        if chosen.any():
            atoms = np.flatnonzero(chosen[owner])
            kind = [s for s, taken in zip(structures, chosen, strict=True) if taken]
            for whole, part in zip(out, expand(kind, channels.of(atoms)), strict=True):
                whole[atoms] = part.reshape(len(atoms), *whole.shape[1:])
    return out


def in_groups(structures, channels, keys, expand):
    """Coefficients of structures, those with equal keys together.

    Parameters
    ----------
    structures : list of Structure
    channels : Channels
        Of all atoms of the structures.
    keys : list
        Hashable, one a structure.
    expand : callable
        Key, list of structures and their channels to coefficients for each l, atoms first.

    Returns
    -------
    list of ndarray
        For each l.
    """
    if len(set(keys)) == 1:
        return expand(keys[0], structures, channels)
    out = None
    for key, atoms, group, acting in each_group(structures, channels, keys):
        parts = expand(key, group, acting)
        if out is None:
            n_atoms = len(channels.index)
            out = [np.zeros((n_atoms, *part.shape[1:]), part.dtype) for part in parts]
        for whole, part in zip(out, parts, strict=True):
            whole[atoms] = part
    return out


def backward_in_groups(structures, channels, cotangents, keys, backward):
    """Derivatives of sums of cotangents times coefficients, structures with equal keys together.

    Parameters
    ----------
    structures : list of Structure
    channels : Channels
        Of all atoms of the structures.
    cotangents : list of ndarray
        For each l, atoms first.
    keys : list
        Hashable, one a structure.
    backward : callable
        Key, list of structures, their channels and cotangents to the derivatives.

    Returns
    -------
    positions : ndarray of shape (n_atoms, 3)
    strain : ndarray of shape (n_structures, 3, 3)
    """
    if len(set(keys)) == 1:
        return backward(keys[0], structures, channels, cotangents)
    positions, strain = np.zeros((len(channels.index), 3)), np.zeros((len(structures), 3, 3))
    for key, chosen, atoms in _members(structures, keys):
        group, parts = [structures[i] for i in chosen], [c[atoms] for c in cotangents]
        positions[atoms], strain[chosen] = backward(key, group, channels.of(atoms), parts)
    return positions, strain


def each_group(structures, channels, keys):
    """Structures with equal keys together.

    Parameters
    ----------
    structures : list of Structure
    channels : Channels
        Of all atoms of the structures.
    keys : list
        Hashable, one a structure.

    Yields
    ------
    key
    atoms : ndarray of int
        Which atoms are theirs, ascending.
    group : list of Structure
    channels : Channels
        Of these atoms.
    """
    for key, chosen, atoms in _members(structures, keys):
        yield key, atoms, [structures[i] for i in chosen], channels.of(atoms)


def _members(structures, keys):
    """Each distinct key, and the structures and atoms that it belongs to."""
    distinct = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    numbers = np.array([distinct[key] for key in keys])
    owner = np.repeat(numbers, [len(s) for s in structures])
    for key, number in distinct.items():
        yield key, np.flatnonzero(numbers == number), np.flatnonzero(owner == number)
