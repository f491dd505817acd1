"""Structures from files, with messages that say where in the file something is wrong."""

import bz2
import gzip
import io
import lzma
import re
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import ase.io
from ase.data import atomic_numbers
from ase.io.formats import UnknownFileTypeError, get_compression

from .ase_files import check_file, format_of, structures_of

_ALLOWED = "it must hold structures as extended XYZ, and be called .xyz or .extxyz"
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|\{[^}]*\}|\[[^\]]*\]")
_KEY = re.compile(r"(?:^|\s)([A-Za-z_][\w.:-]*)\s*=")
_OPENERS = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}


def read_file(path):
    """All structures of a file.

    Parameters
    ----------
    path : path-like
        Extended XYZ (.xyz or .extxyz, also compressed), or another format of ASE.

    Returns
    -------
    list of ase.Atoms

    Raises
    ------
    OSError
        If there is no such file, or it may not be read.
    ValueError
        If it holds no structures, or other things; the message names the structure.
    """
    path = Path(path)
    check_file(path)
    with path.open("rb") as file:
        if not file.read(1):
            raise ValueError(f"the file is empty; {_ALLOWED}.")
    try:
        file_format = format_of(path)
        if file_format == "extxyz":
            structures = _read_xyz(path)
        else:
            structures = [atoms for atoms, _ in structures_of(path, file_format)]
    except UnknownFileTypeError:
        raise ValueError(f"neither name nor contents tell a format; {_ALLOWED}.") from None
    except Unreadable:
        raise
    except Exception as error:  # readers of ASE raise whatever happens to them
        raise ValueError(f"cannot be read ({_reason(error)}); {_ALLOWED}.") from error
    if not structures:
        raise ValueError(f"holds no structures; {_ALLOWED}.")
    return structures


class Unreadable(ValueError):
    """A structure that cannot be read; the message says which."""


def _read_xyz(path):
    with path.open("rb") as raw, as_text(raw, path) as text:
        return [
            read_frame(f"X[{index}]", first, block)
            for index, (first, block) in enumerate(frames(text))
        ]


def as_text(raw, path):
    """Lines of an open file, decompressed as its name says; in UTF-8, wherever they are read.

    Parameters
    ----------
    raw : binary file
    path : Path

    Returns
    -------
    text file
    """
    options = {"encoding": "utf-8-sig"}  # the mark that Windows puts first is no text
    opener = _OPENERS.get(get_compression(str(path))[1])
    return opener(raw, "rt", **options) if opener else io.TextIOWrapper(raw, **options)


def frames(lines, index=0):
    """Cut extended XYZ into structures, as it is read.

    Parameters
    ----------
    lines : iterable of str
        With the ends of lines, as files give them.
    index : int, default=0
        Of the first structure, for messages.

    Yields
    ------
    first : int
        Number of the first line, from 1.
    block : list of str
        Lines of the structure.

    Raises
    ------
    ValueError
        If something else stands where a number of atoms must, or the lines end too early.
    """
    numbered = enumerate(lines, start=1)
    number, line = next(numbered, (0, ""))
    while line:
        if line.strip():
            first, n_atoms = number, _n_atoms(index, number, line.strip())
            block = [line, *_lines(index, n_atoms, numbered)]
            number, line = next(numbered, (0, ""))
            while line.lstrip().startswith("VEC"):  # of the cell
                block.append(line)
                number, line = next(numbered, (0, ""))
            yield first, block
            index += 1
        else:
            number, line = next(numbered, (0, ""))


def _n_atoms(index, number, text):
    if not text.isdecimal() or len(text) >= len(str(sys.maxsize)):  # more than can be counted
        before = f" Has X[{index - 1}] as many lines as it says?" if index else ""
        raise Unreadable(
            f"line {number} must be the number of atoms of X[{index}]; it is {text[:60]!r}.{before}"
            f" {_lost(index)}"
        )
    return int(text)


def _lines(index, n_atoms, numbered):
    """A comment and atoms; if there are said to be too many, not the structures behind them."""
    found = []
    for number, line in islice(numbered, n_atoms + 1):
        if found and line.strip().isdecimal():
            raise Unreadable(
                f"X[{index}] must have {n_atoms} atoms; after {len(found) - 1} of them, line "
                f"{number} is the number {line.strip()[:60]}. {_lost(index)}"
            )
        found.append(line)
    if len(found) <= n_atoms:
        raise Unreadable(
            f"X[{index}] must have {n_atoms} atoms; the file ends after "
            f"{max(len(found) - 1, 0)} of them. Complete it, or remove the structure."
        )
    return found


def _lost(index):
    """What a wrong number of atoms costs: where the next structure begins is not known."""
    return f"The file is not read from X[{index}] on: repair it."


def read_frame(label, first, block):
    """Read the structure in the lines of one.

    Parameters
    ----------
    label : str
        How messages name the structure.
    first : int
        Number of the first line.
    block : list of str

    Returns
    -------
    ase.Atoms

    Raises
    ------
    ValueError
        The message names the line that is wrong.
    """
    where = f"{label} (from line {first} on)"
    twice = [key for key, n in Counter(_KEY.findall(_QUOTED.sub("", block[1]))).items() if n > 1]
    if twice:
        raise Unreadable(f"{where}: has the key {twice[0]!r} more than once. Keep one of them.")
    try:
        return _parsed(block)
    except Exception as error:  # as above
        reason = _culprit(first, block) or _reason(error)
        raise Unreadable(f"{where}: {reason}. Repair or remove the structure.") from error


def _parsed(block):
    return ase.io.read(io.StringIO("".join(block)), format="extxyz")


def _culprit(first, block):
    """The first line that cannot be read even by itself, and why."""
    for number, line in enumerate(block[1:], start=first + 1):
        try:
            _parsed(["0\n", line] if number == first + 1 else ["1\n", block[1], line])
        except Exception as error:
            return f"line {number}, {line.strip()[:60]!r}: {_reason(error)}"
    return None


def _reason(error):
    if isinstance(error, KeyError) and error.args[0] not in atomic_numbers:
        return f"{error.args[0]!r} is no element"
    return str(error).rstrip(".") or type(error).__name__
