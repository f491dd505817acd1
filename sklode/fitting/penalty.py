"""Choosing alpha by leaving structures out."""

from numbers import Integral

import numpy as np
from sklearn.model_selection import GroupKFold, check_cv

from ..inputs.atoms import real_array
from ..ridge.left_out import Fold, cross_validate
from .equations import ENERGY, FORCES, KINDS, STRESS

_ERRORS = {ENERGY: "rmse_energy_per_atom", FORCES: "rmse_forces", STRESS: "rmse_stress"}


def read_alphas(alphas):
    """Penalties as an array of positive numbers."""
    values = np.atleast_1d(real_array(alphas, "alphas"))
    if values.ndim != 1 or not len(values) or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"alphas must be positive numbers; got {alphas}.")
    return values


def choose_alpha(ridge, stream, folds, alphas):
    """The alpha of the smallest left-out errors, the larger one of equals.

    Parameters
    ----------
    ridge : InMemory or Streamed
    stream : GradientRows
    folds : list of Fold
    alphas : ndarray of shape (n_alphas,)

    Returns
    -------
    alpha : float
    noise : float
        Size of the noise of a row of weight 1; NaN without folds.
    results : dict of str to ndarray of shape (n_alphas,)

    Raises
    ------
    ValueError
        If there is nothing to choose by.
    """
    results = {"alpha": alphas}
    if not folds:
        if len(alphas) > 1:
            raise ValueError(
                "Choosing among alphas needs at least two structures (two groups) with targets. "
                "Pass a single alpha: alphas=1e-4."
            )
        return float(alphas[0]), np.nan, results
    tally = cross_validate(ridge, stream, folds, alphas, len(KINDS))
    results["objective"] = objective = tally.objective()
    for kind in np.flatnonzero(tally.counts):
        results[_ERRORS[kind]] = tally.errors(kind)
    best = max(np.flatnonzero(objective == objective.min()), key=lambda k: alphas[k])
    return float(alphas[best]), float(tally.noise()[best]), results


def make_folds(cv, groups, has_rows):
    """Folds of a cross-validation.

    Parameters
    ----------
    cv : None, int, splitter or iterable
        None leaves every structure, or every group, out once.
    groups : ndarray of shape (n_structures,) or None
    has_rows : ndarray of shape (n_structures,), bool
        Structures without targets are in no fold.

    Returns
    -------
    list of Fold
        Empty for None and a single structure or group.

    Raises
    ------
    ValueError
        For splits that test what they fit, or leave nothing to fit or test.
    """
    if cv is None:
        labels = np.arange(len(has_rows)) if groups is None else groups
        labels, members = np.unique(labels[has_rows], return_inverse=True)
        order = np.argsort(members, kind="stable")
        parts = np.split(np.flatnonzero(has_rows)[order], np.cumsum(np.bincount(members))[:-1])
        return [Fold(part, part) for part in parts] if len(parts) > 1 else []
    splits = _splits(cv, groups, len(has_rows))
    return [_fold(train, test, has_rows) for train, test in splits]


def _splits(cv, groups, n):
    """Pairs of arrays of indices of n structures."""
    try:
        if isinstance(cv, Integral) and groups is not None:
            cv = GroupKFold(cv)
        rows = np.arange(n)
        splits = check_cv(cv).split(rows[:, None], None, groups)
        splits = [(rows[train], rows[test]) for train, test in splits]
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(
            f"cv must be None, a number of folds, a splitter, or pairs of arrays of indices; with "
            f"{cv!r:.60}: {error}"
        ) from error
    if not splits:
        raise ValueError(f"cv must have at least one split; got {cv!r:.60}.")
    return splits


def _fold(train, test, has_rows):
    fitted, tested = np.zeros(len(has_rows), dtype=bool), np.zeros(len(has_rows), dtype=bool)
    fitted[train], tested[test] = True, True
    if (fitted & tested).any():
        raise ValueError("cv must not test structures that are fitted in the same split.")
    if not (fitted & has_rows).any() or not (tested & has_rows).any():
        raise ValueError(
            "cv must leave structures with energies, forces or stresses to fit and to test in "
            "every split. Use fewer splits, or another splitter."
        )
    return Fold(np.flatnonzero(~fitted & has_rows), np.flatnonzero(tested & has_rows))
