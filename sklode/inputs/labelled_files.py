"""Structures of one or more files, with the labels that their keys name."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ase import Atoms

from ..streaming.sources import Source
from .array_keys import ArrayKeys
from .atoms import describe, read_structures
from .keys import LabelKeys, check_unit, check_units, naming
from .label_keys import energy_keys
from .targets import read_targets
from .xyz import read_file

_ENERGY = re.compile(r"\w*energy=", re.IGNORECASE)

Keys = LabelKeys | ArrayKeys


def read_files(paths: Sequence[Path], *keys: Keys) -> list[Atoms]:
    """All structures of some files, in order.

    Parameters
    ----------
    paths : sequence of path-like
    *keys : LabelKeys or ArrayKeys
        What their calculators and arrays shall have.

    Returns
    -------
    list of ase.Atoms

    Raises
    ------
    OSError
        If there is no such file, or it may not be read.
    ValueError
        If a structure cannot be read or described, or a label is missing; the message names file
        and structure.
    """
    found = []
    for path in paths:
        with naming(path):
            structures = read_file(path)
            read_structures(structures)
            found += _attached(structures, keys)
    return found


def read_labelled(paths: Sequence[Path], *keys: Keys) -> list[Atoms]:
    """All structures of some files, of which some must have an energy or forces.

    Raises
    ------
    OSError, ValueError
        As ``read_files``; and if there is nothing to learn from, with the keys that look like it.
    """
    structures = read_files(paths, *keys)
    with naming(name_of(paths)):
        targets = read_targets(structures, missing_forces="ignore")
        if not targets.count("energies") and not targets.count("forces"):
            likely = energy_keys(structures)
            example = f", as in --energy {likely[0]}." if likely else "."
            raise ValueError(
                f"none of the {len(structures)} structures has an energy or forces where ASE puts "
                f"them. Name their keys with --energy and --forces{example}"
                + _swallowed(structures)
            )
    return structures


def _swallowed(structures):
    """A sentence on energies that became text, since the key before them has no value."""
    for index, atoms in enumerate(structures):
        for key, value in atoms.info.items():
            if isinstance(value, str) and _ENERGY.match(value):
                return (
                    f" In {describe(index, atoms)} the value of '{key}' is '{value}', since the "
                    f"file has nothing after {key}=: remove that key from its lines."
                )
    return ""


def stream_files(paths: Sequence[Path], *keys: Keys) -> Source:
    """The same structures, read as they are needed."""
    sources = [Source([str(path)]) for path in paths]
    if all(key in (LabelKeys(), ArrayKeys()) for key in keys):
        return Source([str(path) for path in paths])

    def attached() -> Iterator[Atoms]:
        n_before = 0
        for source in sources:
            for atoms in _attached(source, keys, n_before):
                yield atoms
                n_before += 1

    return Source(attached)


def _attached(structures, keys, start=0):
    """Structures of a file with what keys name, if all of them tell a unit or none."""
    first = None
    for index, atoms in enumerate(structures, start):
        first = atoms if first is None else first
        if any(isinstance(key, LabelKeys) and key.energy is not None for key in keys):
            check_units(index, atoms, first)
        for key in keys:
            atoms = key.attach(index, atoms)
        yield atoms


def in_electronvolts(structures: Iterable[Atoms], *keys: Keys) -> Iterator[Atoms]:
    """Structures of ``stream_files``, whose energies no key has converted, as they are read.

    Raises
    ------
    ValueError
        If a structure tells another unit; the message names it.
    """
    for index, atoms in enumerate(structures):
        if LabelKeys() in keys:
            check_unit(index, atoms)
        yield atoms


def name_of(paths: Sequence[Path]) -> str:
    """How messages name some files."""
    others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{others}"
