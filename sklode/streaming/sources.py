"""Where structures come from: files, lists, iterators; read as they are needed."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from ..inputs.ase_files import check_file
from ..inputs.atoms import read_container
from .formats import records_of_file
from .records import Record, portable

Structures = (
    str
    | os.PathLike
    | Sequence[str | os.PathLike]
    | Iterable[Atoms]
    | Callable[[], Iterable[Atoms]]
)
_ALLOWED = (
    "A source of structures is the path of a file that ASE reads, a pattern such as 'runs/*.xyz', "
    "a list of paths, a list or iterator of ase.Atoms, or a function that returns such an iterator"
)


class Source:
    """Structures that are read one after the other, never all at once.

    Parameters
    ----------
    structures : path-like, list of path-like, iterable of ase.Atoms, or callable
        A file that ASE reads: extended XYZ, a trajectory, a database, and others, also compressed;
        a pattern with ``*``, ``?`` or ``**``, whose files are taken in the order of their names; a
        list of paths; structures in memory; an iterator of structures, which is read once; or a
        function without arguments that returns a new iterator whenever it is called.

    Raises
    ------
    TypeError
        For anything else.
    OSError
        If there is no such file, or it is a folder or a pipe.

    Examples
    --------
    >>> from ase.build import molecule
    >>> from sklode.streaming import Source
    >>> source = Source(lambda: (molecule(name) for name in ["H2O", "CH4"]))
    >>> [str(atoms.symbols) for atoms in source]
    ['OH2', 'CH4']
    """

    def __init__(self, structures: "Structures | Source"):
        self.fraction: float | None = 0.0
        self._files: list[Path] | None = None
        given: Any = structures._given if isinstance(structures, Source) else structures
        self._given: Any = given
        if isinstance(given, (str, os.PathLike)):
            self._files = _files(os.fspath(given))
        elif are_paths(given):
            self._files = [path for item in given for path in _files(os.fspath(item))]
        elif not callable(given) and not isinstance(given, Iterator):
            if isinstance(given, (Atoms, dict, bytes)) or not hasattr(given, "__len__"):
                raise TypeError(f"{_ALLOWED}; got {type(given).__name__}.")
            self._given = read_container(given)

    @property
    def can_repeat(self) -> bool:
        """Whether the structures can be read more than once."""
        return not isinstance(self._given, Iterator)

    def stamp(self) -> list | None:
        """Names, sizes and times of the files; None if structures do not come from files."""
        if self._files is None:
            return None
        found = [(path, path.stat()) for path in self._files]
        return [[str(path.resolve()), stat.st_size, stat.st_mtime_ns] for path, stat in found]

    def records(self) -> Iterator[Record]:
        """Structures as they go to workers; ``fraction`` tells how far the reading is.

        Raises
        ------
        OSError, TypeError, ValueError
            If a file cannot be opened, or something is no structure.
        """
        self.fraction = None
        yield from self._in_memory() if self._files is None else self._from_files(self._files)
        self.fraction = 1.0

    def _from_files(self, files):
        sizes = [path.stat().st_size for path in files]
        total, index = max(sum(sizes), 1), 0
        for number, path in enumerate(files):
            before = sum(sizes[:number])
            for record, fraction in records_of_file(path, index):
                if fraction is not None:
                    self.fraction = (before + fraction * sizes[number]) / total
                yield record
                index += 1

    def _in_memory(self):
        given = self._given() if callable(self._given) else self._given
        n = len(given) if hasattr(given, "__len__") else None
        for index, atoms in enumerate(given):
            if not isinstance(atoms, Atoms):
                raise TypeError(f"{_ALLOWED}; X[{index}] is of type {type(atoms).__name__}.")
            if n:
                self.fraction = (index + 1) / n
            copied = portable(atoms)
            uncomputed = atoms.calc is not None and copied.calc is None
            yield Record(index, "", len(atoms), copied, uncomputed=uncomputed)

    def __iter__(self) -> Iterator[Atoms]:
        """The structures.

        Raises
        ------
        ValueError
            For one that cannot be read; the message names it.
        """
        return (record.read() for record in self.records())


def are_paths(structures: object) -> bool:
    """Whether this is a list of paths."""
    if not isinstance(structures, (list, tuple)) or not structures:
        return False
    return all(isinstance(item, (str, os.PathLike)) for item in structures)


def _files(text):
    """Paths that a path or a pattern stands for."""
    path = Path(text)
    if not path.exists():
        found = sorted(name for name in glob.glob(text, recursive=True) if Path(name).is_file())
        if found:
            return [Path(name) for name in found]
    check_file(path)
    return [path]
