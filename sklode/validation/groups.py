"""Structures that belong together, and parts of them that the rest can predict."""

from collections.abc import Iterable, Sequence

import numpy as np
from ase import Atoms
from ase.formula import Formula
from numpy.typing import ArrayLike, NDArray

from ..inputs.keys import info_value
from ..inputs.targets import element_counts

_N_PARTS = 10  # of the structures of a formula
_FEWEST = 5  # formulas that can be left out, for a validation by formulas


def group_labels(structures: Iterable[Atoms], key: str | None = None) -> tuple[NDArray, str]:
    """Labels of structures that validation leaves out together.

    Parameters
    ----------
    structures : iterable of ase.Atoms
    key : str, default=None
        Key of ``atoms.info``. None takes chemical formulas. Where there are few that can be left
        out, since the others must tell the energies of the elements, as in trajectories: tenths of
        the structures of each formula, in the order of the file.

    Returns
    -------
    labels : ndarray of shape (n_structures,)
    description : str
        What a group is.

    Raises
    ------
    ValueError
        If a structure has no such key, or all have the same value.
    """
    if key is not None:
        values = [str(info_value(i, atoms, key, "--group")) for i, atoms in enumerate(structures)]
        if len(set(values)) == 1:
            raise ValueError(
                f"all structures have the same value of '{key}' (--group {key}), so that none can "
                "be left out. Name another key, or leave --group out."
            )
        return np.array(values), f"value of '{key}'"
    formulas = np.array([atoms.get_chemical_formula() for atoms in structures])
    names, members = np.unique(formulas, return_inverse=True)
    if len(names) - _n_independent(names) >= _FEWEST:
        return formulas, "chemical formula"
    parts = _tenths(members)
    size = "tenth" if parts.max() == _N_PARTS - 1 else "part"
    return parts, f"{size} of the structures of each formula"


def _n_independent(formulas):
    """How many formulas tell the energies of the elements of all."""
    counts = [Formula(str(formula)).count() for formula in formulas]
    symbols = sorted(set().union(*counts))
    return np.linalg.matrix_rank([[count.get(s, 0) for s in symbols] for count in counts])


def _tenths(members):
    """Which tenth of its kind each one is in, in order."""
    tenths = np.zeros(len(members), dtype=int)
    for kind in np.unique(members):
        own = np.flatnonzero(members == kind)
        tenths[own] = np.arange(len(own)) * min(_N_PARTS, len(own)) // len(own)
    return tenths


def covering_order(structures: Sequence[Atoms], groups: ArrayLike, seed: int) -> tuple[list, int]:
    """Labels of groups in random order, those first that tell the energies of all elements.

    Parameters
    ----------
    structures : sequence of ase.Atoms
    groups : array-like of shape (n_structures,)
    seed : int

    Returns
    -------
    order : list
        Of labels.
    n_needed : int
        How many of them, from the first on, have the compositions of all others in their span.
    """
    groups = np.asarray(groups)
    shuffled = np.random.default_rng(seed).permutation(np.unique(groups)).tolist()
    compositions = element_counts(structures)[1]
    known, needed, others = np.zeros((0, compositions.shape[1])), [], []
    for label in shuffled:
        own = np.unique(compositions[groups == label], axis=0)
        more = np.concatenate([known, own])
        if np.linalg.matrix_rank(more) > len(known):
            known = _independent(more)
            needed.append(label)
        else:
            others.append(label)
    return needed + others, len(needed)


def keep_out(
    structures: Sequence[Atoms], groups: ArrayLike, share: float = 0.2, seed: int = 0
) -> NDArray:
    """Choose groups at random that the others can predict.

    Parameters
    ----------
    structures : sequence of ase.Atoms
    groups : array-like of shape (n_structures,)
    share : float, default=0.2
        About which part of the structures is kept out.
    seed : int, default=0

    Returns
    -------
    ndarray of shape (n_structures,), bool
        True for structures that are kept out. None is, if no group can be spared.
    """
    groups = np.asarray(groups)
    order, n_needed = covering_order(structures, groups, seed)
    kept_out = np.zeros(len(groups), dtype=bool)
    for label in order[max(n_needed, 2) :]:  # a fit leaves groups out too
        if kept_out.sum() >= share * len(groups):
            break
        own = groups == label
        if kept_out.sum() + own.sum() <= 0.5 * len(groups):
            kept_out |= own
    return kept_out


def _independent(rows):
    """As many independent rows as their rank, which span the same space."""
    directions = np.linalg.svd(rows, full_matrices=False)[2]
    return directions[: np.linalg.matrix_rank(rows)]
