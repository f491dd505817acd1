"""How to sum over the k-vectors of a structure: which of them, and in which way."""

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from .. import blocks
from ..radial.modes import FINEST, field_modes, span_from, typical_sizes
from ..radial.windowed import Window
from ..system.kvectors import HalfSphere, too_many_waves
from .costs import COSTS, direct_seconds, mesh_seconds
from .mesh_choice import MeshPlan, amplification, choose_mesh
from .tails import RANDOM_PHASES, DenseTails, SparseTails, WaveEnvelope

_COARSEST = 1.0  # largest relative error that radial modes may have
_FEW_MODES = 7  # radial modes of each channel that the cheapest mesh sums, if there are more
_MESH_LIMIT = 1e-12  # accuracy beyond which rounding of derivatives on a mesh would show
_MESH_SHARE = 1.0  # part of the accuracy that aliasing on a mesh may take
_MODE_SHARE = 0.5  # part of the accuracy that left-out radial modes may take
_CANCELLATION = 10.0  # errors of modes oscillate with k, and add up to this much less
_WAVE_BYTES = 600  # memory of one k-vector and its tables
_COLUMN_BYTES = 20  # memory of the kernel of one column at one k-vector
_COARSE = 1e-5  # tol at or above which single precision is considered where float64 is asked for
_SINGLE = 3.0 * 2.0**-24  # error that each wave may at least have, for sums in single precision
_SINGLE_IF_ASKED = 0.3 * 2.0**-24  # the same where float32 is asked for: rounding is expected
_NOISE = 5.0 * 2.0**-24  # rounding of a mesh in single precision; 1 to 10 times 2^-24 was found
_NOISE_SHARE = 0.1  # part of the accuracy that rounding on a mesh may take
_FLOAT32_TOL = 2e-5  # accuracy that is enough where float32 is asked for


@dataclass(frozen=True)
class Summation:
    """Accuracy, method and precision that are asked of a sum over k-vectors.

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
    mode_accuracies : tuple of float
        Accuracies of the radial modes, half-integer powers of 10, one for each law; empty for as
        many as functions.
    omitted : ndarray of shape (n_laws, n_channels) or float
        Estimated error of a coefficient.
    dtype : {"float64", "float32"}
        Precision that is enough for waves and kernels.
    window : Window or None
        What ends the potential across the periodic directions; None where all are periodic.
    """

    k_cutoff: float
    mesh: MeshPlan | None = None
    omitted: np.ndarray | float = 0.0
    sphere: HalfSphere | None = None
    mode_accuracies: tuple = ()
    dtype: str = "float64"
    window: Window | None = None


