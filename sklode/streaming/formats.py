"""Files of structures, read lazily: extended XYZ, trajectories, databases, whatever ASE reads."""

import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path

from ase.io.formats import UnknownFileTypeError

from ..inputs.ase_files import format_of, structures_of
from ..inputs.xyz import Unreadable, as_text, frames
from .records import Record, portable, unreadable

_DAMAGED = (EOFError, lzma.LZMAError, zlib.error, OSError)  # what decompression raises
_NOTHING = "the file {}. Remove it, or write it again."


def records_of_file(path: Path, index: int) -> Iterator[tuple[Record, float | None]]:
    """Structures of a file, each with the part of the file that is read, from 0 to 1.

    What cannot be read further ends with a record that says so, and so does a file without any.

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
    if not path.stat().st_size:
        yield unreadable(index, path.name, f"{path.name}: {_NOTHING.format('is empty')}"), None
        return
    file_format, has_any = _format(path), False
    of_format = _xyz(path, index) if file_format == "extxyz" else _of_ase(path, file_format, index)
    for found in of_format:
        has_any = True
        yield found
    if not has_any:
        fault = f"{path.name}: {_NOTHING.format('holds no structures')}"
        yield unreadable(index, path.name, fault), None


def _of_ase(path, file_format, index):
    structures = structures_of(path, file_format)
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
    try:
        return format_of(path)
    except UnknownFileTypeError:
        raise ValueError(
            f"{path}: neither name nor contents tell a format that ASE reads. Call it .xyz if it "
            "holds extended XYZ."
        ) from None


def _xyz(path, index):
    size = max(path.stat().st_size, 1)
    with path.open("rb") as raw, as_text(raw, path) as text:
        try:
            for first, block in frames(text, index):
                record = Record(index, path.name, int(block[0]), "".join(block), first)
                yield record, min(raw.tell() / size, 1.0)
                index += 1
        except Unreadable as error:
            yield unreadable(index, path.name, f"{path.name}: {error}"), None
        except UnicodeDecodeError as error:
            fault = f"{path.name}: is no UTF-8 text from X[{index}] on ({error})."
            yield unreadable(index, path.name, fault), None
        except _DAMAGED as error:
            if isinstance(error, OSError) and error.errno is not None:  # of the disk
                raise
            fault = f"{path.name}: the compressed file is damaged from X[{index}] on ({error})."
            yield unreadable(index, path.name, fault), None
