"""B-splines on a periodic mesh: spreading of weights, and derivatives of fields at atoms.

A cardinal B-spline of order w covers w mesh points an axis, has w - 2 continuous derivatives and
the Fourier transform sinc^w, which all but vanishes where long waves are aliased to: what the
derivatives of potentials, whose long waves are strong, need (theory, section 4.5).
"""

from functools import lru_cache, partial
from itertools import pairwise

import numpy as np
from scipy.interpolate import BSpline
from scipy.sparse import csr_array

from .. import blocks
from ..numerics.threads import in_threads
from ..system.structures import as_slice


class SplineMesh:
    """Atoms on a periodic mesh.

    Parameters
    ----------
    cell : ndarray of shape (3, 3)
    shape : tuple of int
        Mesh points along each lattice vector, at least ``order``.
    order : int
        Number w of points that a spline covers along each axis.
    positions : ndarray of shape (n_atoms, 3)
        In angstrom, anywhere.
    n_derivatives : int
        Highest derivative that will be asked for.
    dtype : numpy.dtype
        Precision of splines and fields.
    """

    def __init__(self, cell, shape, order, positions, n_derivatives, dtype):
        self.shape, self.order, self._dtype = tuple(shape), order, dtype
        inverse = np.linalg.inv(cell)
        self.gradient = inverse * self.shape  # d/dr = gradient @ d/du, u the mesh coordinate
        scaled = (positions @ inverse) % 1.0 * self.shape - (0.5 * order - 1.0)
        self._first = np.floor(scaled).astype(int)
        powers = np.vander((scaled - self._first).ravel() - 0.5, order, increasing=True)
        powers = powers.reshape(-1, 3, order)
        pieces = spline_pieces(order, n_derivatives)
        values = np.tensordot(powers, pieces, axes=(2, 1))  # (n_atoms, 3, derivative, point)
        self._first %= self.shape
        self._splines = np.ascontiguousarray(values.transpose(1, 0, 2, 3), dtype)

    def __len__(self):
        return len(self._first)

    def attenuation(self):
        """Fourier transform of the splines on the mesh of a real FFT, an array for each axis."""
        integers = [np.fft.fftfreq(n) for n in self.shape[:2]] + [np.fft.rfftfreq(self.shape[2])]
        return [np.sinc(x) ** self.order for x in integers]

    def spread(self, weights, n_threads=1):
        """Sum of the splines of all atoms, times their weights.

        Parameters
        ----------
        weights : ndarray of shape (n_atoms, n_channels)
        n_threads : int, default=1
            Threads that share the channels.

        Returns
        -------
        ndarray of shape (n_channels, *shape)
        """
        fields = np.zeros((weights.shape[1], *self.shape), self._dtype)

        def fill(channel):
            lines = fields[channel].reshape(-1, self.shape[2], copy=False)
            for atoms, planes in self._slabs(np.flatnonzero(weights[:, channel])):
                in_lines = self._in_lines(atoms, weights[atoms, channel])
                lines[:, as_slice(planes)] += in_lines.T @ self._along_z(atoms, planes)

        in_threads(fill, range(len(fields)), n_threads)
        return fields

    def _slabs(self, atoms):
        """Atoms whose splines begin in the same slab of the mesh, and the planes they reach.

        Products of dense rows cost the time of all planes, so that slabs are thin.
        """
        n_z = self.shape[2]
        n_slabs = max(1, n_z // (blocks.SLAB_WIDTHS * self.order))
        edges = np.arange(n_slabs + 1) * n_z // n_slabs
        slab = np.searchsorted(edges, self._first[atoms, 2], side="right") - 1
        for number, (first, last) in enumerate(pairwise(edges.tolist())):
            planes = np.arange(first, min(last + self.order - 1, first + n_z)) % n_z
            yield atoms[slab == number], planes

    def _in_lines(self, atoms, weights):
        """Weighted splines along x and y, (n, n_x * n_y), where they are not zero."""
        x, y, _ = self._points(atoms)
        sx, sy, _ = self._splines[:, atoms, 0]
        values = (sx * weights[:, None].astype(self._dtype))[:, :, None] * sy[:, None, :]
        lines = x[:, :, None] * self.shape[1] + y[:, None, :]
        starts = np.arange(len(atoms) + 1) * self.order**2
        shape = len(atoms), self.shape[0] * self.shape[1]
        return csr_array((values.ravel(), lines.ravel(), starts), shape=shape)

    def _along_z(self, atoms, planes):
        """Splines along z on some consecutive planes, (n, n_planes)."""
        dense = np.zeros((len(atoms), len(planes)), self._dtype)
        places = (self._first[atoms, 2, None] - planes[0] + np.arange(self.order)) % self.shape[2]
        np.put_along_axis(dense, places, self._splines[2, atoms, 0], axis=1)
        return dense

    def spread_derivatives(self, n_fields, highest, values):
        """Sum of derivatives of the splines of all atoms, times values: ``derivatives`` reversed.

        Parameters
        ----------
        n_fields : int
        highest : int
            Largest total order of the derivatives.
        values : callable
            Atoms to numbers of shape (n, n_triples, n_fields), as of ``derivatives``.

        Returns
        -------
        ndarray of shape (n_fields, *shape)
        """
        n_points = int(np.prod(self.shape))
        fields = np.zeros((n_points, n_fields), self._dtype)
        in_blocks, per_block = (
            self.in_blocks(n_fields),
            blocks.atoms_per_block(self.order**3 * n_fields),
        )
        # so many blocks at once that no sweep over the mesh is idle
        at_once = max(1, n_points // (self.order**3 * per_block))
        for start in range(0, len(in_blocks), at_once):
            subset = in_blocks[start : start + at_once]
            windows = [self._spread_windows(atoms, highest, values(atoms)) for atoms in subset]
            windows = np.concatenate(windows).reshape(-1, n_fields)
            points = self._flat_points(np.concatenate(subset)).ravel()
            rows = np.arange(len(points) + 1)
            ones = np.ones(len(points), self._dtype)
            taken = csr_array((ones, points, rows), shape=(len(points), n_points))
            fields += taken.T @ windows
        return fields.T.reshape(-1, *self.shape)

    def _spread_windows(self, atoms, highest, values):
        """Values of ``spread_derivatives`` at the points around some atoms, (n, w, w, w, n_f)."""
        n, w, n_orders = len(atoms), self.order, highest + 1
        along_x, along_y, along_z = self._splines[:, atoms].swapaxes(2, 3)
        n_fields, taken = values.shape[-1], 0
        lines = np.empty((n, n_orders, w * w * n_fields), self._dtype)
        for a in range(n_orders):
            points = np.empty((n, n_orders - a, w * n_fields), self._dtype)
            for b in range(n_orders - a):
                count = n_orders - a - b
                subset = values[:, taken : taken + count]
                points[:, b] = (along_z[:, :, :count] @ subset).reshape(n, -1)
                taken += count
            lines[:, a] = (along_y[:, :, : n_orders - a] @ points).reshape(n, -1)
        return (along_x[:, :, :n_orders] @ lines).reshape(n, w, w, w, n_fields)

    def _flat_points(self, atoms):
        x, y, z = self._points(atoms)
        lines = (x[:, :, None] * self.shape[1] + y[:, None, :])[..., None] * self.shape[2]
        return lines + z[:, None, None, :]

    def _points(self, atoms):
        steps = np.arange(self.order)
        return [(self._first[atoms, d, None] + steps) % n for d, n in enumerate(self.shape)]

    def windows(self, n_fields, fields, n_threads=1):
        """Callable that gives the fields at the points around some atoms, (n, w, w, w * n_fields).

        ``fields`` holds consecutive parts of all fields, each of shape (n, *shape).
        """
        (n_x, n_y, n_z), w = self.shape, self.order
        padded, filled = np.empty((n_x, n_y, n_z + w, n_fields), self._dtype), 0
        slabs = [slice(start, start + blocks.PLANES) for start in range(0, n_x, blocks.PLANES)]
        for part in fields:
            target = padded[:, :, :n_z, filled : filled + len(part)]
            in_threads(partial(_interleave, target, part), slabs, n_threads)
            filled += len(part)
        for start in range(n_z, n_z + w, n_z):  # cells thinner than a spline are met repeatedly
            stop = min(start + n_z, n_z + w)
            padded[:, :, start:stop] = padded[:, :, : stop - start]
        shape = (n_x, n_y, n_z, w * n_fields)
        runs = np.lib.stride_tricks.as_strided(padded, shape, padded.strides, writeable=False)

        def of_atoms(atoms):
            x, y, _ = self._points(atoms)
            return runs[x[:, :, None], y[:, None, :], self._first[atoms, 2, None, None]]

        return of_atoms

    def derivatives(self, atoms, windows, highest=None):
        """Mixed derivatives of the fields at some atoms, of all total orders up to the highest.

        Parameters
        ----------
        atoms : ndarray of int
        windows : ndarray
            Of these atoms, as from ``windows``.
        highest : int, default=None
            Largest total order; None is that of the mesh.

        Returns
        -------
        ndarray of shape (n, n_triples, n_fields)
            In mesh coordinates, in the order of ``derivative_triples``.
        """
        n, w = len(atoms), self.order
        highest = self._splines.shape[2] - 1 if highest is None else highest
        along_x, along_y, along_z = self._splines[:, atoms, : highest + 1]
        n_orders = along_x.shape[1]
        n_fields = windows.shape[-1] // w
        out = np.empty((n, n_triples(n_orders - 1), n_fields), self._dtype)
        lines = along_x @ windows.reshape(n, w, -1)
        filled = 0
        for a in range(n_orders):
            points = along_y[:, : n_orders - a] @ lines[:, a].reshape(n, w, -1)
            for b in range(n_orders - a):
                count = n_orders - a - b
                target = out[:, filled : filled + count]
                np.matmul(along_z[:, :count], points[:, b].reshape(n, w, -1), out=target)
                filled += count
        return out

    def in_blocks(self, n_fields):
        """Atoms in blocks whose windows fit into the cache, neighbours together."""
        x, y, z = self._first.T
        order = np.lexsort((z, y, x))
        size = blocks.atoms_per_block(self.order**3 * n_fields)
        return [order[start : start + size] for start in range(0, len(order), size)]


def n_triples(highest):
    """How many derivatives there are up to a total order."""
    return (highest + 1) * (highest + 2) * (highest + 3) // 6


def derivative_triples(highest):
    """Orders (a, b, c) along the three axes with a + b + c <= highest, c fastest."""
    return np.array(
        [
            (a, b, c)
            for a in range(highest + 1)
            for b in range(highest + 1 - a)
            for c in range(highest + 1 - a - b)
        ]
    )


def _interleave(target, fields, slab):
    """Store fields as the last axis, for a slab of the mesh."""
    target[slab] = np.moveaxis(fields[:, slab], 0, -1)


@lru_cache(maxsize=32)
def spline_pieces(order, n_derivatives):
    """Polynomials of a B-spline and its derivatives on the points that it covers.

    Returns
    -------
    ndarray of shape (n_derivatives + 1, order, order)
        [derivative, power of t - 1/2, mesh point], t in [0, 1) the offset of the atom.
    """
    spline = BSpline.basis_element(np.arange(order + 1.0), extrapolate=False)
    pieces = np.zeros((n_derivatives + 1, order, order))
    for derivative in range(min(n_derivatives, order - 1) + 1):
        # about the middle of the piece that point j sees, where s = order - 1 - j + t
        middles = order - 0.5 - np.arange(order)
        for power in range(order - derivative):
            slope = spline.derivative(derivative + power) if derivative + power else spline
            factorial = np.prod(np.arange(1.0, power + 1.0))
            pieces[derivative, power] = slope(middles) / factorial
    return pieces
