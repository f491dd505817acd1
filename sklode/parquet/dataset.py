"""Data sets of features on disk, as they are read."""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd

from .arrow import arrow
from .parts import Part, damaged, part_paths, read_part, read_rows


class FeatureDataset:
    """Features on disk, as `sklode.featurize` has written them: a folder of Parquet files.

    Any program that reads Parquet reads the folder: ``pandas.read_parquet(path)``,
    ``polars.read_parquet(path)``, ``dask.dataframe.read_parquet(path)``, and duckdb with
    ``'path/*.parquet'``. This class knows what else the files say.

    Parameters
    ----------
    path : path-like
        The folder.

    Attributes
    ----------
    path : Path

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no part in it.
    ImportError
        Without pyarrow.
    ValueError
        If the files are others.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from ase.build import molecule
    >>> import sklode
    >>> molecules = [molecule("H2O"), molecule("CH4")]
    >>> with TemporaryDirectory() as folder:
    ...     dataset = sklode.featurize(sklode.Composition(), molecules, folder)
    ...     print(dataset.read(["formula", "composition_C"]))
      formula  composition_C
    0     H2O            0.0
    1     CH4            1.0
    """

    def __init__(self, path: str | os.PathLike):
        arrow()
        self.path = Path(path)
        if not part_paths(self.path):
            raise FileNotFoundError(f"{self.path}: holds no features. sklode.featurize makes them.")

    def __repr__(self) -> str:
        state = "complete" if self.complete else "not complete"
        return f"FeatureDataset({str(self.path)!r}): {self.n_structures} structures, {state}"

    @cached_property
    def _found(self) -> list[Part]:
        found = [read_part(path) for path in part_paths(self.path)]
        for path, part in zip(part_paths(self.path), found, strict=True):
            if part is None:
                raise damaged(path)
        return [part for part in found if part is not None]

    @property
    def complete(self) -> bool:
        """Whether all structures of the source are there."""
        in_order = [part.number for part in self._found] == list(range(len(self._found)))
        return in_order and self._found[-1].is_last

    @property
    def n_structures(self) -> int:
        """Number of structures that have rows."""
        return sum(part.n_structures for part in self._found)

    @property
    def n_rows(self) -> int:
        """Number of rows: structures or atoms."""
        return sum(part.n_rows for part in self._found)

    @property
    def n_parts(self) -> int:
        """Number of files."""
        return len(self._found)

    @property
    def settings(self) -> dict:
        """What the data set was made with: ``transformer``, ``level``, ``units`` and others."""
        return self._found[0].settings

    @property
    def feature_names(self) -> list[str]:
        """Names of the columns that are features."""
        schema = arrow().parquet.read_schema(part_paths(self.path)[0])
        return schema.names[self.settings["n_labels"] :]

    @property
    def skipped(self) -> pd.DataFrame:
        """Structures without rows: ``structure`` (place in the source), ``formula``, ``reason``."""
        failures = [vars(failure) for part in self._found for failure in part.failures]
        return pd.DataFrame(failures, columns=["structure", "formula", "reason"])

    def parts(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Frames of consecutive structures, one file after the other.

        Parameters
        ----------
        columns : sequence of str, default=None
            Which columns; None means all.

        Yields
        ------
        DataFrame
            Of at least one row.

        Raises
        ------
        ValueError
            If there is no such column, or a file is not as it was written.
        """
        wanted = self._columns(columns)
        for path, part in zip(part_paths(self.path), self._found, strict=True):
            if part.n_rows:
                yield read_rows(path, part.n_rows, wanted)

    def read(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """All rows, which must fit in memory.

        Parameters
        ----------
        columns : sequence of str, default=None
            Which columns; None means all.

        Returns
        -------
        DataFrame

        Raises
        ------
        ValueError
            As ``parts``.
        """
        frames = list(self.parts(columns))
        if not frames:
            return read_rows(part_paths(self.path)[0], 0, self._columns(columns))
        return pd.concat(frames, ignore_index=True)

    def _columns(self, wanted):
        if wanted is None:
            return None
        known = arrow().parquet.read_schema(part_paths(self.path)[0]).names
        strange = [name for name in wanted if name not in known]
        if strange:
            raise ValueError(
                f"{self.path} has no column {strange[0]!r}; it has {', '.join(known):.200}."
            )
        return list(wanted)
