"""Choosing alpha by leaving structures out."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.model_selection import GroupKFold, check_cv

from ..inputs.atoms import real_array
from ..ridge.left_out import Fold, cross_validate
from .equations import ENERGY, FORCES, KINDS, STRESS

_ERRORS = {ENERGY: "rmse_energy_per_atom", FORCES: "rmse_forces", STRESS: "rmse_stress"}
_NAMES = {FORCES: "forces", STRESS: "stresses"}


def read_alphas(alphas):
    """Penalties as an array of positive numbers."""
    values = np.atleast_1d(real_array(alphas, "alphas"))
    if values.ndim != 1 or not len(values) or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"alphas must be positive numbers; got {alphas}.")
    return values


def choose_alpha(ridge, stream, folds, alphas, n_rows):
    """The alpha of the smallest left-out errors, the larger one of equals.

    Parameters
    ----------
    ridge : InMemory or Streamed
    stream : GradientRows
    folds : list of Fold
        Empty for a single alpha that is taken as it is.
    alphas : ndarray of shape (n_alphas,)
    n_rows : sequence of int
        How many rows of each kind were learnt.

    Returns
    -------
    alpha : float
    noise : float
        Size of the noise of a row of weight 1; NaN without folds.
    results : dict of str to ndarray of shape (n_alphas,)
        NaN for kinds that were learnt, of which no row counts.

    Warns
    -----
    UserWarning
        If there is a choice and energies were left out, none of which counts.
    """
    if not folds:
        return float(alphas[0]), np.nan, {"alpha": alphas}
    return best_alpha(cross_validate(ridge, stream, folds, alphas, len(KINDS)), alphas, n_rows)


def best_alpha(tally, alphas, n_rows):
    """The same, from the tally of left-out residuals."""
    results = {"alpha": alphas}
    results["objective"] = objective = tally.objective()
    for kind in np.flatnonzero(n_rows):
        counted = tally.counts[kind] > 0
        results[_ERRORS[kind]] = tally.errors(kind) if counted else np.full(len(alphas), np.nan)
    if len(alphas) > 1 and tally.n_undetermined and not tally.counts[ENERGY]:
        judges = " and ".join(_NAMES[kind] for kind in _NAMES if tally.counts[kind])
        warnings.warn(
            "No left-out energy can be judged: without the structure or group that is left out, "
            f"the energies of the elements are undetermined. alpha is chosen by {judges} only. "
            "Pass other groups, or baseline=False if the energies are those of interactions.",
            stacklevel=6,  # best_alpha, choose_alpha, _fit_rows, fit, its wrapper, the caller
        )
    best = max(np.flatnonzero(objective == objective.min()), key=lambda k: alphas[k])
    return float(alphas[best]), float(tally.noise()[best]), results


def make_folds(cv, groups, has_rows, n_alphas):
    """Folds of a cross-validation.

    Parameters
    ----------
    cv : None, int, splitter or iterable
        None leaves every structure, or every group, out once.
    groups : ndarray of shape (n_structures,) or None
    has_rows : ndarray of shape (n_structures,), bool
        Structures without targets are in no fold.
    n_alphas : int
        How many there are to choose from.

    Returns
    -------
    list of Fold
        Empty for None and a single structure or group, which a single alpha may have.

    Raises
    ------
    ValueError
        If there are several alphas and nothing to leave out; for splits that test what they fit,
        or leave nothing to fit or test.
    """
    if cv is None:
        labels = np.arange(len(has_rows)) if groups is None else groups
        labels, members = np.unique(labels[has_rows], return_inverse=True)
        order = np.argsort(members, kind="stable")
        parts = np.split(np.flatnonzero(has_rows)[order], np.cumsum(np.bincount(members))[:-1])
        if len(parts) == 1 and n_alphas > 1:
            raise ValueError(_nothing_to_leave_out(len(parts[0]), labels.tolist()[0]))
        return [Fold(part, part) for part in parts] if len(parts) > 1 else []
    splits = _splits(cv, groups, len(has_rows))
    return [_fold(train, test, has_rows) for train, test in splits]


def fold_arrays(folds):
    """Folds as arrays by name."""
    parts = [part for fold in folds for part in (fold.left_out, fold.tested)]
    return {"folds": np.concatenate(parts), "fold sizes": np.array([len(part) for part in parts])}


def stored_folds(arrays):
    """Folds that ``fold_arrays`` gave; None without them."""
    if "folds" not in arrays:
        return None
    parts = np.split(arrays["folds"], np.cumsum(arrays["fold sizes"])[:-1])
    return [Fold(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]


def _nothing_to_leave_out(n, label):
    """What is wrong with one structure, or with n in one group."""
    if n == 1:
        return (
            "Choosing among alphas needs at least two structures with targets. Pass a single "
            "alpha: alphas=1e-4."
        )
    return (
        f"All {n} structures with targets are in one group ({label!r}). Pass other groups, or a "
        "single alpha: alphas=1e-4."
    )


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
