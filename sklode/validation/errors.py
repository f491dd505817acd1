"""Tables of errors against references."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from ase import Atoms
from numpy.typing import NDArray

from ..inputs.targets import read_targets
from .predictions import Predictions, table_of_structures

ENERGY = "energy (eV)"
ENERGY_PER_ATOM = "energy per atom (eV)"
FORCES = "force component (eV/A)"
STRESS = "stress component (eV/A^3)"


def references(
    structures: Sequence[Atoms], predictions: Predictions
) -> dict[str, tuple[NDArray, NDArray]]:
    """References of the calculators and predictions, where both are known, in flat arrays.

    Parameters
    ----------
    structures : sequence of ase.Atoms
    predictions : Predictions

    Returns
    -------
    dict of str to pair of ndarray of shape (n,)
        By quantity; those of which there is nothing are left out.

    Raises
    ------
    ValueError
        For labels that are none; the message names the structure.
    """
    targets = read_targets(structures, missing_forces="ignore")
    sizes = np.array([len(atoms) for atoms in structures])
    own = [i for i, energy in enumerate(targets.energies) if energy is not None]
    energies = np.array([targets.energies[i] for i in own]), predictions.energies[own]
    found = {
        ENERGY: energies,
        ENERGY_PER_ATOM: (energies[0] / sizes[own], energies[1] / sizes[own]),
        FORCES: _flat(targets.forces, predictions.forces),
        STRESS: _flat(targets.stresses, predictions.stresses),
    }
    return {name: pair for name, pair in found.items() if len(pair[0])}


def error_table(structures: Sequence[Atoms], predictions: Predictions) -> pd.DataFrame:
    """Errors of all that is predicted and known.

    Parameters
    ----------
    structures : sequence of ase.Atoms
        Their calculators have the references.
    predictions : Predictions

    Returns
    -------
    pandas.DataFrame
        One row a quantity: ``n`` numbers compared, ``rmse``, ``mae``, ``largest`` error, and
        ``spread``, the standard deviation of the references.
    """
    rows = {}
    for name, (true, predicted) in references(structures, predictions).items():
        error = np.abs(predicted - true)
        rows[name] = {
            "n": len(true),
            "rmse": np.sqrt(np.mean(error**2)),
            "mae": error.mean(),
            "largest": error.max(),
            "spread": true.std(),
        }
    columns = ["n", "rmse", "mae", "largest", "spread"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.astype({"n": int}).rename_axis("quantity")


def error_per_bar(structures: Sequence[Atoms], predictions: Predictions) -> float:
    """Root mean square of errors of energies by their bars; 1 for bars that are right.

    NaN where there is nothing to compare, or no finite bar.
    """
    if predictions.errors is None:
        return np.nan
    energies = read_targets(structures, missing_forces="ignore").energies
    true = np.array([np.nan if energy is None else energy for energy in energies], dtype=float)
    ratio = (predictions.energies - true) / predictions.errors
    known = np.isfinite(ratio) & np.isfinite(predictions.errors)
    return float(np.sqrt(np.mean(ratio[known] ** 2))) if known.any() else np.nan


def largest_errors(
    structures: Sequence[Atoms], predictions: Predictions
) -> list[tuple[int, float]]:
    """Place of each structure and error of its energy (eV), the largest first."""
    energies = read_targets(structures, missing_forces="ignore").energies
    found = [
        (i, float(predictions.energies[i] - energy))
        for i, energy in enumerate(energies)
        if energy is not None
    ]
    return sorted(found, key=lambda pair: -abs(pair[1]))


def largest_force_error(
    structures: Sequence[Atoms], predictions: Predictions
) -> tuple[int, int, float] | None:
    """Structure and atom whose force is the most wrong, and by how much (eV/angstrom).

    None where there is nothing to compare.
    """
    sizes = _force_errors(structures, predictions)
    known = [(i, own) for i, own in enumerate(sizes) if np.isfinite(own).any()]
    if not known:
        return None
    index, own = max(known, key=lambda pair: np.nanmax(pair[1]))
    return index, int(np.nanargmax(own)), float(np.nanmax(own))


def table_of_errors(structures: Sequence[Atoms], predictions: Predictions) -> pd.DataFrame:
    """One row a structure: energies and their errors, and the RMSE of the components of its forces.

    Units are in the names of columns; what is not known is NaN.
    """
    energies = read_targets(structures, missing_forces="ignore").energies
    true = np.array([np.nan if energy is None else energy for energy in energies], dtype=float)
    table = table_of_structures(structures, predictions, with_stress=False)
    table = table.rename(columns={"energy_eV": "predicted_energy_eV"})
    table.insert(3, "reference_energy_eV", true)
    table["error_eV"] = predictions.energies - true
    sizes = [own[np.isfinite(own)] for own in _force_errors(structures, predictions)]
    if any(len(own) for own in sizes):
        table["rmse_forces_eV_per_A"] = [
            np.sqrt(np.mean(own**2) / 3.0) if len(own) else np.nan for own in sizes
        ]
    return table


def _force_errors(structures, predictions):
    """Length of the error of the force on each atom of each structure, NaN where unknown."""
    if predictions.forces is None:
        return [np.full(len(atoms), np.nan) for atoms in structures]
    true = read_targets(structures, missing_forces="ignore").forces
    return [
        np.full(len(p), np.nan) if t is None else np.linalg.norm(p - t, axis=1)
        for t, p in zip(true, predictions.forces, strict=True)
    ]


def _flat(true, predicted):
    """Components that are known and predicted."""
    if predicted is None:
        return np.zeros(0), np.zeros(0)
    pairs = [(t, p) for t, p in zip(true, predicted, strict=True) if t is not None]
    if not pairs:
        return np.zeros(0), np.zeros(0)
    flat = [np.concatenate([np.ravel(pair[side]) for pair in pairs]) for side in (0, 1)]
    known = np.isfinite(flat[0]) & np.isfinite(flat[1])
    return flat[0][known], flat[1][known]
