"""Structures of files that ASE reads, one after the other."""

from collections.abc import Iterator
from pathlib import Path

import ase.db
import ase.io
from ase import Atoms
from ase.io.formats import filetype, get_compression
from ase.io.trajectory import TrajectoryReader

from ..physics import blocks


def check_file(path: Path) -> None:
    """Refuse what is no file, or can be read only once.

    Raises
    ------
    OSError
        The message says what there is.
    """
    if path.is_dir():
        raise IsADirectoryError(
            f"{path}: is a folder; give a file, or a pattern such as {path}/*.xyz."
        )
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file.")
    if not path.is_file():
        kind = "a pipe (no regular file)" if path.is_fifo() else "no regular file"
        raise OSError(f"{path}: is {kind}; it is read more than once: write it to a file.")


def format_of(path: Path) -> str:
    """ASE's name of the format of a file, ``extxyz`` for what is called .xyz.

    Raises
    ------
    UnknownFileTypeError
        If neither name nor contents tell.
    """
    if Path(get_compression(str(path))[0]).suffix.lower() in (".xyz", ".extxyz"):
        return "extxyz"
    return str(filetype(str(path)))


def structures_of(path: Path, file_format: str) -> Iterator[tuple[Atoms, float | None]]:
    """Structures of a file, each with the part of the file that is read, from 0 to 1.

    Parameters
    ----------
    path : Path
    file_format : str
        As ``format_of`` tells.

    Yields
    ------
    atoms : ase.Atoms
    fraction : float or None
        None where nothing tells.

    Raises
    ------
    Exception
        Readers of ASE raise whatever happens to them.
    """
    readers = {"traj": _trajectory, "db": _database, "json": _database}
    return readers.get(file_format, _anything)(path)


def _trajectory(path):
    with TrajectoryReader(str(path)) as trajectory:
        for number in range(len(trajectory)):
            yield trajectory[number], (number + 1) / len(trajectory)


def _database(path):
    with ase.db.connect(str(path)) as database:
        n_rows, n_read, last = database.count(), 0, 0
        while rows := list(database.select(f"id>{last}", limit=blocks.DATABASE_ROWS, sort="id")):
            for row in rows:
                n_read, last = n_read + 1, row.id
                yield _of_row(row), n_read / max(n_rows, 1)


def _of_row(row):
    atoms = row.toatoms()
    atoms.info.update(row.key_value_pairs)
    return atoms


def _anything(path):
    for atoms in ase.io.iread(str(path), ":", do_not_split_by_at_sign=True):
        yield atoms, None
