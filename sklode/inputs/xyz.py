"""Structures from files, with messages that say where in the file something is wrong."""

import re
from collections import Counter
from io import StringIO
from itertools import islice
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
    with open_with_compression(str(path), "r") as file:
        return [
            read_frame(f"X[{index}]", first, block)
            for index, (first, block) in enumerate(frames(file))
        ]


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
            block = [line, *(other for _, other in islice(numbered, n_atoms + 1))]
            if len(block) < n_atoms + 2:
                raise Unreadable(
                    f"X[{index}] must have {n_atoms} atoms; the file ends after "
                    f"{max(len(block) - 2, 0)} of them. Complete it, or remove the structure."
                )
            number, line = next(numbered, (0, ""))
            while line.lstrip().startswith("VEC"):  # of the cell
                block.append(line)
                number, line = next(numbered, (0, ""))
            yield first, block
            index += 1
        else:
            number, line = next(numbered, (0, ""))


def _n_atoms(index, number, text):
    if not text.isdecimal():
        before = f" Has X[{index - 1}] as many lines as it says?" if index else ""
        raise Unreadable(
            f"line {number} must be the number of atoms of X[{index}]; it is {text[:60]!r}.{before}"
        )
    return int(text)


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
