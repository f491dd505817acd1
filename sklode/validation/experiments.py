"""What fits to a part of the structures say about the rest."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone

from ..composition import Composition
from ..label_checks import SuspiciousLabelWarning
from ..regression import AtomisticRidgeCV
from .errors import error_table
from .groups import covering_order
from .predictions import Predictions, predict_labels

WITHOUT = "without features"


def predict_kept_out(
    models: Mapping[str, AtomisticRidgeCV],
    structures: Sequence[Atoms],
    groups: ArrayLike,
    kept_out: NDArray,
) -> tuple[list[Atoms], dict[str, Predictions]]:
    """Fit to the others, and predict structures that are kept out.

    Parameters
    ----------
    models : dict of str to AtomisticRidgeCV
        They are cloned.
    structures : sequence of ase.Atoms
        With calculators.
    groups : array-like of shape (n_structures,)
        As for ``fit``.
    kept_out : ndarray of shape (n_structures,), bool

    Returns
    -------
    structures : list of ase.Atoms
        Those kept out.
    predictions : dict of str to Predictions
        Of each model, and ``WITHOUT`` features: those of a fit of energies of the elements alone,
        zeros for models without baseline.
    """
    rest = [structures[i] for i in np.flatnonzero(~kept_out).tolist()]
    tested = [structures[i] for i in np.flatnonzero(kept_out).tolist()]
    labels = np.asarray(groups)[~kept_out]
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuspiciousLabelWarning)  # the fit to all structures warns
        for name, model in models.items():
            found[name] = predict_labels(clone(model).fit(rest, groups=labels), tested)
    baseline = all(model.baseline for model in models.values())
    found[WITHOUT] = predict_elements(rest, tested) if baseline else _zero(tested)
    return tested, found


def predict_elements(structures: Sequence[Atoms], tested: Sequence[Atoms]) -> Predictions:
    """Predict by energies of the elements alone.

    Parameters
    ----------
    structures : sequence of ase.Atoms
        Whose labels tell the energies; what is wrong with these is not said here.
    tested : sequence of ase.Atoms
        To predict.

    Returns
    -------
    Predictions
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuspiciousLabelWarning)
        elements = AtomisticRidgeCV(Composition(), alphas=[1.0])  # whose baseline does it all
        return predict_labels(elements.fit(structures), tested)


def learning_curve(
    model: BaseEstimator,
    structures: Sequence[Atoms],
    groups: ArrayLike,
    tested: Sequence[Atoms],
    *,
    n_sizes: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """Errors of fits to growing parts of the structures, on others.

    Parameters
    ----------
    model : AtomisticRidgeCV
        It is cloned for each size.
    structures : sequence of ase.Atoms
        To fit; their calculators have the labels.
    groups : array-like of shape (n_structures,)
        Whole groups are added, in random order after those that all elements need.
    tested : sequence of ase.Atoms
        To predict.
    n_sizes : int, default=5
        Largest number of fits; each is to about twice as many groups as the one before.
    seed : int, default=0

    Returns
    -------
    pandas.DataFrame
        One row a fit: ``n_structures``, and the RMSE of every quantity.

    Raises
    ------
    TypeError
        For a model of another kind.
    ValueError
        With a single group, or as ``fit`` and ``predict`` do.
    """
    if not isinstance(model, AtomisticRidgeCV):
        raise TypeError(f"learning curves need an AtomisticRidgeCV; got {type(model).__name__}.")
    groups = np.asarray(groups)
    order, n_needed = covering_order(structures, groups, seed)
    if len(order) < 2:
        raise ValueError("a learning curve needs at least two groups to fit.")
    sizes = {len(order) >> step for step in range(n_sizes)}
    rows = []
    for size in sorted(n for n in sizes if n >= max(n_needed, 2)):
        own = np.flatnonzero(np.isin(groups, order[:size])).tolist()
        part = [structures[i] for i in own]
        fitted = clone(model).fit(part, groups=groups[own])
        errors = error_table(tested, predict_labels(fitted, tested))["rmse"]
        rows.append({"n_structures": len(part), **errors.to_dict()})
    return pd.DataFrame(rows)


def _zero(structures):
    forces = [np.zeros((len(atoms), 3)) for atoms in structures]
    return Predictions(np.zeros(len(structures)), None, forces, np.zeros((len(structures), 6)))
