"""Files that the demo reads and writes."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from tempfile import NamedTemporaryFile

import ase.units
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ..datasets import load_s22x5
from ..inputs.atoms import describe, read_structures
from ..inputs.fragments import spread_charges
from ..inputs.label_keys import energy_keys
from ..inputs.xyz import read_file
from ..potentials import as_float
from ..saving import save_model
from .picture import draw

_FILES = ("predictions.csv", "model.skops", "binding_curves.png")
_OF_FRAGMENTS = "charge_A and charge_B"
_PROBE = 2**20  # bytes that must fit into the output folder before the work begins


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
    energies = [_energy(i, atoms, energy) for i, atoms in enumerate(structures)]
    if group is None:
        groups = [atoms.get_chemical_formula() for atoms in structures]
    else:
        groups = [str(_info(i, atoms, group, "--group")) for i, atoms in enumerate(structures)]
    separations = None
    if distance is not None:
        separations = np.array(
            [
                _number(i, atoms, _info(i, atoms, distance, "--distance"), distance)
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
            [_number(i, a, a.info[name], name) for name in ("charge_A", "charge_B")]
            for i, a in enumerate(structures)
        ]
        structures = [spread_charges(a, q) for a, q in zip(structures, pairs, strict=True)]
        key = "fragment_charges"
    elif key not in structures[0].arrays:
        totals = [
            _number(i, a, _info(i, a, key, "--charges"), key) for i, a in enumerate(structures)
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


@contextmanager
def naming(path: str | Path | None) -> Iterator[None]:
    """Errors about the contents of a file name the file."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        if path is None:
            raise
        raise ValueError(f"{path}: {error}") from error


def _info(index, atoms, key, option):
    if key not in atoms.info:
        raise ValueError(
            f"{describe(index, atoms)}: has no key '{key}' ({option} {key}); it has "
            f"{sorted(atoms.info)}."
        )
    return atoms.info[key]


def _number(index, atoms, value, label):
    if not np.isfinite(as_float(value)):
        shown = " ".join(repr(value).split())
        raise ValueError(
            f"{describe(index, atoms)}: {label} must be a finite number in every structure; it is "
            f"{shown:.60}. Repair it, or name another key."
        )
    return float(value)


def _energy(index, atoms, key):
    results = {} if atoms.calc is None else atoms.calc.results  # ASE moves some keys there
    if key is None:
        if "energy" not in results:
            likely = energy_keys([atoms])
            example = f"; --energy {likely[0]} if that is one" if likely else ""
            raise ValueError(
                f"{describe(index, atoms)}: has no energy; name its key with --energy{example}. It "
                f"has the keys {sorted(atoms.info)}."
            )
        return _number(index, atoms, results["energy"], "the energy")
    value = results[key] if key in results else _info(index, atoms, key, "--energy")
    unit = str(atoms.info.get("energy_unit", "eV"))
    units = {
        "eV": 1.0,
        "kcal/mol": ase.units.kcal / ase.units.mol,
        "kJ/mol": ase.units.kJ / ase.units.mol,
        "Hartree": ase.units.Hartree,
    }
    if unit not in units:
        raise ValueError(
            f"{describe(index, atoms)}: unknown energy_unit '{unit}'; known are {list(units)}."
        )
    return _number(index, atoms, value, key) * units[unit]


def _fragment_labels(index, atoms, key):
    if key in atoms.arrays:
        labels = np.array(atoms.arrays[key])
        if labels.dtype.kind not in "iu" or labels.ndim != 1 or np.ptp(labels) == 0:
            raise ValueError(
                f"{describe(index, atoms)}: the array '{key}' must be one integer an atom, with "
                f"two different ones or more; it is {labels.ravel()[:6].tolist()}..."
            )
        return labels
    count = _info(index, atoms, key, "--fragments")
    number = isinstance(count, Integral) and not isinstance(count, bool)
    if not number or not 0 < count < len(atoms):
        raise ValueError(
            f"{describe(index, atoms)}: '{key}' must be the number of atoms of the first molecule, "
            f"between 1 and {len(atoms) - 1}; it is {count!r}."
        )
    return (np.arange(len(atoms)) >= count).astype(int)


@contextmanager
def output_folder(path: str | Path) -> Iterator[Path]:
    """A folder into which files can be written, for what takes long before it writes them.

    Folders that had to be made are removed again if the work fails.

    Raises
    ------
    OSError
        If nothing can be written there.
    """
    folder = Path(path)
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in _FILES:
                if (folder / name).is_dir():
                    raise IsADirectoryError(None, f"it holds a folder called {name}")
            with NamedTemporaryFile(dir=folder, prefix=".probe") as probe:
                probe.write(bytes(_PROBE))
                probe.flush()
        except OSError as error:
            taken = isinstance(error, FileExistsError)
            reason = "it is no folder" if taken else error.strerror or error
            raise OSError(
                f"--output {folder}: cannot be written to ({reason}). Give another folder."
            ) from error
        yield folder
    except BaseException:
        for place in made:
            with suppress(OSError):  # not made, or no longer empty
                place.rmdir()
        raise


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
    table, stored, picture = _FILES
    writers = {table: predictions.to_csv, stored: lambda path: save_model(model, path)}
    if "distance" in predictions:
        writers[picture] = lambda path: draw(predictions).savefig(path, format="png")
    written, failures = [], []
    for name, write in writers.items():
        unfinished = folder / f".{name}.unfinished"
        try:
            write(unfinished)
            unfinished.replace(folder / name)
            written.append(folder / name)
        except OSError as error:
            reason = error.strerror or error
            failures.append(f"{folder / name} was not written ({reason}).")
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
    return written, failures
