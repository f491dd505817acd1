"""Boxes for structures that repeat along two axes or one, as if they did along all three."""

from dataclasses import replace

import numpy as np

_STEPS = 16  # lengths are powers of 2^(1/16), so that the frames of a trajectory share boxes
_DIRECTIONS = 32  # of half a circle, in which widths are measured


def unit_axes(cell, periodic):
    """Unit vectors across the periodic directions, in the place of the other lattice vectors.

    Parameters
    ----------
    cell : ndarray of shape (3, 3)
    periodic : ndarray of shape (3,), bool
        One or two of them.

    Returns
    -------
    ndarray of shape (3, 3)
    """
    cell = np.array(cell, float)
    across = np.linalg.svd(cell[periodic])[2][periodic.sum() :]
    # of the two signs one, so that equal lattices have equal boxes
    largest = across[np.arange(len(across)), np.abs(across).argmax(axis=1)]
    cell[~periodic] = across * np.sign(largest)[:, None]
    return cell


def extent_across(structure):
    """Largest distance of atoms across the periodic directions, at most 0.2 % more.

    Vectors of the cell across are orthogonal and of unit length.
    """
    points = structure.positions @ structure.cell[~structure.periodic].T
    if points.shape[1] == 1:
        return float(np.ptp(points))
    angles = np.pi / _DIRECTIONS * np.arange(_DIRECTIONS)
    widths = np.ptp(points @ np.stack([np.cos(angles), np.sin(angles)]), axis=0)
    return float(widths.max() / np.cos(0.5 * np.pi / _DIRECTIONS))


def boxed(structure, length_of):
    """Put a structure into a box along the directions in which it does not repeat.

    Parameters
    ----------
    structure : Structure
        Vectors along which it does not repeat mean nothing.
    length_of : callable
        Largest distance of atoms across the periodic directions, and lengths of the vectors along
        these, to the length of the box.

    Returns
    -------
    Structure
    """
    cell, across = unit_axes(structure.cell, structure.periodic), ~structure.periodic
    extent = extent_across(replace(structure, cell=cell))
    repeats = np.linalg.norm(structure.cell[structure.periodic], axis=1)
    length = 2.0 ** (np.ceil(_STEPS * np.log2(length_of(extent, repeats))) / _STEPS)
    cell[across] *= length
    return replace(structure, cell=cell)
