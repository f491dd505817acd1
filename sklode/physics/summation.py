"""How to sum over the k-vectors of a structure: which of them, and in which way."""

from dataclasses import dataclass

import numpy as np

from .costs import direct_seconds, mesh_seconds
from .kspace import HalfSphere
from .mesh_plan import MeshPlan, choose_mesh
from .radial_modes import field_modes, typical_sizes, wave_span
from .truncation import RANDOM_PHASES, KSpaceTail, WaveEnvelope

_FEW_MODES = 7  # of the cheapest meshes
_MESH_LIMIT = 1e-12  # accuracy beyond which rounding of derivatives on a mesh would show
_MESH_SHARE = 1.0  # of the tolerance may be aliasing
_MODE_SHARE = 0.5  # and radial modes that are left out
_FEW_WAVES = 200  # too few for a mean over waves, and nothing to gain
_CANCELLATION = 10.0  # what these add up to is less, as they oscillate with k


@dataclass(frozen=True)
class Summation:
    """What is asked of a sum over k-vectors, beyond the physics.

    Attributes
    ----------
    tol : float
        Largest error, relative to the largest coefficient of each channel and exponent.
    k_cutoff : float or None
        Radius of the k-sphere in 1/angstrom; None chooses it from ``tol``.
    method : {"auto", "direct", "nufft"}
        As matrix products, or on a mesh.
    dtype : {"float64", "float32"}
        Precision of the sums.
    n_threads : int
        Threads that share the atoms of a large structure.
    """

    tol: float = 1e-6
    k_cutoff: float | None = None
    method: str = "auto"
    dtype: str = "float64"
    n_threads: int = 1


@dataclass(frozen=True)
class Plan:
    """How to sum for one structure.

    Attributes
    ----------
    k_cutoff : float
    mesh : MeshPlan or None
        None for matrix products.
    sphere : HalfSphere or None
        The k-vectors, where they are at hand.
    mode_accuracy : float
        Accuracy of the radial modes, a half-integer power of 10; 0 for as many as functions.
    omitted : ndarray of shape (n_laws, n_channels) or float
        Estimated error of a coefficient.
    """

    k_cutoff: float
    mesh: MeshPlan | None = None
    omitted: np.ndarray | float = 0.0
    sphere: HalfSphere | None = None
    mode_accuracy: float = 0.0


class Planner:
    """Chooses k-spheres and meshes.

    Parameters
    ----------
    basis : RadialBasis or SolidHarmonicBasis
    laws : tuple of SmearedPowerLaw
    summation : Summation
    """

    def __init__(self, basis, laws, summation):
        self._basis, self._laws, self._how = basis, laws, summation
        self._envelope = WaveEnvelope(basis, laws)
        self._smearing = min(law.smearing for law in laws)
        self._n_columns = (basis.l_max + 1) ** 2 * len(laws) * basis.n_max
        self._n_radial = (basis.l_max + 1) * len(laws) * basis.n_max
        self._kept_tail = self._kept_plan = (None, None)

    def plan(self, cell, weights, uniform, accuracy):
        """Plan whose errors should stay below ``accuracy``.

        Parameters
        ----------
        cell : ndarray of shape (3, 3)
        weights : ndarray of shape (n_atoms, n_channels)
            Not all zero.
        uniform : ndarray of shape (n_laws, n_channels)
            Largest coefficients of k = 0.
        accuracy : float
            Relative to the largest coefficient of each law and channel.
        """
        # the frames of a trajectory share their plan
        sizes = np.abs(weights).max(axis=0), np.linalg.norm(weights, axis=0)
        key = (accuracy, len(weights), *(a.tobytes() for a in (cell, uniform, *sizes)))
        kept = self._kept_plan
        if kept[0] != key:
            kept = self._kept_plan = (key, self._plan(cell, weights, uniform, accuracy))
        return kept[1]

    def _plan(self, cell, weights, uniform, accuracy):
        k_cutoff, omitted, sphere = self._how.k_cutoff, 0.0, None
        if k_cutoff is not None and self._without_modes(cell, k_cutoff, weights):
            return Plan(k_cutoff)
        tail = self._tail(cell, accuracy)
        expected = np.maximum(tail.expected_scale(weights), uniform)
        if k_cutoff is None:
            k_cutoff = tail.cutoff(accuracy * expected, weights)
            omitted = tail.beyond(k_cutoff, weights)
            sphere = None if tail.sphere is None else tail.sphere.within(k_cutoff)
        modes = self._mode_accuracy(cell, k_cutoff, weights, accuracy * expected)
        direct = Plan(k_cutoff, None, omitted, sphere, modes)
        if accuracy < _MESH_LIMIT or self._without_mesh(cell, k_cutoff, weights):
            return direct
        mesh, seconds, aliased = choose_mesh(
            cell,
            k_cutoff,
            self._envelope,
            _MESH_SHARE * accuracy * expected,
            weights,
            field_modes(self._basis, self._laws, cell, k_cutoff, modes).count,
        )
        slower = self._direct_seconds(cell, k_cutoff, weights) < seconds
        if mesh is None or (slower and self._how.method == "auto"):
            return direct
        return Plan(k_cutoff, mesh, omitted + aliased, None, modes)

    def _without_modes(self, cell, k_cutoff, weights):
        return len(self._laws) == 1 and self._without_mesh(cell, k_cutoff, weights)

    def _mode_accuracy(self, cell, k_cutoff, weights, allowed):
        """Accuracy of radial modes that keeps the coefficients within a share of ``allowed``.

        A mode left out has errors of either sign: those of an atom's own waves add up as well.
        """
        volume = abs(np.linalg.det(cell))
        n_waves = volume * k_cutoff**3 / (12.0 * np.pi**2)
        if n_waves < _FEW_WAVES:
            return 0.0
        sizes = typical_sizes(self._basis, self._laws, wave_span(cell, k_cutoff))
        amount = RANDOM_PHASES * np.linalg.norm(weights, axis=0)
        amount += np.sqrt(n_waves) * np.abs(weights).max(axis=0)
        errors = sizes[:, None] / np.sqrt(volume) * amount
        active = errors > 0
        accuracy = _MODE_SHARE * _CANCELLATION * np.min(allowed[active] / errors[active])
        return 10.0 ** (0.5 * np.floor(2.0 * np.log10(np.maximum(accuracy, 1e-16))))

    def _without_mesh(self, cell, k_cutoff, weights):
        """Whether it is plain without looking for a mesh that none is needed."""
        if self._how.method == "auto":
            fields = np.count_nonzero(weights.any(axis=0)) * min(self._n_radial, _FEW_MODES)
            points = abs(np.linalg.det(cell)) * (1.2 * k_cutoff / np.pi) ** 3
            order = 5.0 - 0.7 * np.log10(self._how.tol)  # lower than any that is chosen
            least = mesh_seconds(len(weights), points, order, fields, self._envelope.l_max)
            return self._direct_seconds(cell, k_cutoff, weights) < least
        return self._how.method == "direct"

    def _direct_seconds(self, cell, k_cutoff, weights):
        n_vectors = abs(np.linalg.det(cell)) * k_cutoff**3 / (12.0 * np.pi**2)
        n_channels = np.count_nonzero(weights.any(axis=0))
        return direct_seconds(len(weights), n_vectors, n_channels, self._n_columns)

    def _tail(self, cell, accuracy):
        key, kept = (cell.tobytes(), accuracy), self._kept_tail
        if kept[0] != key:
            tail = KSpaceTail(cell, self._envelope, self._smearing, accuracy)
            kept = self._kept_tail = (key, tail)
        return kept[1]
