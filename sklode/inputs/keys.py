"""What users name by keys of the structures in a file: groups, numbers, labels."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ase.units
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from ..potentials import as_float
from .atoms import describe
from .label_keys import energy_keys, force_keys, stress_keys

_UNIT_KEY = "energy_unit"
_UNITS = {
    "eV": 1.0,
    "kcal/mol": ase.units.kcal / ase.units.mol,
    "kJ/mol": ase.units.kJ / ase.units.mol,
    "Hartree": ase.units.Hartree,
}


@contextmanager
def naming(path: str | Path | None) -> Iterator[None]:
    """Errors about the contents of a file name the file."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        if path is None:
            raise
        raise ValueError(f"{path}: {error}") from error


def info_value(
    index: int, atoms: Atoms, key: str, option: str, known: Mapping | None = None
) -> object:
    """The value under a key of ``atoms.info``, which an option of the command line names.

    Parameters
    ----------
    index : int
        For messages.
    atoms : ase.Atoms
    key, option : str
    known : mapping, default=None
        Where to look in place of ``atoms.info``.

    Raises
    ------
    ValueError
        If there is none; the message names the structure and the keys that it has.
    """
    known = dict(sorted(atoms.info.items())) if known is None else known
    if key not in known:
        raise ValueError(
            f"{describe(index, atoms)}: has no key '{key}' ({option} {key}); it has {[*known]}."
        )
    return known[key]


def finite_number(index: int, atoms: Atoms, value: object, label: str) -> float:
    """A value as a number.

    Raises
    ------
    ValueError
        If it is none, or not finite; the message names the structure.
    """
    number = as_float(value)
    if not np.isfinite(number):
        shown = " ".join(repr(value).split())
        raise ValueError(
            f"{describe(index, atoms)}: {label} must be a finite number in every structure; it is "
            f"{shown:.60}. Repair it, or name another key."
        )
    return float(number)


def energy_of(index: int, atoms: Atoms, key: str | None) -> float:
    """The energy of a structure in eV.

    Parameters
    ----------
    index : int
        For messages.
    atoms : ase.Atoms
    key : str or None
        Of the energy in eV, or in the unit that the key ``energy_unit`` names; None takes that of
        the calculator.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If there is no such number, or the unit is unknown; the message names the structure.
    """
    results = _results(atoms)  # ASE moves some keys there
    if key is None:
        if "energy" not in results:
            likely = energy_keys([atoms])
            example = f"; --energy {likely[0]} if that is one" if likely else ""
            raise ValueError(
                f"{describe(index, atoms)}: has no energy; name its key with --energy{example}. It "
                f"has the keys {sorted(atoms.info)}."
            )
        check_unit(index, atoms)
        return finite_number(index, atoms, results["energy"], "the energy")
    known = {**dict(sorted(atoms.info.items())), **dict(sorted(results.items()))}
    value = info_value(index, atoms, key, "--energy", known)
    return finite_number(index, atoms, value, key) * _unit(index, atoms)


def check_unit(index: int, atoms: Atoms) -> None:
    """Refuse an energy of the calculator, which is in eV, where a key says another unit."""
    if "energy" in _results(atoms) and _unit(index, atoms) != 1.0:
        raise ValueError(
            f"{describe(index, atoms)}: energy_unit is '{atoms.info[_UNIT_KEY]}', but energies of "
            "calculators are taken in eV. Pass --energy energy to convert them, or remove "
            f"{_UNIT_KEY}."
        )


def check_units(index: int, atoms: Atoms, first: Atoms) -> None:
    """Refuse a unit that a structure has and the first one of its file has not, or the reverse."""
    has_unit, other = (_UNIT_KEY in a.info for a in (atoms, first))
    if has_unit != other:
        have = "has" if has_unit else "has no"
        raise ValueError(
            f"{describe(index, atoms)}: {have} key '{_UNIT_KEY}', unlike the first structure "
            "of the file. Write it to all of them (eV too), or to none."
        )


