"""Coefficients <anlm|V_i> of the long-range potential, isolated and periodic structures alike."""

import numpy as np

from .batch import expand_batch
from .exterior import exterior_weight, nearest_sources, reach_of_pairs, split_smearing
from .neighbors import all_pairs, pairs_within
from .pair_expansion import add_centers, expand_pairs
from .periodic_expansion import PeriodicExpansion
from .radial import center_integrals, pair_table

_ROUNDING = 1e-15


def potential_expansion(
    structures,
    channels,
    basis,
    laws,
    *,
    include_center,
    tol,
    k_cutoff,
    exterior_width=None,
):
    """Coefficients of a batch of structures, isolated and periodic ones in any mixture.

    ``exterior_width`` is None for the potential of all atoms, or the width of the shell below
    ``basis.cutoff`` in which atoms begin to act.

    Returns
    -------
    list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws * n_channels * n_max).
    """
    if exterior_width is None:
        periodic = _periodic_sum(basis, laws, include_center, tol, k_cutoff)
    else:
        periodic = _PeriodicExterior(basis, laws, exterior_width, tol, k_cutoff)

    def isolated(chosen, their_channels):
        return _isolated_sum(chosen, their_channels, basis, laws, include_center, exterior_width)

    widths = [len(laws) * channels.count * basis.n_max] * (basis.l_max + 1)
    return expand_batch(structures, channels, widths, isolated, periodic)


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
    return [_laws_first(c, len(laws)) for c in coefficients]


def _tables(basis, laws):
    """Pair functions of all laws, (n, (l_max + 1) * n_laws * n_max) with l slowest."""
    tables = [pair_table(basis, law) for law in laws]

    def radial(distances):
        shape = (len(distances), basis.l_max + 1, 1, basis.n_max)
        values = [table(distances).reshape(shape) for table in tables]
        return np.concatenate(values, axis=2).reshape(len(distances), -1)

    return radial


def _own(basis, laws):
    """Coefficients of an atom's own potential, (n_laws, n_max)."""
    return np.stack([center_integrals(basis, law) for law in laws])


def _laws_first(coefficients, n_laws):
    """From (n_atoms, m, n_channels, n_laws * n_max) to (n_atoms, m, n_laws, n_channels, n_max)."""
    shape = coefficients.shape
    return coefficients.reshape(*shape[:3], n_laws, -1).swapaxes(2, 3)


def _periodic_sum(basis, laws, include_center, tol, k_cutoff):
    """Sum over k-vectors (section 4.1)."""
    return PeriodicExpansion(
        basis,
        laws,
        uniform=[law.fourier_at_zero for law in laws],
        own=None if include_center else _own(basis, laws),
        tol=tol,
        k_cutoff=k_cutoff,
    )


class _PeriodicExterior:
    """Potential of the atoms beyond the cutoff (section 4.4): wide k-sum and pair corrections."""

    def __init__(self, basis, laws, width, tol, k_cutoff):
        self._basis, self._laws, self._width = basis, laws, width
        self._tol, self._k_cutoff = tol, k_cutoff
        self._sums = {}

    def __call__(self, structure, channels):
        smearing = split_smearing(structure, channels.count, self._basis.cutoff)
        nearest = nearest_sources(structure, channels.present()[1], self._basis.cutoff)
        if (smearing, nearest) not in self._sums:
            self._sums[smearing, nearest] = self._split_sum(smearing, nearest)
        return self._sums[smearing, nearest](structure, channels)

    def _split_sum(self, smearing, nearest):
        basis, laws, cutoff = self._basis, self._laws, self._basis.cutoff
        wide = [law.widened(smearing) for law in laws]
        near, smooth = _tables(basis, laws), _tables(basis, wide)

        def correction(distances):
            weight = exterior_weight(distances, cutoff, self._width)[:, None]
            return weight * near(distances) - smooth(distances)

        inside, outside = np.abs(near(np.array([0.0, nearest])))
        allowed = np.maximum(0.01 * self._tol * outside, _ROUNDING * inside.max())
        largest = allowed.reshape(basis.l_max + 1, len(laws), -1).max(axis=(0, 2))
        allowed = np.broadcast_to(largest[:, None], (basis.l_max + 1, len(laws), basis.n_max))
        reach = reach_of_pairs(
            correction, basis.reach, max(law.smearing for law in wide), allowed.ravel()
        )

        def pairs_part(structure, channels):
            pairs = pairs_within([structure], reach)
            parts = expand_pairs(pairs, channels, len(structure), correction, basis.l_max)
            return [_laws_first(part, len(laws)) for part in parts]

        return PeriodicExpansion(
            basis,
            wide,
            uniform=[law.split_weight(w) for law, w in zip(laws, wide, strict=True)],
            own=_own(basis, wide),
            short_range=pairs_part,
            tol=self._tol,
            k_cutoff=self._k_cutoff,
        )
