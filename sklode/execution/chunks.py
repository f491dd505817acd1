"""Rows and gradients of many structures, chunk by chunk, put together where they belong."""

import numpy as np
from joblib import effective_n_jobs

from ..physics import blocks
from ..physics.system.structures import alike_together, as_slice
from .shared_memory import shared_rows
from .workers import chunks_by_atoms, each_chunk


def rows_of_all(transformer, structures, per_atom):
    """Rows of all structures, computed chunk by chunk as joblib's configuration says.

    The chunks depend on the structures alone, never on the number of workers: serial and parallel
    results are identical to the last bit. Structures of the same elements share them.

    Parameters
    ----------
    transformer : StructureTransformer
    structures : list of Structure
    per_atom : bool
        One row an atom instead of one a structure.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
    """
    sizes, order = np.array([len(s) for s in structures]), alike_together(structures)
    at_once = transformer.atoms_at_once(structures)
    chunks = [order[chunk] for chunk in chunks_by_atoms(sizes[order], at_once)]
    n_jobs = _n_jobs(transformer)
    n_threads = max(1, effective_n_jobs(n_jobs) // len(chunks))
    jobs = [([structures[i] for i in chunk], per_atom, n_threads) for chunk in chunks]
    places = [as_slice(p) for p in (_places(chunks, sizes) if per_atom else chunks)]
    n_rows = sizes.sum() if per_atom else len(sizes)
    shared = None
    if len(jobs) > 1:
        shape = n_rows, transformer.n_features_out
        shared = shared_rows(shape, transformer.row_dtype, n_jobs)
    if shared is None:
        return _assembled(each_chunk(_rows, transformer, jobs, n_jobs), places, n_rows)
    jobs = [(*job, shared, place) for job, place in zip(jobs, places, strict=True)]
    with shared as rows:
        sent = each_chunk(_written_rows, transformer, jobs, n_jobs)
        for place, part in zip(places, sent, strict=True):
            if part is not None:
                rows[place] = part
    return rows


def _places(chunks, sizes):
    """Rows of the atoms of chunks of structures."""
    starts = np.cumsum(sizes) - sizes
    within = [np.arange(sizes[chunk].sum()) for chunk in chunks]
    ends = [np.cumsum(sizes[chunk]) for chunk in chunks]
    return [
        atoms + np.repeat(starts[chunk] + sizes[chunk] - end, sizes[chunk])
        for chunk, atoms, end in zip(chunks, within, ends, strict=True)
    ]


def _assembled(parts, places, n_rows):
    """Rows of all parts at their places in one array, each part freed once it is copied."""
    rows = None
    for part, place in zip(parts, places, strict=True):
        if isinstance(place, slice) and len(part) == n_rows:
            return part
        if rows is None:
            rows = np.empty((n_rows, part.shape[1]), part.dtype)
        rows[place] = part
    return rows


def _rows(transformer, structures, per_atom, n_threads):
    return transformer.compute_rows(structures, per_atom, n_threads)


def _written_rows(transformer, structures, per_atom, n_threads, shared, place):
    """None if the rows are in the file, else the rows."""
    rows = transformer.compute_rows(structures, per_atom, n_threads)
    if isinstance(place, slice):
        parts, starts = [rows], [place.start]
    else:
        cuts = np.flatnonzero(np.diff(place) != 1) + 1
        parts, starts = np.split(rows, cuts), place[np.concatenate([[0], cuts])]
    return None if shared.write(parts, starts) else rows


def gradients_of_all(transformer, structures, positions, strain):
    """Rows of all structures, and their derivatives by positions and by strain.

    Parameters
    ----------
    transformer : StructureTransformer
    structures : list of Structure
    positions, strain : bool
        Which derivatives are wanted; the others are None.

    Returns
    -------
    rows : ndarray of shape (n_structures, n_features)
    positions : list of ndarray of shape (n_atoms, 3, n_features) or None
    strain : ndarray of shape (n_structures, 3, 3, n_features) or None
    """
    sizes, n_jobs = np.array([len(s) for s in structures]), _n_jobs(transformer)
    chunks = chunks_by_atoms(sizes, blocks.CHUNK_ATOMS_WITH_GRADIENTS)
    jobs = [(structures[chunk], positions, strain) for chunk in chunks]
    counts = np.concatenate([3 * sizes] * positions + [np.full(len(sizes), 9)] * strain)
    shape = counts.sum(), transformer.n_features_out
    shared = shared_rows(shape, np.dtype(float), n_jobs) if len(jobs) > 1 else None
    if shared is None:
        rows, moved, strained = zip(*each_chunk(_gradients, transformer, jobs, n_jobs), strict=True)
        moved = [array for part in moved for array in part] if positions else None
        return np.concatenate(rows), moved, np.concatenate(strained) if strain else None
    # one array: the derivatives of each structure by positions, then those by strain
    starts = (np.cumsum(counts) - counts).reshape(-1, len(sizes))
    places = [starts[:, chunk].ravel() for chunk in chunks]
    rows, whole = _gradients_in_file(transformer, jobs, shared, places)
    parts = [part.reshape(-1, 3, shape[1]) for part in np.split(whole, starts.ravel()[1:])]
    strained = whole[-9 * len(sizes) :].reshape(-1, 3, 3, shape[1]) if strain else None
    return rows, parts[: len(sizes)] if positions else None, strained


def _gradients_in_file(transformer, jobs, shared, places):
    """Rows, and the derivatives of all structures, that begin at ``places`` for each job."""
    rows = []
    jobs = [(*job, shared, starts) for job, starts in zip(jobs, places, strict=True)]
    with shared as whole:
        sent = each_chunk(_written_gradients, transformer, jobs, _n_jobs(transformer))
        for starts, (part, derivatives) in zip(places, sent, strict=True):
            rows.append(part)
            for start, values in zip(starts, derivatives or [], strict=derivatives is not None):
                flat = values.reshape(-1, whole.shape[1])
                whole[start : start + len(flat)] = flat
    return np.concatenate(rows), whole


def _gradients(transformer, structures, positions, strain):
    return transformer.compute_gradients(structures, positions, strain)


def _written_gradients(transformer, structures, positions, strain, shared, starts):
    """Rows, and None if their derivatives are in the file, else those."""
    rows, moved, strained = transformer.compute_gradients(structures, positions, strain)
    derivatives = [*(moved if positions else ()), *(strained if strain else ())]
    return rows, None if shared.write(derivatives, starts) else derivatives


def backward_of_all(transformer, structures, cotangents, with_rows):
    """Rows of all structures, and gradients of one combination of the columns of each.

    Parameters
    ----------
    transformer : StructureTransformer
    structures : list of Structure
    cotangents : ndarray of shape (n_structures, n_features)
    with_rows : bool
        Whether rows are wanted.

    Returns
    -------
    rows : ndarray of shape (n_structures, n_features) or None
    positions : list of ndarray of shape (n_atoms, 3)
    strain : ndarray of shape (n_structures, 3, 3)
    """
    sizes = [len(s) for s in structures]
    jobs = [(structures[c], cotangents[c], with_rows) for c in chunks_by_atoms(sizes)]
    parts = each_chunk(_backward, transformer, jobs, _n_jobs(transformer))
    rows, positions, strains = zip(*parts, strict=True)
    positions = np.split(np.concatenate(positions), np.cumsum(sizes)[:-1])
    return np.concatenate(rows) if with_rows else None, positions, np.concatenate(strains)


def _backward(transformer, structures, cotangents, with_rows):
    return transformer.compute_backward(structures, cotangents, with_rows)


def _n_jobs(transformer):
    return getattr(transformer, "n_jobs", None)
