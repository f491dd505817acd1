"""Structures of one or more files, with the labels that their keys name."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ase import Atoms

from ..streaming.sources import Source
from .atoms import read_structures
from .keys import LabelKeys, naming
from .label_keys import energy_keys
from .targets import read_targets
from .xyz import read_file


def read_files(paths: Sequence[Path], keys: LabelKeys | None = None) -> list[Atoms]:
    """All structures of some files, in order.

    Parameters
    ----------
    paths : sequence of path-like
    keys : LabelKeys, default=None
        What their calculators shall have; None leaves them as they are.

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
            if keys is not None:
                structures = [keys.attach(i, atoms) for i, atoms in enumerate(structures)]
        found += structures
    return found


def read_labelled(paths: Sequence[Path], keys: LabelKeys) -> list[Atoms]:
    """All structures of some files, of which some must have an energy or forces.

    Raises
    ------
    OSError, ValueError
        As ``read_files``; and if there is nothing to learn from, with the keys that look like it.
    """
    structures = read_files(paths, keys)
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


def stream_labelled(paths: Sequence[Path], keys: LabelKeys) -> Source:
    """The same structures, read as they are needed."""
    source = Source([str(path) for path in paths])
    if keys == LabelKeys():
        return source

    def labelled() -> Iterator[Atoms]:
        return (keys.attach(index, atoms) for index, atoms in enumerate(source))

    return Source(labelled)


def name_of(paths: Sequence[Path]) -> str:
    """How messages name some files."""
    others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{others}"
