"""Predictions of more structures than fit in memory, batch by batch, which survive a stop."""

import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from .. import __version__
from ..execution.progress import move_on, progress_bar
from ..physics import blocks
from ..streaming.batches import Batch, ahead, cut
from ..streaming.fingerprint import digest
from ..streaming.sources import Source
from ..streaming.tasks import WorkerVanished, each_batch
from ..validation.predictions import Predictions, predict_labels
from .files import whole_file

_OURS = re.compile(r"[0-9a-f]{32}\.npz")


@dataclass(frozen=True)
class Predictor:
    """The work on a batch, as it goes to workers.

    Attributes
    ----------
    model : estimator
    derivatives : bool
        Whether forces and stresses are wanted.
    """

    model: Any
    derivatives: bool

    def __call__(self, batch: Batch) -> Predictions:
        """Predict the structures of a batch.

        Raises
        ------
        ValueError
            If one cannot be read or predicted; the message names file and structure.
        """
        structures = [record.read() for record in batch.records]
        try:
            return predict_labels(self.model, structures, self.derivatives)
        except (TypeError, ValueError):
            for record, atoms in zip(batch.records, structures, strict=True):
                self._try(record, atoms)
            raise  # not the fault of a structure

    def _try(self, record, atoms):
        try:
            predict_labels(self.model, [atoms], self.derivatives)
        except (TypeError, ValueError) as error:
            raise ValueError(record.blame(atoms, error)) from error


class StoredPredictions:
    """Predictions of the structures of a source.

    Each batch is kept in a file, whose name tells model and structures, until ``remove`` is called:
    what is there is not computed again. A source of one batch leaves no file.

    Parameters
    ----------
    model : estimator
        Fitted.
    derivatives : bool
        Whether forces and stresses are wanted.
    source : Source
        Read twice.
    folder : Path
        Where the files go; made if it is needed.
    """

    def __init__(self, model: Any, derivatives: bool, source: Source, folder: Path):
        self.folder = folder
        self._predictor, self._source = Predictor(model, derivatives), source
        self._model_digest = digest([__version__, model, derivatives])
        self._only: Predictions | None = None
        self.n_structures, self.has_stress = 0, False

    def compute(self) -> None:
        """Predict what is missing.

        Raises
        ------
        OSError, ValueError
            If the source cannot be read or predicted, or the folder not written to.
        RuntimeError
            If a worker was killed.
        """
        with progress_bar("predictions") as progress:
            try:
                for batch, found in each_batch(self._predictor, self._missing(progress), None):
                    with whole_file(self._path(batch)) as unfinished, unfinished.open("wb") as file:
                        np.savez(file, **_as_arrays(found))
                    self._count(progress, batch, found)
            except WorkerVanished as error:
                raise RuntimeError(f"{error} The same command goes on where it was.") from error
        if not self.n_structures:
            raise ValueError("There are no structures.")

    def _missing(self, progress):
        """Batches without a file; one that is alone has all workers for itself."""
        for batch in ahead(self._batches(), blocks.BATCHES_AHEAD):
            path = self._path(batch)
            found = _read(path) if path.exists() else None
            if found is None and batch.number == 0 and batch.is_last:
                found = self._only = self._predictor(batch)
            if found is None:
                self.folder.mkdir(exist_ok=True)
                yield batch
            else:
                self._count(progress, batch, found)

    def _count(self, progress, batch, found):
        move_on(progress, len(batch.records), batch.fraction)
        self.n_structures += len(batch.records)
        stresses = found.stresses
        self.has_stress |= stresses is not None and bool(np.isfinite(stresses).any())

    def _batches(self):
        return cut(self._source, blocks.BATCH_ATOMS, blocks.BATCH_ATOMS)

    def _path(self, batch):
        name = blake2b(f"{self._model_digest} {batch.digest()}".encode(), digest_size=16)
        return self.folder / f"{name.hexdigest()}.npz"

    def __iter__(self) -> Iterator[tuple[Sequence[Atoms], Predictions]]:
        """Structures and predictions of each batch, in order, after ``compute``.

        Raises
        ------
        ValueError
            If the source is not what it was.
        """
        for batch in ahead(self._batches(), blocks.BATCHES_AHEAD):
            found = self._only if self._only is not None else _read(self._path(batch))
            if found is None or len(found.energies) != len(batch.records):
                raise ValueError("The structures have changed while they were predicted.")
            yield [record.read() for record in batch.records], found

    def remove(self) -> None:
        """Remove the files."""
        with suppress(OSError):  # a folder that holds other things stays
            for path in self.folder.iterdir():
                if _OURS.fullmatch(path.name):
                    path.unlink()
            self.folder.rmdir()


def _as_arrays(found):
    arrays = {"energies": found.energies, "errors": found.errors, "stresses": found.stresses}
    if found.forces is not None:
        arrays["forces"] = np.concatenate([*found.forces, np.zeros((0, 3))])
        arrays["sizes"] = np.array([len(forces) for forces in found.forces])
    return {name: array for name, array in arrays.items() if array is not None}


def _read(path):
    """Predictions of a batch; None if they are not there, or damaged."""
    try:
        with path.open("rb") as file, np.load(file) as stored:
            arrays = dict(stored)
    except (FileNotFoundError, EOFError, ValueError, zipfile.BadZipFile):
        return None
    if "sizes" in arrays:
        ends = np.cumsum(arrays.pop("sizes"))
        arrays["forces"] = np.split(arrays["forces"], ends[:-1])
    return Predictions(**arrays)
