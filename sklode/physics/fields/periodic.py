"""The sum over k-vectors for three-dimensional periodic structures (theory, section 4)."""

import operator
from collections import deque
from itertools import pairwise

import numpy as np

from .. import blocks
from ..mesh.reverse import mesh_backward
from ..mesh.values import MeshSum
from ..planning.cells import contents_of
from ..planning.planner import Planner
from ..system.structures import as_slice, atom_offsets
from ..waves.few_atoms import WavePairs
from ..waves.kernels import CellKernels
from ..waves.many_atoms import WaveFactors, many_atoms
from ..waves.reverse import plane_wave_backward
from ..waves.values import PlaneWaveSum

_FINEST = 1e-17  # relative accuracy at which nothing is left to gain in double precision


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
        self._planner = Planner(basis, self._laws, np.abs(self._uniform).max(axis=1), summation)
        self._last_kernels = None  # of derivatives
        self._settled = deque(maxlen=blocks.KEPT_ACCURACIES)  # other threads may add to it

    def __call__(self, structures, channels):
        """Coefficients for each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max)."""
        sums, accuracies = self._summed(structures, channels)
        self._settled.append((structures, channels, accuracies))
        return sums

    def _summed(self, structures, channels):
        """Coefficients, and the accuracies at last of those structures of which any atom acts."""
        atoms, weights, uniform = self._inputs(structures, channels)
        others = self._other_parts(structures, channels, uniform)
        accuracies = {i: self._tol for i, w in enumerate(weights) if w.any()}
        plans = self._plans(structures, weights, accuracies)
        sums = self._all_parts(structures, atoms, weights, plans, others)
        finer = accuracies
        while finer := self._too_coarse(sums, atoms, plans, finer):
            accuracies = accuracies | finer
            plans = self._plans(structures, weights, finer)
            better = self._all_parts(structures, atoms, weights, plans, others)
            for total, other in zip(sums, better, strict=True):
                for i in finer:
                    total[atoms[i]] = other[atoms[i]]
        return sums, accuracies

    def backward(self, structures, channels, cotangents, slopes=None):
        """Derivatives of the sum of ``cotangents`` times the coefficients.

        The k-vectors of each structure are those of its coefficients, as triplets of integers in
        the reciprocal lattice that is strained. An atom's own potential and, in a fixed cell, the
        k = 0 term are constant.

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
        plans = self._settled_plans(structures, channels, weights)
        kernels = self._kernels(structures, {i: p for i, p in plans.items() if p.mesh is None})
        for i, plan in plans.items():
            parts = [c[atoms[i]] for c in cotangents]
            if plan.mesh is None:
                how = structures[i].positions, weights[i], parts, plan.dtype
                moved, strained = plane_wave_backward(kernels(i), *how)
            else:
                how = structures[i].cell, plan, structures[i].positions, weights[i], parts
                moved, strained = mesh_backward(self._meshed[plan.dtype], *how)
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
        list of WavePairs, WaveFactors and NearPairs
        """
        _, weights, uniform = self._inputs(structures, channels)
        plans = self._settled_plans(structures, channels, weights)
        many = {i for i in plans if many_atoms(structures[i])}
        kernels, found = self._kernels(structures, plans), []
        for kind, numbers in ((WavePairs, plans.keys() - many), (WaveFactors, many)):
            chosen = {i: plans[i] for i in sorted(numbers)}
            how = weights, chosen, kernels, uniform
            found += [kind(structures, atoms, *how)] if chosen else []
        if self.short_range is not None:
            found.append(self.short_range.source(structures, atoms, slopes))
        return found

    def _settled_plans(self, structures, channels, weights):
        """Plans that the coefficients of structures end with, by the numbers of those that act."""
        for *known, accuracies in reversed(tuple(self._settled)):
            if _are_same(structures, channels, *known):
                return self._plans(structures, weights, accuracies)
        return self._plans(structures, weights, self._summed(structures, channels)[1])

    def _plans(self, structures, weights, accuracies):
        """Plans of some structures by their numbers, to the accuracy that is asked of each."""
        if not accuracies:
            return {}
        cells = np.stack([structures[i].cell for i in accuracies])
        offsets = np.cumsum([0] + [len(structures[i]) for i in accuracies])
        contents = contents_of(cells, np.concatenate([weights[i] for i in accuracies]), offsets)
        plans = self._planner.plans(contents, list(accuracies.values()))
        return dict(zip(accuracies, plans, strict=True))

    def _kernels(self, structures, plans):
        """Kernels with derivatives, the last of which are kept for the next structures."""
        before = self._last_kernels
        kernels = CellKernels(self._basis, self._laws, structures, plans, before)
        self._last_kernels = kernels
        return kernels

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
        """All that does not depend on the k-vectors; as the coefficients, but where zero."""
        total = np.repeat(uniform, [len(s) for s in structures], axis=0)
        if self._own is not None:
            total -= channels.dense()[:, None, :, None] * self._own[:, None, :]
        if self.short_range is None:
            return [total[:, None].astype(self._dtype, copy=False)]
        parts = self.short_range(structures, channels)
        parts[0][:, 0] += total
        return [part.astype(self._dtype, copy=False) for part in parts]

    def _all_parts(self, structures, atoms, weights, plans, others):
        """The other parts and the plane waves of the structures that have plans."""
        sums = self._plane_waves(structures, atoms, weights, plans)
        for total, part in zip(sums, others, strict=False):
            total += part
        return sums

    def _plane_waves(self, structures, atoms, weights, plans):
        """The plane-wave part, zero for structures that have no plans."""
        n_atoms, sums = atoms[-1].stop, None
        for rows, parts in self._each_sum(structures, atoms, weights, plans):
            if isinstance(rows, slice) and rows == slice(0, n_atoms):
                return [np.ascontiguousarray(part, self._dtype) for part in parts]
            sums = self._zeros(n_atoms, weights[0].shape[1]) if sums is None else sums
            for total, part in zip(sums, parts, strict=True):
                total[rows] = part
        return self._zeros(n_atoms, weights[0].shape[1]) if sums is None else sums

    def _each_sum(self, structures, atoms, weights, plans):
        """Atoms of one structure or more, and their coefficients."""
        matrices = {i: plan for i, plan in plans.items() if plan.mesh is None}
        for numbers, parts in self._direct(structures, weights, matrices):
            rows = [np.arange(atoms[i].start, atoms[i].stop) for i in numbers]
            yield as_slice(np.concatenate(rows)), parts
        for i in plans.keys() - matrices.keys():
            plan, positions = plans[i], structures[i].positions
            yield (
                atoms[i],
                self._meshed[plan.dtype](structures[i].cell, plan, positions, weights[i]),
            )

    def _zeros(self, n_atoms, n_channels):
        shape = len(self._laws), n_channels, self._basis.n_max
        degrees = range(self._basis.l_max + 1)
        return [np.zeros((n_atoms, 2 * l + 1, *shape), self._dtype) for l in degrees]

    def _too_coarse(self, sums, atoms, plans, accuracies):
        """Structures to be summed again, with the accuracies to ask for.

        Small coefficients, as of symmetric crystals under a wide smearing, need more waves than
        the largest ones that can be expected.
        """
        nothing = np.zeros((len(self._laws), sums[0].shape[3]))
        omitted = np.array([plan.omitted + nothing for plan in plans.values()])
        if not omitted.any():
            return {}
        for scales in _larger_and_larger(sums, np.array([(a.start, a.stop) for a in atoms])):
            scales = scales[list(plans)]
            coarse = np.any(omitted > self._tol * scales, axis=(1, 2))
            if not coarse.any():
                return {}
        worst = np.max(omitted / np.maximum(scales, np.finfo(float).tiny), axis=(1, 2))
        return {
            i: max(_FINEST, 0.5 * accuracies[i] * self._tol / worst[number])
            for number, i in enumerate(plans)
            if coarse[number] and accuracies[i] > _FINEST
        }


def _are_same(structures, channels, known, their_channels):
    """Whether batches have the very same structures, with equal channels."""
    return (
        len(structures) == len(known)
        and all(map(operator.is_, structures, known))
        and np.array_equal(channels.index, their_channels.index)
        and np.array_equal(channels.weights, their_channels.weights)
    )


def _larger_and_larger(coefficients, atoms):
    """Largest coefficients of few atoms of each structure, which mostly do, then of all.

    Each of shape (n_structures, n_laws, n_channels); ``atoms`` are the first of each structure and
    the one after its last.
    """
    starts, ends = atoms.T
    n_few = blocks.CHECKED_ATOMS
    few = np.minimum(starts[:, None] + np.arange(n_few), ends[:, None] - 1)
    for rows, firsts in ((few.ravel(), n_few * np.arange(len(atoms))), (slice(None), starts)):
        of_degrees = [
            np.maximum.reduceat(np.abs(c[rows]), firsts, axis=0).max(axis=(1, 4))
            for c in coefficients
        ]
        yield np.max(of_degrees, axis=0)
