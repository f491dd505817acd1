"""What a model says about structures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray

from ..projection.chain_rule import check_differentiable

_VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")


@dataclass(frozen=True)
class Predictions:
    """Energies and what belongs to them.

    Attributes
    ----------
    energies : ndarray of shape (n_structures,)
        In eV.
    errors : ndarray of shape (n_structures,) or None
        Expected errors of the energies, in eV; None if the model has none.
    forces : list of ndarray of shape (n_atoms, 3) or None
        In eV/angstrom.
    stresses : ndarray of shape (n_structures, 6) or None
        In eV/angstrom^3, Voigt's order; NaN for what has no stress.
    """

    energies: NDArray
    errors: NDArray | None = None
    forces: list[NDArray] | None = None
    stresses: NDArray | None = None


def has_gradients(model: Any) -> bool:
    """Whether a fitted model predicts forces."""
    if not hasattr(model, "predict_all"):
        return False
    try:
        check_differentiable(model.features_)
    except TypeError:
        return False
    return True


def predict_labels(
    model: Any, structures: Sequence[Atoms], derivatives: bool | None = None
) -> Predictions:
    """Predict all that a model can.

    Parameters
    ----------
    model : estimator
        A fitted AtomisticRidgeCV, or another regressor of structures.
    structures : sequence of ase.Atoms
    derivatives : bool, default=None
        Whether to predict forces and stresses; None does so if the model can.

    Returns
    -------
    Predictions

    Raises
    ------
    TypeError, ValueError
        For forces of a model that has none, and structures that it cannot describe; the message
        names the structure.
    """
    if derivatives is None:
        derivatives = has_gradients(model)
    if derivatives:
        if not hasattr(model, "predict_all"):
            raise TypeError(f"{type(model).__name__} predicts no forces.")
        return Predictions(*model.predict_all(structures))
    if hasattr(model, "predict_all"):
        return Predictions(*model.predict(structures, return_std=True))
    return Predictions(np.asarray(model.predict(structures)))


def table_of_structures(
    structures: Sequence[Atoms], predictions: Predictions, first: int = 0, with_stress: bool = True
) -> pd.DataFrame:
    """One row a structure: energy, its error bar, stress; units are in the names of columns.

    Parameters
    ----------
    structures : sequence of ase.Atoms
    predictions : Predictions
    first : int, default=0
        Number of the first structure.
    with_stress : bool, default=True
        Whether there are columns for stresses, if these are predicted.

    Returns
    -------
    DataFrame
    """
    columns = {
        "structure": first + np.arange(len(structures)),
        "formula": [atoms.get_chemical_formula() for atoms in structures],
        "n_atoms": [len(atoms) for atoms in structures],
        "energy_eV": predictions.energies,
    }
    if predictions.errors is not None:
        columns["energy_std_eV"] = predictions.errors
    if predictions.stresses is not None and with_stress:
        for name, values in zip(_VOIGT, predictions.stresses.T, strict=True):
            columns[f"stress_{name}_eV_per_A3"] = values
    return pd.DataFrame(columns)


def table_of_atoms(
    structures: Sequence[Atoms], predictions: Predictions, first: int = 0
) -> pd.DataFrame:
    """One row an atom: its force; units are in the names of columns.

    Parameters
    ----------
    structures : sequence of ase.Atoms
    predictions : Predictions
        With forces.
    first : int, default=0
        Number of the first structure.

    Returns
    -------
    DataFrame
    """
    sizes = [len(atoms) for atoms in structures]
    columns = {
        "structure": first + np.repeat(np.arange(len(structures)), sizes),
        "atom": np.concatenate([np.arange(size) for size in sizes]),
        "symbol": [symbol for atoms in structures for symbol in atoms.symbols],
    }
    forces = np.concatenate(predictions.forces or [np.zeros((0, 3))])
    for name, values in zip("xyz", forces.T, strict=True):
        columns[f"force_{name}_eV_per_A"] = values
    return pd.DataFrame(columns)


def predicted_structures(structures: Sequence[Atoms], predictions: Predictions) -> list[Atoms]:
    """Copies whose calculators have the predictions, and ``energy_std`` (eV) in their info."""
    found = []
    for index, atoms in enumerate(structures):
        results: dict[str, Any] = {"energy": float(predictions.energies[index])}
        if predictions.forces is not None:
            results["forces"] = predictions.forces[index]
        if predictions.stresses is not None and np.isfinite(predictions.stresses[index]).all():
            results["stress"] = predictions.stresses[index]
        copied = atoms.copy()
        if predictions.errors is not None:
            copied.info["energy_std"] = float(predictions.errors[index])
        copied.calc = SinglePointCalculator(copied, **results)
        found.append(copied)
    return found
