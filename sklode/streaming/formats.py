"""Files of structures, read lazily: extended XYZ, trajectories, databases, whatever ASE reads."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path

import ase.db
import ase.io
from ase.io.formats import UnknownFileTypeError, filetype, get_compression
from ase.io.trajectory import TrajectoryReader

from ..inputs.xyz import Unreadable, frames
from ..physics import blocks
from .records import Record, portable, unreadable

_OPENERS = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
_CUT_OFF = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)


def records_of_file(path: Path, index: int) -> Iterator[tuple[Record, float | None]]:
    """Structures of a file, each with the part of the file that is read, from 0 to 1.

    What cannot be read further ends with a record that says so.

    Parameters
    ----------
    path : Path
    index : int
        Of the first structure.

    Yields
    ------
    record : Record
    fraction : float or None
        None where nothing tells.

    Raises
    ------
    OSError
        If the file cannot be opened or read, whatever it holds.
    ValueError
        If its format is unknown.
    """
    file_format = _format(path)
    if file_format == "extxyz":
        yield from _xyz(path, index)
        return
    readers = {"traj": _trajectory, "db": _database, "json": _database}
    structures = readers.get(file_format, _anything)(path)
    while True:
        try:
            atoms, fraction = next(structures)
        except StopIteration:
            return
        except Exception as error:  # readers of ASE raise whatever happens to them
            if isinstance(error, OSError) and error.errno is not None:
                raise
            reason = str(error).rstrip(".") or type(error).__name__
            fault = f"{path.name} cannot be read from X[{index}] on ({reason})."
            yield unreadable(index, path.name, fault), None
            return
        yield Record(index, path.name, len(atoms), portable(atoms)), fraction
        index += 1


def _format(path):
    if Path(get_compression(str(path))[0]).suffix.lower() in (".xyz", ".extxyz"):
        return "extxyz"
    try:
        return filetype(str(path))
    except UnknownFileTypeError:
        raise ValueError(
            f"{path}: neither name nor contents tell a format that ASE reads. Call it .xyz if it "
            "holds extended XYZ."
        ) from None


def _xyz(path, index):
    size = max(path.stat().st_size, 1)
    with path.open("rb") as raw:
        opener = _OPENERS.get(get_compression(str(path))[1])
        text = opener(raw, "rt") if opener else io.TextIOWrapper(raw)
        try:
            for first, block in frames(text, index):
                record = Record(index, path.name, int(block[0]), "".join(block), first)
                yield record, min(raw.tell() / size, 1.0)
                index += 1
        except Unreadable as error:
            yield unreadable(index, path.name, f"{path.name}: {error}"), None
        except UnicodeDecodeError as error:
            yield unreadable(index, path.name, f"{path.name}: is no text ({error})."), None
        except _CUT_OFF as error:
            fault = f"{path.name}: the compressed file is damaged from X[{index}] on ({error})."
            yield unreadable(index, path.name, fault), None


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
