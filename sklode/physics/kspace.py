"""Reciprocal lattice vectors in half a sphere, stored as lines along the third axis.

The points of one line differ in one integer, so that exp(i k.r) along it is a contiguous product
of one-dimensional phase tables.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class HalfSphere:
    """One of each +-k pair with 0 < k < k_cutoff (theory, section 4.3).

    Attributes
    ----------
    vectors : ndarray of shape (n_k, 3)
        In 1/angstrom, line after line.
    norms : ndarray of shape (n_k,)
    lines : ndarray of shape (n_lines, 3), int
        First two integers of each line and the third of its first point.
    starts : ndarray of shape (n_lines + 1,), int
        Where each line begins in ``vectors``.
    """

    vectors: np.ndarray
    norms: np.ndarray
    lines: np.ndarray
    starts: np.ndarray

    def __len__(self):
        return len(self.norms)


def reciprocal(cell):
    """Rows are the reciprocal lattice vectors, 2 pi included."""
    return 2.0 * np.pi * np.linalg.inv(cell).T


def half_sphere(cell, k_cutoff):
    """Enumerate the half sphere of any cell, left-handed ones included."""
    bounds = np.floor(np.linalg.norm(cell, axis=1) * k_cutoff / (2.0 * np.pi)).astype(int)
    axes = [np.arange(0, bounds[0] + 1)] + [np.arange(-b, b + 1) for b in bounds[1:]]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    n1, n2, n3 = grid.T
    upper_half = (n1 > 0) | ((n2 > 0) & (n1 == 0)) | ((n3 > 0) & (n1 == 0) & (n2 == 0))
    grid = grid[upper_half]
    vectors = grid @ reciprocal(cell)
    norms = np.linalg.norm(vectors, axis=1)
    inside = norms < k_cutoff
    grid, vectors, norms = grid[inside], vectors[inside], norms[inside]
    # a line ends where the first two integers change; inside a sphere its points are consecutive
    breaks = np.flatnonzero(np.any(np.diff(grid[:, :2], axis=0) != 0, axis=1)) + 1
    starts = np.concatenate([[0], breaks, [len(grid)]]) if len(grid) else np.zeros(1, int)
    return HalfSphere(vectors, norms, grid[starts[:-1]], starts)


class PhaseTables:
    """exp(i k.r) of a set of atoms, built line by line from one-dimensional tables."""

    def __init__(self, positions, cell, sphere):
        fractional = positions @ np.linalg.inv(cell)
        n_points = np.diff(sphere.starts)
        highest = sphere.lines.max(axis=0)
        lowest = sphere.lines.min(axis=0)
        highest[2] = (sphere.lines[:, 2] + n_points - 1).max()
        self._lowest = lowest
        self._tables = [
            np.exp(2j * np.pi * np.outer(f - np.round(f), np.arange(lo, hi + 1)))
            for f, lo, hi in zip(fractional.T, lowest, highest, strict=True)
        ]
        self._sphere = sphere

    def fill(self, out, first_line, last_line):
        """Write the phases of a range of lines into ``out`` (n_atoms, n_points), complex."""
        first, second, third = self._tables
        column = 0
        for line in range(first_line, last_line):
            n1, n2, n3 = self._sphere.lines[line] - self._lowest
            n_points = self._sphere.starts[line + 1] - self._sphere.starts[line]
            prefix = first[:, n1] * second[:, n2]
            target = out[:, column : column + n_points]
            np.multiply(prefix[:, None], third[:, n3 : n3 + n_points], out=target)
            column += n_points


def line_blocks(sphere, points_per_block):
    """Split the lines into consecutive ranges of about ``points_per_block`` points each."""
    starts, blocks, first = sphere.starts, [], 0
    n_lines = len(sphere.lines)
    while first < n_lines:
        last = int(np.searchsorted(starts, starts[first] + points_per_block, side="right")) - 1
        last = min(max(last, first + 1), n_lines)
        blocks.append((first, last))
        first = last
    return blocks
