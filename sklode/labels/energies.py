"""Energies of another unit or level than those of most structures."""

from functools import partial

import numpy as np

from .frames import Finding

_GAP_BELOW = 0.5  # eV an atom: a reaction moves few atoms so far, another level all of them
_GAP_ABOVE = 5.0  # eV an atom: those that are too close have high energies, and right ones
_SPREADS = 20.0  # a gap against the spread on either side
_FEWEST = 10  # structures of one composition, or compositions, that tell what is usual
_FEW = 4  # structures of one composition that do so with the spread of others
_MOST = 1e7  # eV an atom, more than the electrons of any element are bound by
_RESIDUAL = 2.0  # eV an atom, beside energies of elements; chemistry stays below
_STEPS = 50  # of reweighting; it stops by itself long before
_DAMPING = 1e-6  # eV an atom, where residuals count as small


def check_energies(frames):
    """Outliers among energies of one composition, and among compositions.

    Parameters
    ----------
    frames : Frames

    Returns
    -------
    list of Finding
    """
    known = np.flatnonzero(np.isfinite(frames.energies))
    if len(known) == 0:
        return []
    compositions, members = np.unique(frames.counts[known], axis=0, return_inverse=True)
    order = np.argsort(members, kind="stable")
    groups = np.split(known[order], np.cumsum(np.bincount(members))[:-1])
    per_atom = frames.energies / frames.sizes
    distance = np.zeros(len(per_atom))
    usual_spread = partial(_spread_within, per_atom, groups)  # rarely asked for
    for group in groups:
        if len(group) >= _FEW:
            distance[group] = _levels(per_atom[group], usual_spread)
    usual = np.array([np.median(per_atom[group]) for group in groups])
    residuals = _beside_elements(compositions, usual)
    for group, residual in zip(groups, residuals, strict=True):
        distance[group] = np.where(distance[group] == 0.0, residual, distance[group])
    beyond = np.where(np.abs(per_atom) > _MOST, per_atom - np.nanmedian(per_atom), 0.0)
    distance = np.where(distance == 0.0, beyond, distance)
    return [_other_levels(np.flatnonzero(distance), distance)]


def _other_levels(found, distance):
    return Finding(
        "energy_level",
        "error",
        "energies are far from those of like compositions: another unit (1 hartree = 27.2114 eV, "
        "1 kcal/mol = 0.0433641 eV), another method or basis set, pseudopotentials beside all "
        "electrons, or a calculation that failed. Convert them, or fit each level by itself.",
        found,
        distance[found],
        "{:+.3g} eV an atom from the others",
    )


def _spread_within(energies, groups):
    """Spread of energies about the medians of their compositions."""
    return _spread(np.concatenate([energies[g] - np.median(energies[g]) for g in groups]))


def _levels(energies, spread_elsewhere):
    """Distances of energies from the middle of most of them, 0 for those that belong to it.

    Sorted energies are cut at the largest gap while it is wide beside both sides, and beside the
    energies of other compositions where there are few of this one.
    """
    order = np.argsort(energies)
    first, last = 0, len(energies)
    fewest = _FEWEST if last >= _FEWEST else _FEW
    while last - first >= fewest:
        ordered = energies[order[first:last]]
        cut = int(np.diff(ordered).argmax()) + 1
        gap = ordered[cut] - ordered[cut - 1]
        few_are_above = 2 * cut > len(ordered)
        if gap < (_GAP_ABOVE if few_are_above else _GAP_BELOW):
            break
        spread = max(_spread(ordered[:cut]), _spread(ordered[cut:]))
        if len(energies) < _FEWEST:
            spread = max(spread, spread_elsewhere())
        if gap < _SPREADS * spread:
            break
        first, last = (first, first + cut) if few_are_above else (first + cut, last)
    usual = np.zeros(len(energies), dtype=bool)
    usual[order[first:last]] = True
    return np.where(usual, 0.0, energies - np.median(energies[usual]))


def _spread(values):
    """Standard deviation as half of all values have it."""
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def _beside_elements(compositions, per_atom):
    """Residuals of compositions beside energies of the elements, 0 for those of usual size.

    The sum of absolute residuals an atom is minimised, which a few outliers do not pull.
    """
    shares = compositions / compositions.sum(axis=1, keepdims=True)
    n_elements = shares.shape[1]
    if len(shares) < max(_FEWEST, 3 * n_elements):
        return np.zeros(len(shares))
    weights = np.ones(len(shares))
    for _ in range(_STEPS):
        roots = np.sqrt(weights)
        found = np.linalg.lstsq(shares * roots[:, None], per_atom * roots, rcond=None)[0]
        residuals = per_atom - shares @ found
        weights = 1.0 / np.maximum(np.abs(residuals), _DAMPING)
    limit = max(_RESIDUAL, _SPREADS * _spread(residuals))
    return np.where(np.abs(residuals) > limit, residuals, 0.0)
