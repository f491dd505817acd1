"""What acts from outside a cutoff: weights, and how to split the potential there.

In a periodic structure the far field is a sum over k-vectors of a potential smeared so widely that
it is small inside the cutoff too, plus corrections from pairs: no large near field is added and
taken away again, as subtracting the neighbours from the full potential would (section 4.4).
"""

import numpy as np

from .costs import direct_seconds, mesh_seconds, pair_seconds
from .density_expansion import cutoff_function

SMALLEST_SPLIT = 0.5  # smearing of the k-sum, in cutoffs: the near field is no larger than the far
_STEPS = 4  # lengths are rounded to powers of 2^(1/4), so that structures share tables
_CANDIDATES = 33  # smearings up to 2^8 times the lowest
# a typical mesh: points for each k-vector of the half sphere, order of splines, modes
_MESH_POINTS, _MESH_ORDER, _MESH_MODES = 9.0, 9, 8


def exterior_weight(distances, cutoff, width):
    """0 inside ``cutoff - width``, smoothly 1 beyond ``cutoff``."""
    return 1.0 - cutoff_function(distances, cutoff, width)


def split_smearing(structure, channels, *, lowest, start, tol, l_max, n_radial, may_stay=False):
    """Smearing of the k-sum for which it and the pairs together cost least.

    Parameters
    ----------
    structure : Structure
    channels : Channels
    lowest : float
        Smallest smearing in angstrom.
    start : float
        Distance from which on the pair corrections decay.
    tol : float
        Accuracy, which says how far both sums go.
    l_max, n_radial : int
        Largest degree, and radial functions of each degree.
    may_stay : bool, default=False
        Whether ``lowest`` needs no pairs at all.

    Returns
    -------
    float
        ``lowest`` times a power of 2^(1/4), so that structures share tables.
    """
    volume, n_atoms = abs(np.linalg.det(structure.cell)), np.sum(channels.index >= 0)
    candidates = lowest * 2.0 ** (np.arange(_CANDIDATES) / _STEPS)
    widths = np.sqrt(2.0 * np.log(1.0 / tol)) + 1.0
    n_columns = (l_max + 1) ** 2 * n_radial
    n_vectors = volume * (widths / candidates) ** 3 / (12.0 * np.pi**2)
    direct = direct_seconds(n_atoms, n_vectors, channels.count, n_columns)
    n_fields = channels.count * min((l_max + 1) * n_radial, _MESH_MODES)
    n_points = _MESH_POINTS * n_vectors + _MESH_ORDER**3
    waves = np.minimum(direct, mesh_seconds(n_atoms, n_points, _MESH_ORDER, n_fields, l_max))
    n_pairs = n_atoms**2 / volume * 4.0 * np.pi / 3.0 * (start + widths * candidates) ** 3
    pairs = pair_seconds(n_pairs, n_columns)
    if may_stay:
        pairs[0] = 0.0
    return float(candidates[np.argmin(waves + pairs)])


def nearest_sources(structure, channels, cutoff):
    """Distance within which every channel has a source, beyond the cutoff, of some atom.

    No arrangement of n points in a volume V keeps them farther apart than 2^(1/6) (V / n)^(1/3);
    the coefficients are at least as large as those of an atom there.
    """
    volume = abs(np.linalg.det(structure.cell))
    rarest = np.bincount(channels.index[channels.index >= 0], minlength=channels.count).min(
        initial=len(structure)
    )
    packing = 2.0 ** (1 / 6) * (volume / max(rarest, 1)) ** (1 / 3)
    return _round_up(max(packing, 2.0 * cutoff), cutoff)


def _round_up(length, cutoff):
    steps = np.ceil(_STEPS * np.log2(length / cutoff) - 1e-9)
    return float(cutoff * 2.0 ** (steps / _STEPS))


def reach_of_pairs(difference, start, smearing, allowed):
    """Distance beyond which a short-range function stays below ``allowed``.

    Parameters
    ----------
    difference : callable
        Distances (n,) to values (n, n_functions).
    start, smearing : float
        Where to begin, and the length that the function decays on.
    allowed : ndarray of shape (n_functions,)
    """
    distances = start + smearing * np.linspace(0.0, 16.0, 161)
    large = np.any(np.abs(difference(distances)) > allowed, axis=1)
    return float(distances[min(np.flatnonzero(large).max(initial=0) + 1, len(distances) - 1)])
