"""Derivatives of the rows of structures, block by block of their atoms."""

import numpy as np

from ..operators.linearized import blocks_of_atoms


def differentiate(terms, fields, offsets, positions, strain):
    """Derivatives of rows by positions and by strain, as far as wanted.

    Beside the result, memory is that of a block of atoms and of lists of pairs.

    Parameters
    ----------
    terms : list of pair
        Consecutive columns as SpectrumGradients or SumGradients, and the numbers of their fields.
    fields : list of Linearized
    offsets : ndarray of shape (n_structures + 1,)
        Where each structure begins among the atoms.
    positions, strain : bool
        Which are wanted.

    Returns
    -------
    positions : list of ndarray of shape (n_atoms, 3, n_features) or None
        Parts of one array.
    strain : ndarray of shape (n_structures, 3, 3, n_features) or None
    """
    n_columns = sum(term.n_columns for term, _ in terms)
    moved = np.empty((offsets[-1], 3 * n_columns)) if positions else None
    strained = np.zeros((len(offsets) - 1, 9 * n_columns)) if strain else None
    numbers = sum(field.numbers() for field in fields) + max(t.n_numbers for t, _ in terms)
    for block in blocks_of_atoms(offsets, numbers):
        kinds = zip(*[field.of_block(block, positions, strain) for field in fields], strict=True)
        if positions:
            _fill(terms, next(kinds), moved[block.atoms])
        if strain:
            rows = np.empty((len(block.cuts) - 1, strained.shape[1]))
            _fill(terms, next(kinds), rows)
            strained[block.structures] += rows  # a large structure has several blocks
    if positions:
        moved = np.split(moved.reshape(len(moved), 3, n_columns), offsets[1:-1])
    if strain:
        strained = strained.reshape(len(strained), 3, 3, n_columns)
    return moved, strained


def _fill(terms, fields, out):
    """All columns of some rows, ``out`` (n_rows, n_directions * n_columns)."""
    if len(terms) == 1:
        ((term, used),) = terms
        term([fields[i] for i in used], out)
        return
    n_directions, first = fields[0].n_directions, 0
    out = out.reshape(len(out), n_directions, -1, copy=False)
    for term, used in terms:
        part = np.empty((len(out), n_directions * term.n_columns))
        term([fields[i] for i in used], part)
        out[:, :, first : first + term.n_columns] = part.reshape(len(out), n_directions, -1)
        first += term.n_columns