class Planner:
    """Chooses k-spheres and meshes.

    Parameters
    ----------
    basis : RadialBasis or SolidHarmonicBasis
    laws : tuple of SmearedPowerLaw
    constants : ndarray of shape (n_laws,)
        Largest terms of k = 0, those of a density of 1 atom per cubic angstrom.
    summation : Summation
    """

    def __init__(self, basis, laws, constants, summation):
        self._basis, self._laws, self._how = basis, laws, summation
        self._envelope, self._constants = WaveEnvelope(basis, laws), constants
        self._smearing = min(law.smearing for law in laws)
        self._n_columns = (basis.l_max + 1) ** 2 * len(laws) * basis.n_max
        self._n_radial = (basis.l_max + 1) * len(laws) * basis.n_max
        self._sparse = SparseTails(self._envelope, self._smearing)
        self._dense, self._alike, self._kept = {}, {}, {}

    def plans(self, contents, accuracies):
        """Plans whose errors should stay below the accuracies.

        Parameters
        ----------
        contents : list of Contents
            Not all weights of a cell may be zero.
        accuracies : list of float
            Relative to the largest coefficient of each law and channel.

        Returns
        -------
        list of Plan
        """
        # the frames of a trajectory share their plan, also from one call to the next
        kept = self._kept  # other threads may exchange it
        keys = [(accuracy, of.key) for of, accuracy in zip(contents, accuracies, strict=True)]
        tasks = dict(zip(keys, zip(contents, accuracies, strict=True), strict=True))
        tasks = {key: task for key, task in tasks.items() if key not in kept}
        found = self._new_plans(tasks) | kept
        self._kept = {keys[-1]: found[keys[-1]]}
        return [found[key] for key in keys]

    def _new_plans(self, tasks):
        """Plans by the keys of tasks; cells with few k-vectors are looked at together."""
        found, sparse = {}, defaultdict(dict)
        for key, (contents, accuracy) in tasks.items():
            k_cutoff = self._how.k_cutoff
            if k_cutoff is not None and self._leaves_no_choice(contents, k_cutoff):
                found[key] = Plan(k_cutoff, dtype=self._how.dtype)
            elif self._dense_tails(accuracy).serve(contents):
                direct = self._of_many_waves(contents, accuracy)
                found[key] = self._plan(contents, accuracy, *direct)
            else:
                sparse[accuracy][key] = contents
        for accuracy, members in sparse.items():
            keys, contents = list(members), list(members.values())
            cells = np.stack([of.cell for of in contents])
            for numbers, tails in self._sparse.of_cells(cells, accuracy):
                together = [contents[i] for i in numbers]
                each = zip(numbers, together, self._direct(together, tails, accuracy), strict=True)
                for i, of_cell, direct in each:
                    found[keys[i]] = self._plan(of_cell, accuracy, *direct)
        self._refuse_too_many_waves(found, tasks)
        return found

    def _refuse_too_many_waves(self, plans, tasks):
        """Raise an error where kernels of matrix products need more memory than there may be."""
        n_bytes = _WAVE_BYTES + _COLUMN_BYTES * self._n_columns
        for key, plan in plans.items():
            contents, k_cutoff = tasks[key][0], plan.k_cutoff
            needed = n_bytes * contents.volume * k_cutoff**3 / (12.0 * np.pi**2)
            if needed > blocks.MOST_BYTES and plan.mesh is None:
                raise too_many_waves(np.linalg.norm(contents.cell, axis=1), k_cutoff, needed)

    def _plan(self, contents, accuracy, direct, expected, without_mesh):
        """The plan of matrix products, or a better one on a mesh; the last as of ``_direct``."""
        if without_mesh:
            return direct
        k_cutoff, modes = direct.k_cutoff, direct.mode_accuracies
        mesh, seconds, aliased = choose_mesh(
            contents,
            k_cutoff,
            self._envelope,
            _MESH_SHARE * accuracy * expected,
            field_modes(self._basis, self._laws, contents.cell, k_cutoff, modes).count,
        )
        slower = self._direct_seconds(contents, k_cutoff) < seconds
        if mesh is None or (slower and self._how.method == "auto"):
            return direct
        meshed = replace(direct, mesh=mesh, omitted=direct.omitted + aliased, sphere=None)
        if direct.dtype == "float64":
            return meshed
        noise, asked = self._noise_of_mesh(contents, k_cutoff, mesh), self._how.dtype == "float32"
        if np.any(noise > max(_NOISE_SHARE * accuracy, _FLOAT32_TOL * asked)):
            return replace(meshed, dtype="float64")
        return (
            meshed if asked else replace(meshed, omitted=meshed.omitted + noise[:, None] * expected)
        )

    def _noise_of_mesh(self, contents, k_cutoff, mesh):
        """Errors of single precision in derivatives, relative to coefficients, (n_laws,)."""
        span = span_from(contents.first_wave, k_cutoff)
        coefficients, fields = typical_sizes(self._basis, self._laws, span)
        degrees = np.arange(self._basis.l_max + 1)
        enlarged = np.max(fields * amplification(contents.cell, mesh, degrees), axis=1)
        return _NOISE * np.maximum(enlarged / coefficients, 1.0)

    def _of_many_waves(self, contents, accuracy):
        """Plan matrix products once for all cells of much the same volume, see ``_direct``."""
        dense, alike = self._dense_tails(accuracy), contents.rounded()
        key = accuracy, alike.volume, _octave(alike.first_wave), *alike.key_of_atoms
        found = self._alike.get(key)
        if found is None:
            if len(self._alike) >= blocks.KEPT_PLANS:
                self._alike.clear()
            (found,) = self._direct([alike], dense.of_volume(alike.volume), accuracy)
            self._alike[key] = found
        return found

    def _direct(self, contents, tails, accuracy):
        """For each cell, the plan of matrix products, and whether no mesh can be better.

        Between them, sizes that the largest coefficients have at least, (n_laws, n_channels).
        """
        densities = [np.abs(of.totals) / of.volume for of in contents]
        constants = np.multiply.outer(densities, self._constants).swapaxes(1, 2)
        expected = np.maximum(tails.expected_scales(contents), constants)
        if self._how.k_cutoff is None:
            k_cutoffs = tails.cutoffs(accuracy * expected, contents)
            omitted = tails.beyond(k_cutoffs, contents)
            spheres = tails.spheres_within(k_cutoffs)
        else:
            k_cutoffs = np.full(len(contents), self._how.k_cutoff)
            omitted, spheres = np.zeros(len(contents)), [None] * len(contents)
        each = zip(contents, k_cutoffs.tolist(), omitted, spheres, expected, strict=True)
        return [self._direct_plan(accuracy, *of_cell) for of_cell in each]

    def _direct_plan(self, accuracy, contents, k_cutoff, omitted, sphere, expected):
        """Plan matrix products of one cell, see ``_direct``."""
        dtype, modes = self._how.dtype, ()
        if dtype == "float32":  # an atom's own potential may be too large to be subtracted
            smaller = min(1.0, accuracy / self._how.tol)  # what was found beside what is expected
            allowed = _FLOAT32_TOL * smaller * expected
            of_waves = self._accuracy_of_waves(contents, k_cutoff, allowed)
            dtype = "float32" if of_waves.min() > _SINGLE_IF_ASKED else "float64"
        if contents.n_waves(k_cutoff) >= blocks.FEW_WAVES:
            of_waves = self._accuracy_of_waves(contents, k_cutoff, accuracy * expected)
            modes = _rounded(np.clip(_MODE_SHARE * _CANCELLATION * of_waves, FINEST, _COARSEST))
            if self._how.tol >= _COARSE and of_waves.min() > _SINGLE:
                dtype = "float32"
        direct = Plan(k_cutoff, None, omitted, sphere, modes, dtype)
        without_mesh = accuracy < _MESH_LIMIT or self._without_mesh(contents, k_cutoff)
        return direct, expected, without_mesh

    def _leaves_no_choice(self, contents, k_cutoff):
        exact = len(self._laws) == 1 and self._how.tol < _COARSE
        return exact and self._without_mesh(contents, k_cutoff)

    def _accuracy_of_waves(self, contents, k_cutoff, allowed):
        """Error of either sign of each wave that makes one of ``allowed`` in the coefficients.

        Of each law, relative to the root mean square of its waves; those of an atom's own potential
        count too.
        """
        span = span_from(contents.first_wave, k_cutoff)
        sizes = typical_sizes(self._basis, self._laws, span)[0] / np.sqrt(contents.volume)
        amount = RANDOM_PHASES * contents.norms
        amount = amount + np.sqrt(contents.n_waves(k_cutoff)) * contents.heaviest
        active = amount > 0
        return np.min(allowed[:, active] / (sizes[:, None] * amount[active]), axis=1)

    def _without_mesh(self, contents, k_cutoff):
        """Whether it is plain without looking for a mesh that none is needed."""
        if self._how.method == "auto":
            direct = self._direct_seconds(contents, k_cutoff)
            if direct < COSTS.mesh:
                return True
            fields = contents.n_channels * min(self._n_radial, _FEW_MODES)
            points = contents.volume * (1.2 * k_cutoff / np.pi) ** 3
            order = 5.0 - 0.7 * np.log10(self._how.tol)  # lower than any that is chosen
            least = mesh_seconds(contents.n_atoms, points, order, fields, self._envelope.l_max)
            return direct < least
        return self._how.method == "direct"

    def _direct_seconds(self, contents, k_cutoff):
        n_vectors = contents.n_waves(k_cutoff)
        return direct_seconds(contents.n_atoms, n_vectors, contents.n_channels, self._n_columns)

    def _dense_tails(self, accuracy):
        finest = 10.0 ** np.floor(np.log10(accuracy))  # few tables serve all accuracies
        if finest not in self._dense:
            self._dense[finest] = DenseTails(self._envelope, self._smearing, finest)
        return self._dense[finest]


def _octave(number):
    return np.floor(np.log2(number))


def _rounded(accuracies):
    """Half-integer powers of 10, so that cells share modes."""
    return tuple((10.0 ** (0.5 * np.floor(2.0 * np.log10(accuracies)))).tolist())