@dataclass(frozen=True)
class LabelKeys:
    """Where the structures of a file have their labels.

    Attributes
    ----------
    energy : str or None
        Key of ``atoms.info``. None: all labels that are not named are those of the calculators,
        as far as these have them; with a key nothing is taken that is not named.
    forces : str or None
        Per-atom array, eV/angstrom.
    stress : str or None
        Key of ``atoms.info``, eV/angstrom^3: 6 numbers in the order xx, yy, zz, yz, xz, xy, or 9.
    """

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None

    def attach(self, index: int, atoms: Atoms) -> Atoms:
        """A structure whose calculator has these labels and no others.

        Parameters
        ----------
        index : int
            For messages.
        atoms : ase.Atoms
            It is left as it is.

        Returns
        -------
        ase.Atoms

        Raises
        ------
        ValueError
            If a label is missing or no number; the message names the structure and the keys that
            look like such labels.
        """
        if self.energy is None:
            check_unit(index, atoms)
        if self == LabelKeys():
            return atoms
        found = dict(_results(atoms)) if self.energy is None else {}
        if self.energy is not None:
            found["energy"] = energy_of(index, atoms, self.energy)
        if self.forces is not None:
            found["forces"] = self._forces(index, atoms)
        if self.stress is not None:
            found["stress"] = self._stress(index, atoms)
        labelled = atoms.copy()
        labelled.calc = SinglePointCalculator(labelled, **found)
        return labelled

    def _forces(self, index, atoms):
        found = _results(atoms).get(self.forces, atoms.arrays.get(self.forces))
        if found is None:
            raise ValueError(_missing(index, atoms, "array", "--forces", self.forces, force_keys))
        self._check_unit(index, atoms, "--forces")
        return _shaped(index, atoms, found, [(len(atoms), 3)], self.forces)

    def _stress(self, index, atoms):
        found = _results(atoms).get(self.stress, atoms.info.get(self.stress))
        if found is None:
            raise ValueError(_missing(index, atoms, "key", "--stress", self.stress, stress_keys))
        self._check_unit(index, atoms, "--stress")
        stress = _shaped(index, atoms, found, [(6,), (9,), (3, 3)], self.stress)
        return stress.reshape(3, 3) if stress.size == 9 else stress

    def _check_unit(self, index, atoms, option):
        """Only energies are converted."""
        if _unit(index, atoms) != 1.0:
            raise ValueError(
                f"{describe(index, atoms)}: {option} must be in eV and angstrom, but {_UNIT_KEY} "
                f"is '{atoms.info[_UNIT_KEY]}'. Convert both, and remove {_UNIT_KEY}."
            )


def _results(atoms):
    return {} if atoms.calc is None else atoms.calc.results


def _unit(index, atoms):
    """Factor from the unit under the key ``energy_unit`` to eV."""
    unit = str(atoms.info.get(_UNIT_KEY, "eV"))
    if unit not in _UNITS:
        raise ValueError(
            f"{describe(index, atoms)}: unknown {_UNIT_KEY} '{unit}'; known are {list(_UNITS)}."
        )
    return _UNITS[unit]


def _missing(index, atoms, what, option, key, similar):
    likely = [name for name in (option.removeprefix("--"),) if name in _results(atoms)]
    likely += similar([atoms])
    example = f" Do you mean {option} {likely[0]}?" if likely else ""
    return f"{describe(index, atoms)}: has no {what} '{key}' ({option} {key}).{example}"


def _shaped(index, atoms, value, shapes, key):
    """An array of numbers of one of some shapes; what is not finite, ``read_targets`` refuses."""
    array = np.asarray(value)
    if array.shape not in shapes or array.dtype.kind not in "fiu":
        allowed = " or ".join(map(str, shapes))
        raise ValueError(
            f"{describe(index, atoms)}: '{key}' must be numbers of shape {allowed}; got "
            f"{array.dtype} of shape {array.shape}."
        )
    return array.astype(float)
