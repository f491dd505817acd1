"""Potential and field near an atom from its exterior multipoles, eq. (6.1)."""

import numpy as np
import sphericart

from ..radial.laws import multipole_coefficient


def background_curvature(batch, exponents):
    """Coefficient of r^2 in the potential of the neutralising background for p = 1.

    There the series (6.1) ends at order 0 and leaves it out; for other p the higher orders have it.

    Returns
    -------
    ndarray of shape (n_atoms, n_exponents, n_channels)
    """
    totals = np.add.reduceat(batch.channels.dense(), batch.offsets[:-1], axis=0)
    periodic = np.array([s.periodic.all() for s in batch.structures])
    density = totals / np.where(periodic, batch.volumes, np.inf)[:, None]
    return 2.0 * np.pi / 3.0 * (np.array(exponents) == 1)[:, None] * density[batch.owners][:, None]


def far_field_potential(multipoles, exponents, n_max, points, curvature):
    """Potential near an atom from its multipoles, eq. (6.1), and its negative gradient.

    Parameters
    ----------
    multipoles : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_exponents, n_channels, n_max).
    exponents : list of float
    n_max : int
    points : ndarray of shape (n_points, 3)
        Relative to the atom, in angstrom.
    curvature : ndarray of shape (n_atoms, n_exponents, n_channels)
        Of the background, as from ``background_curvature``.

    Returns
    -------
    potential : ndarray of shape (n_atoms, n_exponents, n_channels, n_points)
    field : ndarray of shape (n_atoms, n_exponents, n_channels, n_points, 3)
    """
    solid, gradient = sphericart.SolidHarmonics(len(multipoles) - 1).compute_with_gradients(points)
    squared = (points**2).sum(axis=1)
    potential = curvature[..., None] * squared
    field = -2.0 * curvature[..., None, None] * points
    for l, moments in enumerate(multipoles):
        harmonics, slopes = solid[:, l * l : (l + 1) ** 2], gradient[..., l * l : (l + 1) ** 2]
        for k in range(n_max):
            scale = np.array([multipole_coefficient(p, l, k) for p in exponents])
            moment = 4.0 * np.pi / (2 * l + 1) * scale[:, None] * moments[..., k]
            values = np.einsum("impc,xm->ipcx", moment, harmonics)
            potential = potential + values * squared**k
            slope = np.einsum("impc,xdm->ipcxd", moment, slopes) * squared[:, None] ** k
            if k:
                slope += 2 * k * (values * squared ** (k - 1))[..., None] * points
            field = field - slope
    return potential, field
