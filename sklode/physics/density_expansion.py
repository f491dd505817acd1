"""Coefficients <anlm|rho_i> of the smeared local density (theory, section 7)."""

import numpy as np

from .neighbors import pairs_within
from .pair_expansion import add_centers, expand_pairs
from .potentials import SmearedPowerLaw
from .radial import center_integrals, pair_table


def cutoff_function(distances, cutoff, width):
    """Shifted cosine: 1 up to ``cutoff - width``, smoothly 0 at ``cutoff``, eq. (7.1)."""
    if width == 0:
        return (distances < cutoff).astype(float)
    progress = np.clip((distances - cutoff + width) / width, 0.0, 1.0)
    return 0.5 * (1.0 + np.cos(np.pi * progress))


def density_expansion(structures, channels, basis, *, smearing, cutoff_width, include_center):
    """Coefficients of the density inside ``basis.cutoff``.

    Returns
    -------
    list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_channels * n_max).
    """
    law = SmearedPowerLaw(0.0, smearing)
    table = pair_table(basis, law, upper=basis.cutoff).near
    n_atoms = len(channels.index)

    def radial(distances):
        inside = np.minimum(distances, basis.cutoff)
        values = table(inside)
        values *= cutoff_function(distances, basis.cutoff, cutoff_width)[:, None]
        return values

    pairs = pairs_within(structures, basis.cutoff)
    coefficients = expand_pairs(pairs, channels, n_atoms, radial, basis.l_max)
    if include_center:
        add_centers(coefficients, channels, center_integrals(basis, law))
    return [c.reshape(n_atoms, c.shape[1], -1) for c in coefficients]
