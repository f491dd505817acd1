"""Files that the demo reads and writes."""

from dataclasses import dataclass
from pathlib import Path

import ase
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ..datasets import load_s22x5
from ..inputs.array_keys import ArrayKeys, known_charges
from ..inputs.atoms import describe, read_structures
from ..inputs.keys import energy_of, finite_number, info_value
from ..inputs.xyz import read_file
from ..outputs.files import whole_file
from ..saving import save_model
from .picture import draw

FILES = ("predictions.csv", "model.skops", "local_model.skops", "binding_curves.png")


@dataclass
class DimerSet:
    """Structures with what the demo needs to know about them.

    Attributes
    ----------
    structures : list of ase.Atoms
    energies : ndarray of shape (n_structures,)
        Interaction energies with fragments, total energies without; eV.
    groups : ndarray of shape (n_structures,)
        Names of the molecules or pairs that are left out together.
    distance : ndarray of shape (n_structures,) or None
        Separation, in any unit.
    has_fragments : bool
        Whether the structures carry a "fragment" array.
    charges : str or None
        Per-atom array with charges, if they are known and not all zero.
    """

    structures: list[ase.Atoms]
    energies: NDArray
    groups: NDArray
    distance: NDArray | None
    has_fragments: bool
    charges: str | None = None


def read_dimers(
    path: str | Path | None = None,
    *,
    energy: str | None = None,
    group: str | None = None,
    distance: str | None = None,
    fragments: str | None = None,
    charges: str | None = None,
) -> DimerSet:
    """The S22x5 dimers, or those of an extended XYZ file.

    Parameters
    ----------
    path : path-like, default=None
        File to read; None takes ``load_s22x5``.
    energy : str, default=None
        Key of ``atoms.info`` with the energy in eV, or in the unit that the key ``energy_unit``
        names; None takes the calculator's energy.
    group : str, default=None
        Key that names the molecules of a structure; None takes its chemical formula.
    distance : str, default=None
        Key of the separation; None leaves out the extrapolation to far structures.
    fragments : str, default=None
        A per-atom array of integers, or a key that holds the number of atoms of the first molecule.
    charges : str, default=None
        A per-atom array of charges, or a key that holds the total charge. None takes what is there:
        ``charge_A`` and ``charge_B`` of the fragments, else the array ``initial_charges``, else
        ``total_charge`` of structures without fragments.

    Returns
    -------
    DimerSet

    Raises
    ------
    ValueError
        If the file or a structure cannot be read, or a key is missing or means nothing; the message
        names the structure and the keys that it has.
    OSError
        If there is no such file, or it may not be read.
    """
    if path is None:
        data = load_s22x5()
        return DimerSet(data.data, data.target, data.groups, data.distance, True)
    structures = read_file(path)
    read_structures(structures)
    energies = [energy_of(i, atoms, energy) for i, atoms in enumerate(structures)]
    if group is None:
        groups = [atoms.get_chemical_formula() for atoms in structures]
    else:
        groups = [str(info_value(i, atoms, group, "--group")) for i, atoms in enumerate(structures)]
    separations = None
    if distance is not None:
        separations = np.array(
            [
                finite_number(i, atoms, info_value(i, atoms, distance, "--distance"), distance)
                for i, atoms in enumerate(structures)
            ]
        )
    structures, charges = _with_arrays(structures, fragments, charges)
    return DimerSet(
        structures,
        np.array(energies),
        np.array(groups),
        separations,
        fragments is not None,
        charges,
    )


def _with_arrays(structures, fragments, charges):
    """Structures with fragments and charges, and the array of these; None if all are zero."""
    charges = charges or known_charges(structures, fragments is not None)
    keys = ArrayKeys(fragments, charges)
    found = [keys.attach(index, atoms) for index, atoms in enumerate(structures)]
    if charges is None:
        return found, None
    name = charges if charges in structures[0].arrays else keys.charges_array
    for index, atoms in enumerate(found):
        if name not in atoms.arrays:
            raise ValueError(
                f"{describe(index, atoms)}: has no per-atom array '{name}' of charges."
            )
    zero = all(not np.any(atoms.arrays[name]) for atoms in found)
    return found, None if zero else name


def write_results(
    folder: Path, predictions: pd.DataFrame, model: BaseEstimator, local_model: BaseEstimator
) -> tuple[list[Path], list[str]]:
    """Write predictions, models and, if there are separations, the picture.

    Each file appears under its name only when it is complete; one that cannot be written does not
    keep back the others.

    Returns
    -------
    written : list of Path
    failures : list of str
        What could not be written, and why.
    """
    table, stored, stored_local, picture = FILES
    writers = {
        table: predictions.to_csv,
        stored: lambda path: save_model(model, path),
        stored_local: lambda path: save_model(local_model, path),
    }
    if "distance" in predictions:
        writers[picture] = lambda path: draw(predictions).savefig(path, format="png")
    written, failures = [], []
    for name, write in writers.items():
        try:
            with whole_file(folder / name) as unfinished:
                write(unfinished)
            written.append(folder / name)
        except OSError as error:
            failures.append(str(error))
    return written, failures
