"""One run of featurize: which parts are missing, who computes them, and writing them in order."""

import errno
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path

from sklearn.base import BaseEstimator, clone

from ..execution.progress import move_on, progress_bar
from ..physics import blocks
from ..streaming.batches import Batch, ahead, cut
from ..streaming.fingerprint import digest, parameters
from ..streaming.fitted import fitted_to, is_fitted
from ..streaming.sources import Source
from ..streaming.tasks import WorkerVanished, each_batch
from .arrow import arrow
from .columns import fixed_columns, info_types, schema
from .described import Describer, Level
from .encoder import Encoder, File
from .parts import (
    part_path,
    part_paths,
    read_part,
    remove_unfinished,
    settings_metadata,
    write_part,
)

_FORMAT = 1  # of what the files say of themselves
_OTHER = (
    "was made from other structures than those of the source now. Give another folder, or the same "
    "source."
)


@dataclass(frozen=True)
class Plan:
    """What the rows are, beside the transformer.

    Attributes
    ----------
    level : {"structure", "atom"}
    batch_atoms : int or None
    info_keys : tuple of str
    """

    level: Level
    batch_atoms: int | None
    info_keys: tuple[str, ...]

    @property
    def n_labels(self) -> int:
        """Number of columns before the features."""
        return len(fixed_columns(self.level)) + len(self.info_keys)

    def limits(self, n_features: int) -> tuple[int, int]:
        """How many atoms, and how many structures, a batch has at most."""
        if self.batch_atoms is not None:
            return self.batch_atoms, self.batch_atoms
        most_rows = max(1, blocks.BATCH_NUMBERS // max(n_features, 1))
        most_atoms = min(blocks.BATCH_ATOMS, most_rows) if self.level == "atom" else None
        return most_atoms or blocks.BATCH_ATOMS, most_rows


class Run:
    """The work that one call of featurize does.

    Parameters
    ----------
    transformer : estimator
    source : Source
    folder : Path
    plan : Plan
    skip : bool
        Whether structures that cannot be described are listed instead of raised.
    """

    def __init__(
        self, transformer: BaseEstimator, source: Source, folder: Path, plan: Plan, skip: bool
    ):
        self._given, self._source, self._folder = transformer, source, folder
        self._plan, self._skip = plan, skip

    def is_done(self) -> bool:
        """Whether the folder has everything; without reading the source.

        Raises
        ------
        ValueError
            If the folder was made with other parameters.
        """
        stored = [part for part in map(read_part, part_paths(self._folder)) if part is not None]
        known = self._settings(self._given) if is_fitted(self._given) else self._settings(None)
        for part in stored:
            _refuse_others(self._folder, part.settings, known)
        stamp, last = self._source.stamp(), stored[-1] if stored else None
        whole = [part.number for part in stored] == list(range(len(part_paths(self._folder))))
        return bool(last and whole and last.is_last and stamp and stamp == last.stamp)

    def _settings(self, fitted):
        """What all files say; without what was learnt for a transformer that is not fitted."""
        learnt = {} if fitted is None else {"learnt": digest(fitted)}
        return {
            "format": _FORMAT,
            "transformer": parameters(self._given),
            "level": self._plan.level,
            "batch_atoms": self._plan.batch_atoms,
            "info_keys": list(self._plan.info_keys),
            "n_labels": self._plan.n_labels,
            "units": {"length": "angstrom", "energy": "eV"},
            "code": digest(clone(self._given, safe=False)),
            **learnt,
        }

    @cached_property
    def _fitted(self):
        return fitted_to(self._given, self._source)

    @cached_property
    def _names(self):
        names = [str(name) for name in self._fitted.get_feature_names_out()]
        labels = [*fixed_columns(self._plan.level), *self._plan.info_keys]
        twice = [name for name, count in Counter(labels + names).items() if count > 1]
        if twice:
            raise ValueError(
                f"Two columns are called {twice[0]!r}. Rename the info key, or name the branches "
                "of the FeatureUnion and leave verbose_feature_names_out=True."
            )
        return names

    def go(self, n_jobs: int | None) -> None:
        """Compute and write what is missing.

        Raises
        ------
        OSError, RuntimeError, ValueError
            As featurize.
        """
        settings = self._settings(self._fitted) | {"sklode": _version()}
        for part in map(read_part, part_paths(self._folder)):
            if part is not None:
                _refuse_others(self._folder, part.settings, settings)
        remove_unfinished(self._folder)
        batches = cut(self._source, *self._plan.limits(len(self._names)))
        describer = Describer(self._fitted, self._plan.level, self._plan.info_keys)
        with progress_bar(type(self._given).__name__) as progress:
            missing = self._missing(ahead(batches, blocks.BATCHES_AHEAD), progress)
            try:
                for batch, file in self._files(describer, missing, settings, n_jobs):
                    self._write(batch, file)
                    move_on(progress, len(batch.records), batch.fraction)
            except WorkerVanished as error:
                raise RuntimeError(
                    f"{error} {self._state()} Call featurize again to go on, with fewer workers or "
                    "smaller batch_atoms if memory is short."
                ) from error

    def _missing(self, batches, progress):
        """Batches that have no file yet."""
        number = -1
        for batch in batches:
            number, path = batch.number, part_path(self._folder, batch.number)
            part = read_part(path) if path.exists() else None
            if part is None:
                yield batch
            elif (part.digest, part.is_last) != (batch.digest(), batch.is_last):
                raise ValueError(f"{path} {_OTHER}")
            else:
                move_on(progress, len(batch.records), batch.fraction)
        if number < 0:
            raise ValueError("The source holds no structures.")
        if part_path(self._folder, number + 1).exists():
            raise ValueError(f"{part_path(self._folder, number + 1)} {_OTHER}")

    def _files(self, describer, missing, settings, n_jobs):
        """Batches and their files, in order; the first one decides the columns."""
        columns, stamp = self._stored_columns(settings), self._source.stamp()
        if columns is None:
            first = list(islice(missing, 1))
            for batch, described in each_batch(describer, first, n_jobs):
                columns = self._columns(described, settings)
                yield batch, Encoder(describer, columns, settings, stamp).file(batch, described)
        yield from each_batch(Encoder(describer, columns, settings, stamp), missing, n_jobs)

    def _write(self, batch: Batch, file: File) -> None:
        if file.failures and not self._skip:
            raise ValueError(self._failed(file.failures[0].reason))
        try:
            write_part(self._folder, batch.number, file.content)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            hint = "The disk is full: free space, and call" if full else "Call"
            message = f"{error.strerror} {self._state()} {hint} featurize again to go on."
            raise OSError(error.errno, message) from error

    def _failed(self, reason):
        return (
            f'{reason} Or pass on_error="skip", which lists such structures instead. '
            f"{self._state()}"
        )

    def _columns(self, described, settings):
        """Columns of all files, from what the first batch has."""
        if not self._skip and described.failures:
            raise ValueError(self._failed(described.failures[0].reason))
        self._refuse_nothing(described)
        types, dtype = info_types(described.info), described.rows.dtype.name
        return schema(self._plan.level, types, self._names, dtype, settings_metadata(settings))

    def _stored_columns(self, settings):
        """Columns of a file that is there, or None."""
        for path in part_paths(self._folder):
            if read_part(path) is not None:
                stored = arrow().parquet.read_schema(path)
                return stored.with_metadata(settings_metadata(settings))
        return None

    def _refuse_nothing(self, described):
        """Without any row, neither types nor anything else is known."""
        if not len(described.structures):
            first = described.failures[0].reason
            raise ValueError(
                f"None of the first {len(described.failures)} structures can be described. The "
                f"first one: {first}"
            )

    def _state(self):
        """One sentence on what is there."""
        done = [part for part in map(read_part, part_paths(self._folder)) if part is not None]
        n_structures = sum(part.n_structures for part in done)
        if not done:
            return f"Nothing is in {self._folder} yet."
        return f"{self._folder} holds {n_structures} structures in {len(done)} files."


def _refuse_others(folder, stored, wanted):
    """Refuse a data set whose settings differ."""
    if stored.get("format") != _FORMAT:
        raise ValueError(f"{folder}: was made by another version of sklode. Give another folder.")
    for key, value in wanted.items():
        if stored.get(key) == value:
            continue
        differs = _difference(stored.get(key), value, key)
        raise ValueError(f"{folder}: was made {differs}. Give another folder, or remove this one.")


def _difference(stored, wanted, name):
    """Which parameter differs, with both values."""
    if name == "learnt":
        return "with a transformer of the same parameters that was fitted to other structures"
    if name == "code":
        return "with a transformer of the same parameters whose code was another"
    if name == "sklode":
        return f"with sklode {stored}, and this is {wanted}, whose rows may differ"
    if isinstance(stored, dict) and isinstance(wanted, dict) and stored.keys() == wanted.keys():
        key = next(key for key in wanted if stored[key] != wanted[key])
        return _difference(stored[key], wanted[key], key)
    return f"with {name}={stored!r:.80}, not {wanted!r:.80}"


def _version():
    try:
        return version("sklode")
    except PackageNotFoundError:  # imported from a source tree that is not installed
        return "unknown"
