"""Structures of one or more files, with the labels that their keys name."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ase import Atoms

from ..streaming.sources import Source
from .array_keys import ArrayKeys
from .atoms import read_structures
from .keys import LabelKeys, naming
from .label_keys import energy_keys
from .targets import read_targets
from .xyz import read_file

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
            for key in keys:
                structures = [key.attach(i, atoms) for i, atoms in enumerate(structures)]
        found += structures
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
            example = f", as in --energy {likely[0]}" if likely else ""
            raise ValueError(
                f"none of the {len(structures)} structures has an energy or forces where ASE puts "
                f"them. Name their keys with --energy and --forces{example}."
            )
    return structures


def stream_files(paths: Sequence[Path], *keys: Keys) -> Source:
    """The same structures, read as they are needed."""
    source = Source([str(path) for path in paths])
    used = [key for key in keys if key not in (LabelKeys(), ArrayKeys())]
    if not used:
        return source

    def attached() -> Iterator[Atoms]:
        for index, atoms in enumerate(source):
            for key in used:
                atoms = key.attach(index, atoms)
            yield atoms

    return Source(attached)


def name_of(paths: Sequence[Path]) -> str:
    """How messages name some files."""
    others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{others}"
