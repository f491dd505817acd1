"""Files that the demo reads and writes."""

from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import ase
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ..datasets import load_s22x5
from ..inputs.atoms import describe, read_structures
from ..inputs.fragments import spread_charges
from ..inputs.keys import energy_of, finite_number, info_value
from ..inputs.xyz import read_file
from ..outputs.files import whole_file
from ..saving import save_model
from .picture import draw

FILES = ("predictions.csv", "model.skops", "binding_curves.png")
_OF_FRAGMENTS = "charge_A and charge_B"


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
    if fragments is not None:
        for i, atoms in enumerate(structures):
            atoms.set_array("fragment", _fragment_labels(i, atoms, fragments))
    structures, named = read_charges(structures, charges, fragments is not None)
    return DimerSet(
        structures,
        np.array(energies),
        np.array(groups),
        separations,
        fragments is not None,
        named,
    )


def read_charges(
    structures: list[ase.Atoms], key: str | None, has_fragments: bool
) -> tuple[list[ase.Atoms], str | None]:
    """The structures with a per-atom array of charges, and its name; None if all are zero."""
    if key is None:
        key = _charge_key(structures, has_fragments)
        if key is None:
            return structures, None
    if key == _OF_FRAGMENTS:
        pairs = [
            [finite_number(i, a, a.info[name], name) for name in ("charge_A", "charge_B")]
            for i, a in enumerate(structures)
        ]
        structures = [spread_charges(a, q) for a, q in zip(structures, pairs, strict=True)]
        key = "fragment_charges"
    elif key not in structures[0].arrays:
        totals = [
            finite_number(i, a, info_value(i, a, key, "--charges"), key)
            for i, a in enumerate(structures)
        ]
        for atoms, total in zip(structures, totals, strict=True):
            atoms.set_array("atom_charges", np.full(len(atoms), total / len(atoms)))
        key = "atom_charges"
    for i, atoms in enumerate(structures):
        if key not in atoms.arrays:
            raise ValueError(f"{describe(i, atoms)}: has no per-atom array '{key}' of charges.")
    zero = all(not np.any(atoms.arrays[key]) for atoms in structures)
    return structures, None if zero else key


def _charge_key(structures, has_fragments):
    """What all structures have that tells charges."""
    in_info = [set(atoms.info) for atoms in structures]
    if has_fragments and all({"charge_A", "charge_B"} <= keys for keys in in_info):
        return _OF_FRAGMENTS
    if all("initial_charges" in atoms.arrays for atoms in structures):
        return "initial_charges"
    if not has_fragments and all("total_charge" in keys for keys in in_info):
        return "total_charge"
    return None


def _fragment_labels(index, atoms, key):
    if key in atoms.arrays:
        labels = np.array(atoms.arrays[key])
        if labels.dtype.kind not in "iu" or labels.ndim != 1 or np.ptp(labels) == 0:
            raise ValueError(
                f"{describe(index, atoms)}: the array '{key}' must be one integer an atom, with "
                f"two different ones or more; it is {labels.ravel()[:6].tolist()}..."
            )
        return labels
    count = info_value(index, atoms, key, "--fragments")
    number = isinstance(count, Integral) and not isinstance(count, bool)
    if not number or not 0 < count < len(atoms):
        raise ValueError(
            f"{describe(index, atoms)}: '{key}' must be the number of atoms of the first molecule, "
            f"between 1 and {len(atoms) - 1}; it is {count!r}."
        )
    return (np.arange(len(atoms)) >= count).astype(int)


def write_results(
    folder: Path, predictions: pd.DataFrame, model: BaseEstimator
) -> tuple[list[Path], list[str]]:
    """Write predictions, model and, if there are separations, the picture.

    Each file appears under its name only when it is complete; one that cannot be written does not
    keep back the others.

    Returns
    -------
    written : list of Path
    failures : list of str
        What could not be written, and why.
    """
    table, stored, picture = FILES
    writers = {table: predictions.to_csv, stored: lambda path: save_model(model, path)}
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
