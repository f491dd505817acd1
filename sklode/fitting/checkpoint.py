"""The state of a long fit on disk, so that it goes on where it was ended."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

_SAVE_EVERY = 30.0  # seconds of work that may be lost


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
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise ValueError(
                f"checkpoint {self._path}: is no checkpoint of a fit ({error}). Give another path, "
                "or remove the file."
            ) from error
        differs = [name for name in self._key if described["key"].get(name) != self._key[name]]
        if differs:
            raise ValueError(
                f"checkpoint {self._path}: belongs to a fit with other {' and '.join(differs)}. "
                "Give another path, or remove the file."
            )
        return described["place"], arrays

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
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                np.savez(file, described=np.array(described), **arrays())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            raise OSError(
                error.errno,
                f"checkpoint {self._path} could not be written ({error.strerror or error}). The "
                "last one is still there.",
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink()
        self._saved = time.monotonic()

    def remove(self):
        """The fit is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
