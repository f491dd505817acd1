"""Coefficients <anlm|V_i> of the long-range potential, isolated and periodic structures alike."""

import numpy as np

from .neighbors import all_pairs
from .pair_expansion import add_centers, expand_pairs
from .periodic_expansion import PeriodicExpansion
from .potentials import SmearedPowerLaw
from .radial import center_integrals, pair_table


def potential_expansion(
    structures, channels, basis, exponents, *, smearing, include_center, tol, k_cutoff
):
    """Coefficients of a batch of structures, isolated and periodic ones in any mixture.

    Returns
    -------
    list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_exponents * n_channels * n_max).
    """
    laws = [SmearedPowerLaw(p, smearing) for p in exponents]
    periodic = PeriodicExpansion(
        basis, laws, include_center=include_center, tol=tol, k_cutoff=k_cutoff
    )
    width = len(laws) * channels.count * basis.n_max
    n_atoms = len(channels.index)
    out = [np.zeros((n_atoms, 2 * l + 1, width)) for l in range(basis.l_max + 1)]
    owner = np.repeat(np.arange(len(structures)), [len(s) for s in structures])
    isolated = np.array([not s.periodic.any() for s in structures])
    if isolated.any():
        atoms = np.flatnonzero(isolated[owner])
        parts = isolated_expansion(
            [s for s in structures if not s.periodic.any()],
            channels.of(atoms),
            basis,
            laws,
            include_center=include_center,
        )
        for whole, part in zip(out, parts, strict=True):
            whole[atoms] = part
    for number in np.flatnonzero(~isolated):
        atoms = np.flatnonzero(owner == number)
        for whole, part in zip(out, periodic(structures[number], channels.of(atoms)), strict=True):
            whole[atoms] = part
    return out


def isolated_expansion(structures, channels, basis, laws, *, include_center):
    """Direct sum over the pairs of isolated structures (theory, section 5.1).

    Returns
    -------
    list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws * n_channels * n_max).
    """
    tables = [pair_table(basis, law) for law in laws]
    n_atoms, width = len(channels.index), basis.l_max + 1

    def radial(distances):
        values = [t(distances).reshape(-1, width, 1, basis.n_max) for t in tables]
        return np.concatenate(values, axis=2).reshape(len(distances), -1)

    coefficients = expand_pairs(all_pairs(structures), channels, n_atoms, radial, basis.l_max)
    if include_center:
        own = np.concatenate([center_integrals(basis, law) for law in laws])
        add_centers(coefficients, channels, own)
    shape = (channels.count, len(laws), basis.n_max)
    return [
        c.reshape(n_atoms, -1, *shape).swapaxes(2, 3).reshape(n_atoms, c.shape[1], -1)
        for c in coefficients
    ]
