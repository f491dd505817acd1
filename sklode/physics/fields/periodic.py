"""The sum over k-vectors for three-dimensional periodic structures (theory, section 4)."""

from collections import deque
from itertools import pairwise

import numpy as np

from .. import blocks
from ..mesh.reverse import mesh_backward
from ..mesh.values import MeshSum
from ..planning.cells import contents_of
from ..planning.planner import Planner
from ..system.structures import Batch, as_slice
from ..waves.kernels import CellKernels
from ..waves.pairwise_derivatives import WavePairs
from ..waves.reverse import plane_wave_backward
from ..waves.structure_factor_derivatives import WaveFactors, many_atoms
from ..waves.values import PlaneWaveSum

_FINEST = 1e-17  # relative accuracy at which nothing is left to gain in double precision


class PeriodicSum:
    """Coefficients of periodic structures: k-vectors, pairs, and constants; eq. (4.1).

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
    pairs : PairSum or None
        What is added beside the k-vectors.
    summation : Summation
    """

    def __init__(self, basis, laws, *, uniform, own=None, pairs=None, summation):
        self._basis, self._laws = basis, tuple(laws)
        self.l_max, self.n_laws = basis.l_max, len(self._laws)
        # the k = 0 term of a density of 1 atom per cubic angstrom
        self._radial = np.sqrt(4.0 * np.pi) * basis.plane_waves(np.zeros(1))[0, : basis.n_max]
        self._of_background = np.multiply.outer(uniform, self._radial)
        self._own, self._pairs = own, pairs
        self._tol, self._dtype = summation.tol, summation.dtype
        self._direct = PlaneWaveSum(basis, self._laws)
        self._meshed = {
            dtype: MeshSum(basis, self._laws, dtype, summation.n_threads)
            for dtype in ("float64", "float32")
        }
        uniform = np.abs(self._of_background).max(axis=1)
        self._planner = Planner(basis, self._laws, uniform, summation)
        self._last_kernels = None  # of derivatives
        self._settled = deque(maxlen=blocks.KEPT_ACCURACIES)  # other threads may add to it

    def values(self, batch):
        """Coefficients for each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max)."""
        sums, accuracies = self._summed(batch)
        # without the pairs, which may be many
        self._settled.append((Batch(batch.structures, batch.channels), accuracies))
        return sums

    def vjp(self, batch, cotangents):
        """Gradients by positions and by strain of the sum of ``cotangents`` times coefficients.

        The k-vectors of each structure are those of its coefficients, as triplets of integers in
        the reciprocal lattice that is strained. An atom's own potential and, in a fixed cell, the
        k = 0 term are constant.

        Returns
        -------
        positions : ndarray of shape (n_atoms, 3)
        strain : ndarray of shape (n_structures, 3, 3)
        """
        if self._pairs is None:
            positions = np.zeros((batch.n_atoms, 3))
            strain = np.zeros((len(batch.structures), 3, 3))
        else:
            positions, strain = self._pairs.vjp(batch, cotangents)
        in_cells, atoms, weights, densities = self._inputs(batch)
        structures, uniform = in_cells.structures, self._strained_uniform(in_cells, densities)
        plans = self._settled_plans(batch, structures, weights)
        kernels = self._kernels(structures, {i: p for i, p in plans.items() if p.mesh is None})
        for i, plan in plans.items():
            parts, at = [c[atoms[i]] for c in cotangents], structures[i].positions
            if plan.mesh is None:
                gradients = plane_wave_backward(kernels(i), at, weights[i], parts, plan.dtype)
            else:
                sums, cell = self._meshed[plan.dtype], structures[i].cell
                gradients = mesh_backward(sums, cell, plan, at, weights[i], parts)
            positions[atoms[i]] += gradients[0]
            strain[i] += gradients[1]
            factors = parts[0].sum(axis=(0, 1))
            strain[i] += np.einsum("lcn,lcsn->s", factors, uniform[i]).reshape(3, 3)
        return positions, strain

    def jacobian(self, batch, atoms):
        """Terms of the derivatives; ``atoms`` says what the atoms are in a larger batch."""
        in_cells, _, weights, densities = self._inputs(batch)
        structures, uniform = in_cells.structures, self._strained_uniform(in_cells, densities)
        plans = self._settled_plans(batch, structures, weights)
        many = {i for i in plans if many_atoms(structures[i])}
        kernels, terms = self._kernels(structures, plans), []
        for kind, numbers in ((WavePairs, plans.keys() - many), (WaveFactors, many)):
            chosen = {i: plans[i] for i in sorted(numbers)}
            if chosen:
                terms.append(kind(structures, atoms, weights, chosen, kernels, uniform))
        return terms if self._pairs is None else terms + self._pairs.jacobian(batch, atoms)

    def _summed(self, batch):
        """Coefficients, and the accuracies at last of those structures of which any atom acts."""
        in_cells, atoms, weights, densities = self._inputs(batch)
        structures = in_cells.structures
        others = self._other_parts(batch, self._uniform(in_cells, densities))
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

    def _settled_plans(self, batch, structures, weights):
        """Plans that the coefficients of structures end with, by the numbers of those that act."""
        for known, accuracies in reversed(tuple(self._settled)):
            if batch.is_same(known):
                return self._plans(structures, weights, accuracies)
        return self._plans(structures, weights, self._summed(batch)[1])

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

    def _inputs(self, batch):
        """The batch in cells, slices and weights of each structure's atoms, and their densities.

        The last have the shape (n_structures, n_channels).
        """
        batch = self._in_cells(batch)
        atoms = [slice(a, b) for a, b in pairwise(batch.offsets.tolist())]
        weights = batch.channels.dense()
        densities = np.add.reduceat(weights, batch.offsets[:-1], axis=0) / batch.volumes[:, None]
        return batch, atoms, [weights[of] for of in atoms], densities

    def _in_cells(self, batch):
        """The batch with cells that hold whole structures."""
        return batch

    def _uniform(self, _, densities):
        """The k = 0 terms, (n_structures, n_laws, n_channels, n_max)."""
        return self._of_background[:, None] * densities[:, None, :, None]

    def _strained_uniform(self, batch, densities):
        """Derivatives of these by the strain, (n_structures, n_laws, n_channels, 9, n_max).

        They are inversely proportional to the volume.
        """
        return -self._uniform(batch, densities)[..., None, :] * np.eye(3).reshape(9, 1)

    def _other_parts(self, batch, uniform):
        """All that does not depend on the k-vectors; as the coefficients, but where zero."""
        total = np.repeat(uniform, batch.sizes, axis=0)
        if self._own is not None:
            total -= batch.channels.dense()[:, None, :, None] * self._own[:, None, :]
        if self._pairs is None:
            return [total[:, None].astype(self._dtype, copy=False)]
        parts = self._pairs.values(batch)
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
