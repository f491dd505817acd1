"""Predictions in files."""

from collections.abc import Callable, Sequence
from pathlib import Path

import ase.io
import pandas as pd
from ase import Atoms

from ..parquet.arrow import arrow
from ..validation.predictions import (
    Predictions,
    predicted_structures,
    table_of_atoms,
    table_of_structures,
)
from .files import whole_file

_XYZ = (".xyz", ".extxyz")
_TABLES: dict[str, Callable] = {
    ".csv": lambda table, path: table.to_csv(path, index=False),
    ".parquet": lambda table, path: table.to_parquet(path, index=False),
}


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


def write_predictions(
    path: Path, structures: Sequence[Atoms], predictions: Predictions, level: str = "structure"
) -> None:
    """Write a table, or structures whose calculators have the predictions.

    Parameters
    ----------
    path : Path
        See ``check_format``.
    structures : sequence of ase.Atoms
    predictions : Predictions
    level : {"structure", "atom"}, default="structure"
        What a row of a table is.

    Raises
    ------
    OSError
        If it cannot be written; one that was there before stays as it was.
    """
    if path.suffix in _XYZ:
        found = predicted_structures(structures, predictions)
        with whole_file(path) as unfinished:
            ase.io.write(unfinished, found, format="extxyz")
        return
    of_atoms = level == "atom"
    table = (table_of_atoms if of_atoms else table_of_structures)(structures, predictions)
    write_table(table, path)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV or Parquet, as the name of the file says."""
    with whole_file(path) as unfinished:
        _TABLES[path.suffix](table, unfinished)
