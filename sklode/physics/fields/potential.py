"""Coefficients <anlm|V_i> of the long-range potential, isolated and periodic structures alike."""

from functools import lru_cache

import numpy as np

from ..operators.grouped import expand_batch, in_groups
from ..pairs.pair_sum import ShortRange, laws_first
from ..pairs.values import add_centers, expand_pairs
from ..planning.splitting import (
    SMALLEST_SPLIT,
    nearest_sources,
    reach_of_pairs,
    split_smearing,
    splits_of,
)
from ..radial.bases import TABLE_ACCURACY, center_integrals, pair_table
from ..radial.switches import exterior_weight
from ..system.neighbors import all_pairs
from .periodic import PeriodicExpansion

_ROUNDING = 1e-15


def potential_expansion(
    structures,
    channels,
    basis,
    laws,
    *,
    include_center,
    summation,
    exterior_width=None,
):
    """Coefficients of a batch of structures, isolated and periodic ones in any mixture.

    ``summation`` says how k-vectors are summed. ``exterior_width`` is None for the potential of
    all atoms, or the width of the shell below ``basis.cutoff`` in which atoms begin to act.

    Returns
    -------
    list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws * n_channels * n_max).
    """
    laws = tuple(laws)
    periodic = periodic_potential(basis, laws, include_center, exterior_width, summation)

    def isolated(chosen, their_channels):
        return _isolated_sum(chosen, their_channels, basis, laws, include_center, exterior_width)

    widths = [len(laws) * channels.count * basis.n_max] * (basis.l_max + 1)
    return expand_batch(structures, channels, widths, isolated, periodic, summation.dtype)


def _isolated_sum(structures, channels, basis, laws, include_center, exterior_width):
    """Direct sum over the pairs of isolated structures (theory, section 5.1)."""
    tables = _tables(basis, laws)

    def radial(distances):
        values = tables(distances)
        if exterior_width is not None:
            values = values * exterior_weight(distances, basis.cutoff, exterior_width)[:, None]
        return values

    n_atoms = len(channels.index)
    coefficients = expand_pairs(all_pairs(structures), channels, n_atoms, radial, basis.l_max)
    if include_center:
        add_centers(coefficients, channels, _own(basis, laws).ravel())
    return [laws_first(c, len(laws)) for c in coefficients]


def _tables(basis, laws, table_of=pair_table):
    """Pair functions of all laws, (n, (l_max + 1) * n_laws * n_max) with l slowest."""
    tables = [table_of(basis, law) for law in laws]

    def radial(distances):
        shape = (len(distances), basis.l_max + 1, 1, basis.n_max)
        values = [table(distances).reshape(shape) for table in tables]
        n_columns = (basis.l_max + 1) * len(laws) * basis.n_max
        return np.concatenate(values, axis=2).reshape(len(distances), n_columns)

    return radial


def _own(basis, laws):
    """Coefficients of an atom's own potential, (n_laws, n_max)."""
    return np.stack([center_integrals(basis, law) for law in laws])


@lru_cache(maxsize=8)
def periodic_potential(*parameters):
    """One object for all batches, since the frames of a trajectory share what it keeps."""
    return _PeriodicPotential(*parameters)


class _PeriodicPotential:
    """The potential of periodic structures, all of it or that of the atoms beyond the cutoff.

    A sum over k-vectors (section 4.1), of the potential itself or, where that is cheaper or asked
    for by the accuracy of a far field, of a wider smeared one with corrections from pairs
    (section 4.4).
    """

    def __init__(self, basis, laws, include_center, exterior_width, summation):
        self._basis, self._laws = basis, laws
        self._include_center, self._exterior_width = include_center, exterior_width
        self._how = summation
        self._sums = {}

    def __call__(self, structures, channels):
        def expand(split, *group):
            return self.sum_of(split)(*group)

        return in_groups(structures, channels, self.splits(structures, channels), expand)

    def splits(self, structures, channels):
        """For each structure what the sum of it is known by, which depends on the cell alone."""
        if self._how.k_cutoff is not None and self._exterior_width is None:
            return [None] * len(structures)
        return splits_of(structures, channels, self._split)

    def sum_of(self, split):
        """The sum for a split, a PeriodicExpansion."""
        if split not in self._sums:
            self._sums[split] = self._unsplit_sum() if split is None else self._split_sum(*split)
        return self._sums[split]

    def _split(self, sources):
        """Smearing of the k-sum and distance of the sources; None for the unsplit sum."""
        cutoff, smearing = self._basis.cutoff, min(law.smearing for law in self._laws)
        exterior = self._exterior_width is not None
        lowest = max(smearing, SMALLEST_SPLIT * cutoff) if exterior else smearing
        split = split_smearing(
            sources,
            lowest=lowest,
            start=self._basis.reach,
            tol=self._how.tol,
            l_max=self._basis.l_max,
            n_radial=len(self._laws) * self._basis.n_max,
            may_stay=not exterior,
        )
        # a law that cannot be widened, such as a density, needs all its k-vectors anyway
        gains = split > smearing and all(law.widened(split) is not law for law in self._laws)
        if not (exterior or gains):
            return None
        nearest = nearest_sources(sources, cutoff)
        if not exterior and not self._tables_resolve(nearest):
            return None
        return split, nearest

    def _tables_resolve(self, nearest):
        """Whether pair tables, accurate beside an overlapping atom, are so beside a distant one.

        Some atoms are ``nearest`` to each other. Those that tables are for, instead of the exact
        far field, are no farther away than the tables end.
        """
        for law in self._laws:
            table = pair_table(self._basis, law)
            values = table(np.array([0.0, nearest, table.near.upper]))
            overlapping, *others = np.abs(values).max(axis=1)
            if TABLE_ACCURACY * overlapping > 0.1 * self._how.tol * max(others):
                return False
        return True

    def _unsplit_sum(self):
        return PeriodicExpansion(
            self._basis,
            self._laws,
            uniform=[law.fourier_at_zero for law in self._laws],
            own=None if self._include_center else _own(self._basis, self._laws),
            summation=self._how,
        )

    def _split_sum(self, smearing, nearest):
        basis, laws = self._basis, self._laws
        wide = [law.widened(smearing) for law in laws]
        near, smooth = _tables(basis, laws), _tables(basis, wide)

        def correction(distances):
            return self._weights(distances) * near(distances) - smooth(distances)

        inside, outside = np.abs(near(np.array([0.0, nearest])))
        allowed = np.maximum(0.01 * self._how.tol * outside, _ROUNDING * inside.max())
        largest = allowed.reshape(basis.l_max + 1, len(laws), -1).max(axis=(0, 2))
        allowed = np.broadcast_to(largest[:, None], (basis.l_max + 1, len(laws), basis.n_max))
        widest = max(law.smearing for law in wide)
        reach = reach_of_pairs(correction, basis.reach, widest, allowed.ravel())

        own = _own(basis, wide)
        return PeriodicExpansion(
            basis,
            wide,
            uniform=[law.split_weight(w) for law, w in zip(laws, wide, strict=True)],
            own=own - _own(basis, laws) if self._include_center else own,
            short_range=ShortRange(correction, reach, basis.l_max, len(laws), self._how.n_threads),
            summation=self._how,
        )

    def _weights(self, distances):
        if self._exterior_width is None:
            return 1.0
        return exterior_weight(distances, self._basis.cutoff, self._exterior_width)[:, None]
