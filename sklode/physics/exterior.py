"""What acts from outside a cutoff: weights, and how to split the potential there.

In a periodic structure the far field is a sum over k-vectors of a potential smeared so widely that
it is small inside the cutoff too, plus corrections from pairs: no large near field is added and
taken away again, as subtracting the neighbours from the full potential would (section 4.4).
"""

import numpy as np

from .density_expansion import cutoff_function

_K_PER_PAIR = 0.01  # cost of one term of the k-sum against one pair
_SMALLEST_SPLIT = 0.5  # smearing of the k-sum, in cutoffs: the near field is no larger than the far
_STEPS = 4  # smearings are powers of 2^(1/4), so that structures share tables


def exterior_weight(distances, cutoff, width):
    """0 inside ``cutoff - width``, smoothly 1 beyond ``cutoff``."""
    return 1.0 - cutoff_function(distances, cutoff, width)


def split_smearing(structure, n_channels, cutoff):
    """Smearing of the k-sum that balances its cost with that of the pairs."""
    volume, n_atoms = abs(np.linalg.det(structure.cell)), len(structure)
    balanced = (_K_PER_PAIR * n_channels * volume**2 / (16.0 * np.pi**3 * n_atoms)) ** (1 / 6)
    step = np.ceil(_STEPS * np.log2(max(balanced / cutoff, _SMALLEST_SPLIT)))
    return float(cutoff * 2.0 ** (step / _STEPS))


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
