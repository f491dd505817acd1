"""Structures from files, with messages that say where in the file something is wrong."""

import re
from collections import Counter
from io import StringIO
from pathlib import Path

import ase.io
from ase.data import atomic_numbers
from ase.io.formats import UnknownFileTypeError, get_compression, open_with_compression

_ALLOWED = "it must hold structures as extended XYZ, and be called .xyz or .extxyz"
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|\{[^}]*\}|\[[^\]]*\]")
_KEY = re.compile(r"(?:^|\s)([A-Za-z_][\w.:-]*)\s*=")


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
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file.")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; give a file of structures.")
    with path.open("rb") as file:
        if not file.read(1):
            raise ValueError(f"the file is empty; {_ALLOWED}.")
    try:
        if Path(get_compression(str(path))[0]).suffix.lower() in (".xyz", ".extxyz"):
            structures = _read_xyz(path)
        else:
            structures = ase.io.read(str(path), ":", do_not_split_by_at_sign=True)
    except UnknownFileTypeError:
        raise ValueError(f"neither name nor contents tell a format; {_ALLOWED}.") from None
    except _Unreadable:
        raise
    except Exception as error:  # readers of ASE raise whatever happens to them
        raise ValueError(f"cannot be read ({_reason(error)}); {_ALLOWED}.") from error
    if not structures:
        raise ValueError(f"holds no structures; {_ALLOWED}.")
    return structures


class _Unreadable(ValueError):
    """A structure that cannot be read; the message says which."""


def _read_xyz(path):
    with open_with_compression(str(path), "r") as file:
        lines = file.readlines()
    blocks = enumerate(_blocks(lines))
    return [_structure(index, first, block) for index, (first, block) in blocks]


def _blocks(lines):
    """Number of the first line, from 1, and lines of each structure."""
    start = index = 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        text = lines[start].strip()
        if not text.isdecimal():
            before = f" Has X[{index - 1}] as many lines as it says?" if index else ""
            raise _Unreadable(
                f"line {start + 1} must be the number of atoms of X[{index}]; it is "
                f"{text[:60]!r}.{before}"
            )
        end = start + 2 + int(text)
        if end > len(lines):
            raise _Unreadable(
                f"X[{index}] must have {int(text)} atoms; the file ends after "
                f"{max(len(lines) - start - 2, 0)} of them. Complete it, or remove the structure."
            )
        while end < len(lines) and lines[end].lstrip().startswith("VEC"):  # of the cell
            end += 1
        yield start + 1, lines[start:end]
        start, index = end, index + 1


def _structure(index, first, block):
    where = f"X[{index}] (from line {first} on)"
    twice = [key for key, n in Counter(_KEY.findall(_QUOTED.sub("", block[1]))).items() if n > 1]
    if twice:
        raise _Unreadable(f"{where}: has the key {twice[0]!r} more than once. Keep one of them.")
    try:
        return _parsed(block)
    except Exception as error:  # as above
        label = _culprit(first, block) or _reason(error)
        raise _Unreadable(f"{where}: {label}. Repair or remove the structure.") from error


def _parsed(block):
    return ase.io.read(StringIO("".join(block)), format="extxyz")


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
