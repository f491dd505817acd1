"""Sums over pairs, c_i = sum_j w_j f(r_ij), differentiated by the atoms, pair by pair.

The coefficients of an atom change with a neighbour j by w_j grad f(r_ij), in the channel of j
alone, and with the atom itself by minus the sum of these. As f(-r) = (-1)^l f(r), the pairs around
an atom tell how it acts on its neighbours, too: all that changes when an atom moves follows from
its own pairs, so that atoms are handled few at a time.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from ..numerics.harmonics import degree_slice, harmonics_with_gradients, unit_vectors
from .reverse import equal_groups
from .values import functions_of_pairs


@dataclass(frozen=True, slots=True)
class MovedPairs:
    """Pairs around some atoms of a batch, atoms of equal numbers of pairs after each other.

    Attributes
    ----------
    rows : ndarray of shape (n_rows,)
        Where each atom is among those that are asked for.
    sizes : ndarray of shape (n_rows,)
        Numbers of pairs of each.
    neighbors : ndarray of shape (n_pairs,)
        Atoms of the batch.
    vectors : ndarray of shape (n_pairs, 3) or None
        From the atom to its neighbor, in angstrom; None if there is no nearest one.
    gradients : list of list of ndarray
        grad f(r_ij) for each law and each l, shape (n_pairs, 2 l + 1, 3, n_max).
    """

    rows: np.ndarray
    sizes: np.ndarray
    neighbors: np.ndarray
    vectors: np.ndarray
    gradients: list

    def with_functions(self, change):
        """Apply a linear map of the columns, ``change``, to the gradients."""
        return replace(self, gradients=change(self.gradients))

    def add_own(self, channels, out):
        """Add sums over the pairs of each atom and channel, times the weights of the neighbours.

        Parameters
        ----------
        channels : Channels
            Of all atoms of the batch.
        out : list of list of ndarray
            For each law and l, shape (n_rows, 2 l + 1, n_channels, 3, n_max).
        """
        self._add_sums(channels, np.ones((1, len(self.neighbors))), out)

    def add_moments(self, channels, out):
        """Add sums of r_a times the component b of the gradients, 9 of them, like ``add_own``."""
        self._add_sums(channels, self.vectors.T, out)

    def _add_sums(self, channels, factors, out):
        """Sums of the gradients times each of the factors, shape (n_factors, n_pairs)."""
        by_channel = self._by_channel(channels, len(out[0][0]), factors)
        for totals, law in zip(out, self.gradients, strict=True):
            for total, values in zip(totals, law, strict=True):
                sums = by_channel @ values.reshape(len(values), math.prod(values.shape[1:]))
                sums = sums.reshape(len(factors), len(total), channels.count, *values.shape[1:])
                total += sums.transpose(1, 3, 2, 0, 4, 5).reshape(total.shape)

    def _by_channel(self, channels, n_rows, factors):
        """Sparse matrix that sums values of pairs, (n_factors * n_rows * n_channels, n_pairs)."""
        channel = channels.index[self.neighbors]
        labels = np.repeat(self.rows, self.sizes) * channels.count + channel
        acting = np.flatnonzero(channel >= 0)
        acting = acting[np.argsort(labels[acting], kind="stable")]
        counts = np.bincount(labels[acting], minlength=n_rows * channels.count)
        ends = np.cumsum(np.tile(counts, len(factors)))
        weights = channels.weights[self.neighbors[acting]] * factors[:, acting]
        places = np.tile(acting, len(factors)), np.concatenate([[0], ends])
        return csr_array((weights.ravel(), *places), shape=(len(ends), len(self.neighbors)))

    def add_of_neighbors(self, law, factors, out):
        """Add products of grad f(r_ij) and factors of the neighbours.

        Parameters
        ----------
        law : int
        factors : list of ndarray
            For each l, or for the first of them, shape (n_atoms, 2 l + 1, n_factors) for all atoms
            of the batch.
        out : list of ndarray
            The same, shape (n_rows, 3 * n_max, n_factors).
        """
        for values, of_degree, total in zip(self.gradients[law], factors, out, strict=False):
            around = np.take(of_degree, self.neighbors, axis=0)
            for subset, pairs in equal_groups(self.sizes):
                shape = subset.stop - subset.start, self.sizes[subset.start] * values.shape[1], -1
                left, right = values[pairs].reshape(shape), around[pairs].reshape(shape)
                total[self.rows[subset]] += left.swapaxes(1, 2) @ right


class NearPairs:
    """Pairs of atoms at hand as a list, handled few atoms at a time.

    Parameters
    ----------
    pairs : Pairs
        Ordered pairs, each both ways.
    atoms : ndarray of shape (n_atoms,)
        What the atoms of the pairs are in the batch, ascending.
    function : RadialFunction
        Values of shape (n, (l_max + 1) * n_laws * n_max), l slowest.
    l_max, n_laws : int
    """

    def __init__(self, pairs, atoms, function, l_max, n_laws):
        self.atoms, self._l_max, self._n_laws = atoms, l_max, n_laws
        self._order = np.argsort(pairs.centers, kind="stable")
        self._neighbors, self._vectors = pairs.neighbors[self._order], pairs.vectors[self._order]
        self.sizes = np.bincount(pairs.centers, minlength=len(atoms))
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)])
        both = function.values_and_slopes
        self._functions = functions_of_pairs(both, pairs, both(np.ones(1)).size)

    def around(self, subset, rows):
        """A list of the pairs of a slice of the atoms, the ``rows`` of those asked for."""
        by_size, chosen = largest_first(self.sizes[subset])
        chosen += self._starts[subset.start]
        vectors = self._vectors[chosen]
        functions = self._functions(self._order[chosen], vectors)
        gradients = _gradients(vectors, functions, self._l_max, self._n_laws)
        neighbors = self.atoms[self._neighbors[chosen]]
        sizes = self.sizes[subset][by_size]
        return [MovedPairs(rows[by_size], sizes, neighbors, vectors, gradients)]

    def strained_waves(self, _):
        """None, as pairs are strained one by one."""
        return []

    def add_strained(self, subset, rows, channels, around, out):
        """Add derivatives by the strain [a, b], sums of r_a d/dr_b.

        ``out`` holds for each law and l an array of shape (n_rows, 2 l + 1, n_channels, 9, n_max).
        """
        (around,) = self.around(subset, rows) if around is None else around
        around.add_moments(channels, out)


def largest_first(sizes):
    """Atoms ordered by their numbers of pairs, and the pairs ordered like them."""
    rows = np.argsort(-sizes, kind="stable")
    starts, sorted_sizes = np.cumsum(sizes) - sizes, sizes[rows]
    shifts = starts[rows] - np.cumsum(sorted_sizes) + sorted_sizes
    return rows, np.repeat(shifts, sorted_sizes) + np.arange(sizes.sum())


def _gradients(vectors, functions, l_max, n_laws):
    """Gradients u F' Y_lm + F grad Y_lm for each law and l, shape (n_pairs, 2 l + 1, 3, n_max)."""
    n_pairs, n_max = len(vectors), functions.shape[2] // ((l_max + 1) * n_laws)
    functions = functions.reshape(n_pairs, 2, l_max + 1, n_laws, n_max)
    units = unit_vectors(vectors)
    harmonics, gradients = harmonics_with_gradients(vectors, l_max)
    found = [[] for _ in range(n_laws)]
    for l in range(l_max + 1):
        angular = np.empty((n_pairs, 2 * l + 1, 3, 2))
        np.multiply(harmonics[:, degree_slice(l), None], units[:, None], out=angular[..., 0])
        angular[..., 1] = gradients[:, :, degree_slice(l)].swapaxes(1, 2)
        for law, parts in enumerate(found):
            products = angular.reshape(n_pairs, 6 * l + 3, 2) @ functions[:, :, l, law]
            parts.append(products.reshape(n_pairs, 2 * l + 1, 3, n_max))
    return found
