"""Lattice sums of point charges interacting as 1/r^p, by an Ewald split (theory, section 6.4)."""

import numpy as np
from scipy.special import gamma, gammaincc

from . import blocks
from .radial.laws import SmearedPowerLaw
from .system.kvectors import half_sphere
from .system.neighbors import pairs_within
from .system.structures import Structure

_REACH = 9.5  # r_c = 9.5 eta and k_c = 9.5 / eta leave errors of 1e-15
_NEUTRAL = 1e-10  # net charge, relative to the sum of the magnitudes, that counts as rounding


def power_law_energy_and_forces(positions, cell, charges, exponent, *, smearing=None):
    r"""Energy and forces of point charges in a periodic cell.

    :math:`E = \frac12 \sum_i q_i \sum_{j,T}' q_j / |r_j + T - r_i|^p`, in (charge unit)^2 /
    angstrom^p: no factor :math:`1/4\pi\epsilon_0`.

    Parameters
    ----------
    positions : ndarray of shape (n_atoms, 3)
        In angstrom; atoms outside the cell are welcome.
    cell : ndarray of shape (3, 3)
        Rows are the lattice vectors in angstrom, of either handedness.
    charges : ndarray of shape (n_atoms,)
    exponent : float
        p, any real number > 0.
    smearing : float, default=None
        Length eta in angstrom at which 1/r^p is split. The result does not depend on it; None
        chooses the fastest.

    Returns
    -------
    energy : float
    forces : ndarray of shape (n_atoms, 3)
        In (charge unit)^2 / angstrom^(p + 1).

    Raises
    ------
    ValueError
        If the exponent is not positive, two atoms coincide, or p = 3 and the cell is charged.

    Examples
    --------
    The Madelung constant of rock salt:

    >>> import numpy as np
    >>> cell = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    >>> positions = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    >>> energy, forces = power_law_energy_and_forces(positions, cell, [1.0, -1.0], 1)
    >>> print(f"{-energy:.12f}")
    1.747564594633
    """
    potentials, fields = power_law_potentials_and_fields(
        positions, cell, charges, exponent, smearing=smearing
    )
    charges = np.asarray(charges, float)
    return 0.5 * float(charges @ potentials), charges[:, None] * fields


def power_law_potentials_and_fields(positions, cell, charges, exponent, *, smearing=None):
    r"""Potential of all other charges and images at every site, and minus its gradient.

    With :math:`v_p` smeared by :math:`\eta`, the k-space sum of :math:`\hat v_p` and the short-
    ranged rest :math:`Q(p/2, r^2/2\eta^2)/r^p` in real space, less the smeared potential of the
    site itself. For p <= 3 a net charge is neutralised by a uniform background, so that the cell
    average of the bare potential is zero; for p = 3 that average diverges.

    Parameters
    ----------
    positions, cell, charges, exponent, smearing
        As in `power_law_energy_and_forces`. Sites of charge zero are test points.

    Returns
    -------
    potentials : ndarray of shape (n_atoms,)
        In charge unit / angstrom^p.
    fields : ndarray of shape (n_atoms, 3)
        In charge unit / angstrom^(p + 1); charge times field is the force.
    """
    positions, cell, charges = (np.asarray(a, float) for a in (positions, cell, charges))
    if not exponent > 0:
        raise ValueError(f"exponent must be positive, got {exponent!r}")
    eta = _fastest_smearing(cell, len(charges)) if smearing is None else smearing
    law = SmearedPowerLaw(exponent, eta)
    potentials, fields = _reciprocal_part(positions, cell, charges, law)
    short_potentials, short_fields = _real_part(positions, cell, charges, law)
    constant = _mean_potential(cell, charges, law) - charges * law.real(0.0)
    return potentials + short_potentials + constant, fields + short_fields


def _fastest_smearing(cell, n_atoms):
    """Balance the pairs against the phases; a pair costs about as much as four phases.

    Not below 0.35 atom spacings, where the potential of the site itself, which is subtracted,
    would exceed the result by orders of magnitude for large p.
    """
    spacing = (abs(np.linalg.det(cell)) / n_atoms) ** (1.0 / 3.0)
    return spacing * max(0.35, (n_atoms / 2000.0) ** (1.0 / 6.0))


def _reciprocal_part(positions, cell, charges, law):
    """Sum over k != 0, in blocks of k-vectors."""
    sphere = half_sphere(cell, _REACH / law.smearing)
    fractional = positions @ np.linalg.inv(cell)
    wrapped = (fractional - np.round(fractional)) @ cell
    potentials, fields = np.zeros(len(positions)), np.zeros(positions.shape)
    step = max(1, blocks.LATTICE_PHASES // len(positions))
    for first in range(0, len(sphere), step):
        block = slice(first, first + step)
        phases = np.exp(1j * (wrapped @ sphere.vectors[block].T))
        waves = phases * (law.fourier(sphere.norms[block]) * (charges @ phases).conj())
        potentials += waves.real.sum(axis=1)
        fields += waves.imag @ sphere.vectors[block]
    per_volume = 2.0 / abs(np.linalg.det(cell))
    return per_volume * potentials, per_volume * fields


def _real_part(positions, cell, charges, law):
    """Sum of Q(p/2, r^2 / 2 eta^2) / r^p over the pairs."""
    n_atoms, p, two_eta2 = len(positions), law.exponent, 2.0 * law.smearing**2
    structure = Structure(np.zeros(n_atoms, int), positions, cell, np.ones(3, bool))
    pairs = pairs_within([structure], _REACH * law.smearing)
    squared = np.einsum("pa,pa->p", pairs.vectors, pairs.vectors)
    if not squared.all():
        i, j = (int(atoms[np.argmin(squared)]) for atoms in (pairs.centers, pairs.neighbors))
        raise ValueError(f"atoms {i} and {j} are at the same place, where 1/r^p is infinite")
    x = squared / two_eta2
    values = gammaincc(0.5 * p, x) * squared ** (-0.5 * p)
    slopes = (p * values + 2.0 * two_eta2 ** (-0.5 * p) / gamma(0.5 * p) * np.exp(-x)) / squared
    sources = charges[pairs.neighbors]
    pulls = (-sources * slopes)[:, None] * pairs.vectors

    def per_atom(terms):
        return np.bincount(pairs.centers, terms, n_atoms)

    return per_atom(sources * values), np.stack([per_atom(a) for a in pulls.T], axis=1)


def _mean_potential(cell, charges, law):
    """The k = 0 term: the limit for p > 3, its finite part (background) for p < 3."""
    net, p = charges.sum(), law.exponent
    if abs(net) <= _NEUTRAL * np.abs(charges).sum():
        return 0.0
    if p == 3:
        raise ValueError(
            f"the net charge is {net:g}: for exponent 3 the energy of a charged cell is undefined;"
            " make the charges sum to zero or choose another exponent"
        )
    integral = np.pi**1.5 * (2.0 * law.smearing**2) ** (0.5 * (3.0 - p)) / gamma(0.5 * p)
    return 2.0 * integral / (p - 3.0) * net / abs(np.linalg.det(cell))
