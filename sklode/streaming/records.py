"""Structures of a source that are not read yet, as they go to workers."""

import re
from copy import copy, deepcopy
from dataclasses import dataclass
from hashlib import blake2b
from io import StringIO

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from ..inputs.xyz import read_frame

_ALONE = re.compile(r"^X\[0\]( \([^)]*\))?:? ?")  # how messages name one structure alone
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # in memory: another one in the next process
_CHANGING = (list, dict, set, np.ndarray)
_RESULTS = ("energy", "forces", "stress")


@dataclass(frozen=True)
class Record:
    """One structure: as text, which a worker reads, or as Atoms.

    Attributes
    ----------
    index : int
        Place in the source, from 0.
    file : str
        Name of the file; empty for what is in memory.
    n_atoms : int
    content : str or ase.Atoms
    first : int
        Number of the first line, of a text.
    fault : str or None
        Why there is no structure.
    uncomputed : bool
        Whether there was a calculator that holds no results for the structure.
    """

    index: int
    file: str
    n_atoms: int
    content: str | Atoms
    first: int = 0
    fault: str | None = None
    uncomputed: bool = False

    @property
    def label(self) -> str:
        """How messages name the structure."""
        return f"X[{self.index}] of {self.file}" if self.file else f"X[{self.index}]"

    def read(self) -> Atoms:
        """Read the structure.

        Raises
        ------
        ValueError
            If it cannot be read; the message says why.
        """
        if self.fault is not None:
            raise ValueError(self.fault)
        if isinstance(self.content, str):
            return read_frame(self.label, self.first, list(StringIO(self.content)))
        return self.content

    def blame(self, atoms: Atoms, error: Exception | str) -> str:
        """What is wrong with the structure, from an error about it alone."""
        formula = atoms.get_chemical_formula() or "empty"
        return f"{self.label} ({formula}): {_ALONE.sub('', str(error))}"

    def digest(self) -> bytes:
        """16 bytes that another structure, or one with other results, does not have."""
        if isinstance(self.content, str):
            return blake2b(self.content.encode(), digest_size=16).digest()
        atoms = self.content
        parts = [atoms.arrays, atoms.cell.array, atoms.pbc, _results(atoms), atoms.info]
        return blake2b("\n".join(map(_text, parts)).encode(), digest_size=16).digest()


def unreadable(index: int, file: str, fault: str) -> Record:
    """Make the record of a place where no structure can be read."""
    return Record(index, file, 0, fault, fault=fault)


def portable(atoms: Atoms) -> Atoms:
    """Copy a structure, which may change later, with the results that its calculator has.

    Calculators that compute stay behind: other processes may not be able to have them.
    """
    copied = atoms.copy()
    changing = {key: v for key, v in atoms.info.items() if isinstance(v, _CHANGING)}
    copied.info |= deepcopy(changing)
    copied.set_constraint()
    if isinstance(atoms.calc, SinglePointCalculator):
        copied.calc = copy(atoms.calc)  # which still knows the positions that it belongs to
        copied.calc.results = deepcopy(atoms.calc.results)
    elif results := _results(atoms):
        copied.calc = SinglePointCalculator(copied, **results)
    return copied


def _results(atoms):
    """What the calculator of a structure has computed for it."""
    calculator = atoms.calc
    known = getattr(calculator, "results", None)
    if not known or (
        not isinstance(calculator, SinglePointCalculator) and calculator.check_state(atoms)
    ):
        return {}
    return {name: known[name] for name in _RESULTS if known.get(name) is not None}


def _text(value):
    """Text that other values do not have, nor those of other types; the same in every process."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        items = sorted((_text(key), _text(item)) for key, item in value.items())
        return f"dict{items}"
    if isinstance(value, (set, frozenset)):
        return f"set{sorted(map(_text, value))}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}{list(map(_text, value))}"
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        return f"array{value.shape}{_text(value.tolist())}"
    if isinstance(value, np.ndarray):
        content = blake2b(np.ascontiguousarray(value).tobytes(), digest_size=16).hexdigest()
        return f"array{value.shape}{value.dtype}{content}"
    return f"{type(value).__name__}:{_ADDRESS.sub('', repr(value))}"
