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

_FORMAT = 2  # of what the files say of themselves
_OTHER = (
    "was made from other structures than those of the source now. Give another folder, or the same "
    "source."
)
_SKIP = 'Or pass on_error="skip", which lists such structures instead.'


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
            If the folder was made with other parameters, or lacks structures that must be there.
        """
        known = self._settings(self._given) if is_fitted(self._given) else self._settings(None)
        stored = self._stored(known)
        stamp, last = self._source.stamp(), stored[-1] if stored else None
        whole = [part.number for part in stored] == list(range(len(part_paths(self._folder))))
        return bool(last and whole and last.is_last and stamp and stamp == last.stamp)

    def _stored(self, settings):
        """Parts that are there and whole; all of them such that this run may go on with them."""
        found = [part for part in map(read_part, part_paths(self._folder)) if part is not None]
        for part in found:
            _refuse_others(self._folder, part.settings, settings)
            if part.failures and not self._skip:
                raise ValueError(
                    f"{part_path(self._folder, part.number)} lacks structures: "
                    f"{part.failures[0].reason} {_SKIP} Or remove this file to try again."
                )
        return found

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
        self._stored(settings)
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
        """Batches and their files, in order; the first one with rows decides the columns."""
        columns, stamp, waiting = self._stored_columns(settings), self._source.stamp(), []
        while columns is None:
            first = list(islice(missing, 1))
            if not first:
                raise ValueError(self._nothing(waiting))
            waiting += each_batch(describer, first, n_jobs)
            columns = self._columns(waiting[-1][1], settings)
        encoder = Encoder(describer, columns, settings, stamp)
        for batch, described in waiting:
            yield batch, encoder.file(batch, described)
        yield from each_batch(encoder, missing, n_jobs)

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
        return f"{reason} {_SKIP} {self._state()}"

    def _columns(self, described, settings):
        """Columns of all files, from what a batch has; None if it has no rows."""
        if not self._skip and described.failures:
            raise ValueError(self._failed(described.failures[0].reason))
        if not len(described.structures):
            return None
        types, dtype = info_types(described.info), described.rows.dtype.name
        return schema(self._plan.level, types, self._names, dtype, settings_metadata(settings))

    def _stored_columns(self, settings):
        """Columns of a file that is there, or None."""
        for path in part_paths(self._folder):
            if read_part(path) is not None:
                stored = arrow().parquet.read_schema(path)
                return stored.with_metadata(settings_metadata(settings))
        return None

    def _nothing(self, batches):
        """That there are no rows, from which neither types nor anything else is known."""
        failures = [failure for _, described in batches for failure in described.failures]
        return (
            f"None of the {len(failures)} structures can be described. The first one: "
            f"{failures[0].reason}"
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


def _difference(stored, wanted, name, inside=""):
    """Which parameter differs, with both values."""
    if name == "learnt":
        return "with a transformer of the same parameters that was fitted to other structures"
    if name == "code":
        return "with a transformer of the same parameters whose code was another"
    if name == "sklode":
        return f"with sklode {stored}, and this is {wanted}, whose rows may differ"
    if isinstance(stored, dict) and isinstance(wanted, dict):
        if stored.keys() == wanted.keys() and stored.get("class") == wanted.get("class"):
            key = next(key for key in wanted if stored[key] != wanted[key])
            inside = inside if name == "transformer" else f"{inside}{name}: "
            return _difference(stored[key], wanted[key], key, inside)
        stored, wanted = stored.get("class", stored), wanted.get("class", wanted)
    if isinstance(stored, list) and isinstance(wanted, list) and len(stored) == len(wanted):
        place = next(place for place, item in enumerate(wanted) if stored[place] != item)
        one, other = stored[place], wanted[place]
        if _is_step(one) and _is_step(other) and one[0] == other[0]:
            return _difference(one[1], other[1], one[0], inside)
        return _difference(one, other, f"{name}[{place}]", inside)
    return f"with {inside}{name}={stored!r:.80}, not {wanted!r:.80}"


def _is_step(value):
    """Whether this is a branch of a union or a step of a pipeline, with its name."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _version():
    try:
        return version("sklode")
    except PackageNotFoundError:  # imported from a source tree that is not installed
        return "unknown"
