"""The state of a long fit on disk, so that it goes on where it was ended."""

import errno
import json
import os
import time
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np

_SAVE_EVERY = 30.0  # seconds of work that may be lost


def check_place(path):
    """Refuse a path that cannot be written to, before any work is done.

    Parameters
    ----------
    path : path-like or None

    Raises
    ------
    OSError
        Says what is wrong with it.
    """
    if path is None:
        return
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        _unfinished(path).touch()
        _unfinished(path).unlink()
    except OSError as error:
        raise OSError(
            error.errno,
            f"checkpoint {path} cannot be written ({error.strerror or error}). Give a file in a "
            "folder that exists and can be written to.",
        ) from error


def _unfinished(path):
    """Name of a file that is written by this process, until it is complete."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


class Checkpoint:
    """A file with the state of a fit.

    Parameters
    ----------
    path : path-like or None
        None keeps nothing.
    key : dict of str to str
        What is fitted to what; the state of another fit is refused.
    """

    def __init__(self, path, key):
        self._path, self._key = None if path is None else Path(path), key
        self._saved = time.monotonic()

    def load(self):
        """Where the fit was, and its arrays by name.

        Returns
        -------
        tuple of (dict, dict) or None
            None without a file.

        Raises
        ------
        ValueError
            If the file belongs to another fit, or is no such file.
        """
        if self._path is None:
            return None
        for unfinished in self._path.parent.glob(f".{self._path.name}.*.tmp"):
            unfinished.unlink(missing_ok=True)
        if not self._path.exists():
            return None
        try:
            with np.load(self._path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            described = json.loads(str(arrays.pop("described")))
            key, place = described["key"], described["place"]
            differs = [name for name in self._key if key.get(name) != self._key[name]]
        except Exception as error:  # whatever the content of another file leads to
            raise ValueError(
                f"checkpoint {self._path}: is no checkpoint of a fit ({error}). Give another path, "
                "or remove the file."
            ) from error
        if differs:
            raise ValueError(
                f"checkpoint {self._path}: belongs to a fit with other {' and '.join(differs)}. "
                "Give another path, or remove the file."
            )
        return place, arrays

    def save(self, place, arrays, now=False):
        """Store the state, if the last time was long ago.

        Parameters
        ----------
        place : dict
            Where the fit is, as JSON has it.
        arrays : callable
            Gives the arrays by name.
        now : bool, default=False
            Store it in any case.
        """
        if self._path is None or not (now or time.monotonic() - self._saved > _SAVE_EVERY):
            return
        described = json.dumps({"key": self._key, "place": place})
        temporary = _unfinished(self._path)
        try:
            with temporary.open("wb") as file:
                np.savez(file, described=np.array(described), **arrays())
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):  # another fit with this checkpoint has removed it
                temporary.replace(self._path)
        except OSError as error:
            last = "The last one is still there" if self._path.exists() else "There is none yet"
            reason = error.strerror or error
            raise OSError(
                error.errno, f"checkpoint {self._path} could not be written ({reason}). {last}."
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink()
        self._saved = time.monotonic()

    def remove(self):
        """The fit is done."""
        if self._path is None:
            return
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            warnings.warn(
                f"checkpoint {self._path} could not be removed ({error.strerror or error}). The "
                "fit is done: remove the file.",
                stacklevel=2,
            )
