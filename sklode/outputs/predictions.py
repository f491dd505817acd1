"""Predictions in files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import pandas as pd

from ..parquet.arrow import arrow
from ..validation.predictions import predicted_structures, table_of_atoms, table_of_structures
from .extended_xyz import ExtendedXYZ
from .files import whole_file
from .stored_predictions import StoredPredictions

_XYZ = (".xyz", ".extxyz")


def _write_csv(path, tables):
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, table in enumerate(tables):
            table.to_csv(file, index=False, header=number == 0)


def _write_parquet(path, tables):
    pa, tables = arrow(), iter(tables)
    first = pa.Table.from_pandas(next(tables), preserve_index=False)
    others = (pa.Table.from_pandas(t, schema=first.schema, preserve_index=False) for t in tables)
    with pa.parquet.ParquetWriter(path, first.schema) as writer:
        for table in chain([first], others):
            writer.write_table(table)


_TABLES: dict[str, Callable] = {".csv": _write_csv, ".parquet": _write_parquet}


def check_format(path: Path) -> None:
    """Refuse names that tell no format, and formats whose package is missing.

    Raises
    ------
    ImportError
        Without pyarrow.
    ValueError
        For other names.
    """
    if path.suffix not in _XYZ:
        check_table(path, [*_TABLES, *_XYZ])


def check_table(path: Path, known: Sequence[str] = (*_TABLES,)) -> None:
    """The same for tables alone."""
    if path.suffix not in known:
        raise ValueError(f"{path}: must end in one of {', '.join(known)}, which tells the format.")
    if path.suffix == ".parquet":
        arrow()


def write_predictions(path: Path, stored: StoredPredictions, level: str = "structure") -> None:
    """Write a table, or structures whose calculators have the predictions.

    Parameters
    ----------
    path : Path
        See ``check_format``.
    stored : StoredPredictions
        After ``compute``.
    level : {"structure", "atom"}, default="structure"
        What a row of a table is.

    Raises
    ------
    OSError
        If it cannot be written; one that was there before stays as it was.

    Warns
    -----
    UserWarning
        If structures have values that extended XYZ cannot hold; they are left out.
    """
    if path.suffix in _XYZ:
        with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
            xyz = ExtendedXYZ(file)
            for structures, predictions in stored:
                xyz.write(predicted_structures(structures, predictions))
        xyz.warn()
    else:
        write_tables(path, _tables(stored, level))


def write_tables(path: Path, tables: Iterable[pd.DataFrame]) -> None:
    """Write the rows of tables of the same columns as CSV or Parquet, as the name says."""
    with whole_file(path) as unfinished:
        _TABLES[path.suffix](unfinished, tables)


def _tables(stored: StoredPredictions, level: str) -> Iterator[pd.DataFrame]:
    first = 0
    for structures, predictions in stored:
        if level == "atom":
            yield table_of_atoms(structures, predictions, first)
        else:
            yield table_of_structures(structures, predictions, first, stored.has_stress)
        first += len(structures)
