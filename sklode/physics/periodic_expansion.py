"""The sum over k-vectors for three-dimensional periodic structures (theory, section 4)."""

from collections import defaultdict
from itertools import pairwise

import numpy as np

from .contents import contents_of
from .mesh_gradients import mesh_backward
from .mesh_sum import MeshSum
from .plane_wave_gradients import plane_wave_backward
from .plane_wave_kernels import WaveKernels
from .plane_wave_sum import PlaneWaveSum
from .structures import atom_offsets
from .summation import Planner
from .wave_pairs import WavePairs

_FINEST = 1e-17  # relative accuracy at which nothing is left to gain in double precision
_FEW = 2  # atoms of a structure whose coefficients mostly show how large all are
_ROWS_AT_ONCE = 4096  # atoms of structures in equal cells that are summed together


class PeriodicExpansion:
    """Coefficients of periodic structures, eq. (4.1).

    The k-vectors and everything that depends on them alone are kept from one structure to the
    next, so that the frames of a trajectory in a fixed cell share them.

    Parameters
    ----------
    basis : RadialBasis or SolidHarmonicBasis
        What the potential is projected on: ``l_max``, ``n_max`` and ``plane_waves(k)``.
    laws : sequence of SmearedPowerLaw
        Potentials.
    uniform : array-like of shape (n_laws,)
        Weight of the k = 0 term (section 2.3).
    own : ndarray of shape (n_laws, n_max) or None
        Coefficients of an atom's own potential, to be subtracted.
    short_range : ShortRange or None
        Of pairs: structures and channels to coefficients that are added.
    summation : Summation
    """

    def __init__(self, basis, laws, *, uniform, own=None, short_range=None, summation):
        self._basis, self._laws = basis, tuple(laws)
        # the k = 0 term of a density of 1 atom per cubic angstrom
        radial = np.sqrt(4.0 * np.pi) * basis.plane_waves(np.zeros(1))[0, : basis.n_max]
        self._uniform = np.multiply.outer(uniform, radial)
        self._own, self.short_range = own, short_range
        self._tol, self._dtype = summation.tol, summation.dtype
        self._direct = PlaneWaveSum(basis, self._laws)
        self._meshed = {
            dtype: MeshSum(basis, self._laws, dtype, summation.n_threads)
            for dtype in ("float64", "float32")
        }
        self._planner = Planner(basis, self._laws, summation)
        self._last_kernels = (None, None)  # of derivatives

    def __call__(self, structures, channels):
        """Coefficients for each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max)."""
        atoms, weights, uniform = self._inputs(structures, channels)
        sums = self._other_parts(structures, channels, uniform)
        first = {i: self._tol for i, w in enumerate(weights) if w.any()}
        plans = self._plans(structures, weights, uniform, first)
        self._add_plane_waves(sums, structures, atoms, weights, plans)
        finer = self._too_coarse(sums, atoms, plans, first)
        if finer:
            rest = self._other_parts(structures, channels, uniform)
        while finer:
            for total, other in zip(sums, rest, strict=True):
                for i in finer:
                    total[atoms[i]] = other[atoms[i]]
            plans = self._plans(structures, weights, uniform, finer)
            self._add_plane_waves(sums, structures, atoms, weights, plans)
            finer = self._too_coarse(sums, atoms, plans, finer)
        return sums

    def backward(self, structures, channels, cotangents, slopes=None):
        """Derivatives of the sum of ``cotangents`` times the coefficients.

        The k-vectors of each structure are those that the sum begins with, as triplets of integers
        in the reciprocal lattice that is strained. An atom's own potential and, in a fixed cell,
        the k = 0 term are constant.

        Parameters
        ----------
        structures : list of Structure
        channels : Channels
        cotangents : list of ndarray
            For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max).
        slopes : callable, default=None
            Derivatives of the functions of pairs, where these add to the sum.

        Returns
        -------
        positions : ndarray of shape (n_atoms, 3)
        strain : ndarray of shape (n_structures, 3, 3)
            With respect to eps_ab of r_b -> r_b + sum_a r_a eps_ab, atoms and cell alike.
        """
        atoms, weights, uniform = self._inputs(structures, channels)
        positions = np.zeros((len(channels.index), 3))
        strain = np.zeros((len(structures), 3, 3))
        if self.short_range is not None:
            positions, strain = self.short_range.backward(structures, channels, cotangents, slopes)
        for i, plan in self._first_plans(structures, weights, uniform).items():
            parts = [c[atoms[i]] for c in cotangents]
            moved, strained = self._plane_waves_backward(structures[i], plan, weights[i], parts)
            positions[atoms[i]] += moved
            strain[i] += strained
            # the k = 0 term is inversely proportional to the volume
            strain[i] -= np.sum(parts[0].sum(axis=(0, 1)) * uniform[i]) * np.eye(3)
        return positions, strain

    def sources(self, structures, channels, atoms, slopes=None):
        """What adds to the coefficients, differentiated, for FieldSlopes; as of ``backward``.

        Parameters
        ----------
        structures : list of Structure
        channels : Channels
        atoms : ndarray of shape (n_atoms,)
            What their atoms are in the batch, ascending.
        slopes : callable, default=None
            Derivatives of the functions of pairs, where these add to the sum.

        Returns
        -------
        list of WavePairs and NearPairs
        """
        _, weights, uniform = self._inputs(structures, channels)
        plans = self._first_plans(structures, weights, uniform)
        how = (plans, self._kernels, uniform, self._basis.l_max)
        found = [WavePairs(structures, atoms, *how)]
        if self.short_range is not None:
            found.append(self.short_range.source(structures, atoms, slopes))
        return found

    def _first_plans(self, structures, weights, uniform):
        """Plans of the structures of which any atom acts, by their numbers."""
        active = {i: self._tol for i, w in enumerate(weights) if w.any()}
        return self._plans(structures, weights, uniform, active)

    def _plans(self, structures, weights, uniform, accuracies):
        """Plans of some structures by their numbers, to the accuracy that is asked of each."""
        if not accuracies:
            return {}
        cells = np.stack([structures[i].cell for i in accuracies])
        offsets = np.cumsum([0] + [len(structures[i]) for i in accuracies])
        contents = contents_of(cells, np.concatenate([weights[i] for i in accuracies]), offsets)
        largest = np.abs(uniform).max(axis=3)
        return {
            i: self._planner.plan(of_cell, largest[i], accuracy)
            for (i, accuracy), of_cell in zip(accuracies.items(), contents, strict=True)
        }

    def _plane_waves_backward(self, structure, plan, weights, cotangents):
        cell, positions = structure.cell, structure.positions
        if plan.mesh is not None:
            return mesh_backward(
                self._meshed["float64"], cell, plan, positions, weights, cotangents
            )
        return plane_wave_backward(self._kernels(cell, plan), positions, weights, cotangents)

    def _kernels(self, cell, plan):
        """Kernels with derivatives, kept for the next structure in the same cell."""
        key, last = (cell.tobytes(), plan.k_cutoff), self._last_kernels
        if last[0] != key:
            kernels = WaveKernels(self._basis, self._laws, plan, cell)
            last = self._last_kernels = key, kernels
        return last[1]

    def _inputs(self, structures, channels):
        """Slices of the atoms, weights of each structure, and the k = 0 terms.

        The last have the shape (n_structures, n_laws, n_channels, n_max).
        """
        offsets = atom_offsets(structures)
        atoms = [slice(a, b) for a, b in pairwise(offsets)]
        weights = channels.dense()
        volumes = np.abs(np.linalg.det(np.stack([s.cell for s in structures])))
        densities = np.add.reduceat(weights, offsets[:-1], axis=0) / volumes[:, None]
        uniform = self._uniform[:, None] * densities[:, None, :, None]
        return atoms, [weights[of] for of in atoms], uniform

    def _other_parts(self, structures, channels, uniform):
        """All that does not depend on the k-vectors; for each l as the coefficients."""
        if self.short_range is None:
            shape = (len(self._laws), channels.count, self._basis.n_max)
            degrees = range(self._basis.l_max + 1)
            n_atoms = len(channels.index)
            parts = [np.zeros((n_atoms, 2 * l + 1, *shape), self._dtype) for l in degrees]
        else:
            parts = self.short_range(structures, channels)
            parts = [part.astype(self._dtype, copy=False) for part in parts]
        uniform = np.asarray(uniform, self._dtype)
        parts[0][:, 0] += np.repeat(uniform, [len(s) for s in structures], axis=0)
        if self._own is not None:
            own = channels.dense()[:, None, :, None] * self._own[:, None, :]
            parts[0][:, 0] -= own.astype(self._dtype)
        return parts

    def _add_plane_waves(self, sums, structures, atoms, weights, plans):
        """Add the plane-wave part of the structures that have plans."""
        groups = defaultdict(list)  # structures that share their kernels and are of equal size
        for i, plan in plans.items():
            cell, positions = structures[i].cell, structures[i].positions
            if plan.mesh is not None:
                parts = self._meshed[plan.dtype](cell, plan, positions, weights[i])
                for total, part in zip(sums, parts, strict=True):
                    total[atoms[i]] += part
            else:
                key = cell.tobytes(), plan.k_cutoff, plan.mode_accuracy, plan.dtype, len(positions)
                groups[key].append(i)
        leaders = [members[0] for members in groups.values()]
        kernels = self._direct.prepare(
            [structures[i].cell for i in leaders], [plans[i] for i in leaders]
        )
        for first, members in zip(leaders, groups.values(), strict=True):
            at_once = max(1, _ROWS_AT_ONCE // len(weights[first]))
            for start in range(0, len(members), at_once):
                some = members[start : start + at_once]
                parts = self._direct(
                    kernels,
                    structures[first].cell,
                    plans[first],
                    np.stack([structures[i].positions for i in some]),
                    np.stack([weights[i] for i in some]),
                )
                for total, part in zip(sums, parts, strict=True):
                    for row, i in enumerate(some):
                        total[atoms[i]] += part[row]

    def _too_coarse(self, sums, atoms, plans, accuracies):
        """Structures to be summed again, with the accuracies to ask for.

        Small coefficients, as of symmetric crystals under a wide smearing, need more waves than
        the largest ones that can be expected.
        """
        if not any(np.any(plan.omitted) for plan in plans.values()):
            return {}
        scales, finer = _largest(sums, [slice(a.start, a.start + _FEW) for a in atoms]), {}
        if not all(np.all(plan.omitted <= self._tol * scales[i]) for i, plan in plans.items()):
            scales = _largest(sums, atoms)
        for i, plan in plans.items():
            fine = plan.omitted <= self._tol * scales[i]
            if not np.all(fine) and accuracies[i] > _FINEST:
                worst = np.max(plan.omitted / np.maximum(scales[i], np.finfo(float).tiny))
                finer[i] = max(_FINEST, 0.5 * accuracies[i] * self._tol / worst)
        return finer


def _largest(coefficients, atoms):
    """Largest coefficients of some atoms each, shape (n_structures, n_laws, n_channels)."""
    largest = 0.0
    for c in coefficients:
        of_structures = [np.abs(c[some]).max(axis=(0, 1)) for some in atoms]
        largest = np.maximum(largest, np.max(of_structures, axis=3))
    return largest
