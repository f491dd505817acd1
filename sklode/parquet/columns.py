"""Columns of a data set of features, and tables of batches."""

import json
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrow import arrow
from .described import Described, Failure, Level

if TYPE_CHECKING:
    import pyarrow

OF_STRUCTURES = ("structure", "formula", "n_atoms", "energy")
OF_ATOMS = ("structure", "atom", "symbol", "formula", "n_atoms", "energy")
UNITS = {"energy": "eV"}  # of columns; lengths in the features are in angstrom


def fixed_columns(level: Level) -> tuple[str, ...]:
    """Names of the columns before those of info keys and features."""
    return OF_ATOMS if level == "atom" else OF_STRUCTURES


def info_types(info: dict[str, list]) -> dict[str, str]:
    """Types of the columns of info keys, from the values of the first batch.

    Parameters
    ----------
    info : dict of str to list
        Values of each key.

    Returns
    -------
    dict of str to {"bool", "int64", "double", "string"}
        Other values, and those of several types, are strings: text as it is, others as JSON.

    Raises
    ------
    ValueError
        For a key that no structure has.
    """
    found = {}
    for key, values in info.items():
        kinds = {_kind(value) for value in values if value is not None}
        if not kinds:
            raise ValueError(
                f"None of the first {len(values)} structures has atoms.info[{key!r}], which "
                "info_keys asks for: its type is not known. Correct the key, leave it out, or look "
                "at more structures with larger batch_atoms."
            )
        kinds = {"double"} if kinds == {"int64", "double"} else kinds
        found[key] = kinds.pop() if len(kinds) == 1 else "string"
    return found


def stored_types(schema: "pyarrow.Schema", keys: tuple[str, ...]) -> dict[str, str]:
    """Types of the columns of info keys of a data set that is there."""
    return {key: str(schema.field(key).type) for key in keys}


def _kind(value):
    if isinstance(value, (bool, np.bool_)):
        return "bool"
    if isinstance(value, Integral):
        whole = np.iinfo(np.int64)
        return "int64" if whole.min <= int(value) <= whole.max else "double"
    return "double" if isinstance(value, (float, np.floating)) else "string"


def converted(value: object, kind: str) -> Any:
    """Convert a value of an info key to the type of its column.

    Raises
    ------
    ValueError
        If it would lose something.
    """
    if value is None:
        return None
    if kind == "string":
        return _as_text(value)
    own = _kind(value)
    if (own, kind) in {("int64", "double"), ("double", "double")}:
        return _as_float(value)
    if own == kind:
        return value.item() if isinstance(value, np.generic) else value
    raise ValueError(f"is {value!r:.60}, but that of structures before it was of type {kind}")


def _as_float(value):
    try:
        number = float(value)
    except OverflowError:
        number = np.inf
    if isinstance(value, Integral) and number != int(value):
        raise ValueError(
            f"is {value!r:.60}, which no column of numbers holds exactly. Store it as text: "
            "str(value)"
        )
    return number


def _as_text(value):
    try:
        text = value if isinstance(value, str) else json.dumps(value, default=_plain)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"is {value!r:.60}, which is no text, nor JSON ({error})") from error
    return text


def _plain(value):
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)


def typed(described: Described, types: dict[str, str]) -> tuple[Described, list[bool]]:
    """Info values of a batch in the types of their columns.

    Returns
    -------
    described : Described
        With failures of structures whose values have other types.
    kept : list of bool
        Which structures are no failures.
    """
    kept = [True] * len(described.structures)
    info: dict[str, list] = {}
    failures = list(described.failures)
    for key, values in described.info.items():
        info[key] = []
        for place, value in enumerate(values):
            try:
                info[key].append(converted(value, types[key]))
            except ValueError as error:
                info[key].append(None)
                if kept[place]:
                    structure, formula = int(described.structures[place]), described.formulas[place]
                    reason = f"X[{structure}] ({formula}): its info[{key!r}] {error}."
                    failures.append(Failure(structure, formula, reason))
                kept[place] = False
    failures.sort(key=lambda failure: failure.structure)
    fields = vars(described) | {"info": info, "failures": failures}
    return Described(**fields), kept


def schema(
    level: Level, types: dict[str, str], names: list[str], dtype: str, metadata: dict[str, str]
) -> "pyarrow.Schema":
    """Names, types and units of the columns.

    Parameters
    ----------
    level : {"structure", "atom"}
    types : dict of str to str
        Of the info keys.
    names : list of str
        Of the features.
    dtype : str
        Of the features.
    metadata : dict of str to str

    Returns
    -------
    pyarrow.Schema
    """
    pa = arrow()
    kinds = {"formula": pa.string(), "symbol": pa.string(), "energy": pa.float64()}
    fields = [
        pa.field(name, kinds.get(name, pa.int64()), metadata=_unit(name))
        for name in fixed_columns(level)
    ]
    named = {"bool": pa.bool_(), "int64": pa.int64(), "double": pa.float64(), "string": pa.string()}
    fields += [pa.field(key, named[kind]) for key, kind in types.items()]
    fields += [pa.field(name, pa.from_numpy_dtype(np.dtype(dtype))) for name in names]
    return pa.schema(fields, metadata=metadata)


def _unit(name):
    return {"unit": UNITS[name]} if name in UNITS else None


def table(described: Described, kept: list[bool], schema: "pyarrow.Schema") -> "pyarrow.Table":
    """Rows of a batch with their labels."""
    pa = arrow()
    chosen = np.flatnonzero(kept)
    rows, per_row = described.rows, np.ones(len(kept), dtype=int)
    by_atom = "atom" in schema.names[: len(OF_ATOMS)]
    if by_atom:
        per_row = described.n_atoms
    mask = np.repeat(np.asarray(kept, dtype=bool), per_row)
    repeats = per_row[chosen]

    def spread(values):
        return [values[i] for i, n in zip(chosen, repeats, strict=True) for _ in range(n)]

    columns: dict[str, Any] = {
        "structure": np.repeat(described.structures[chosen], repeats),
        "formula": spread(described.formulas),
        "n_atoms": np.repeat(described.n_atoms[chosen], repeats),
        "energy": spread(described.energies),
        **{key: spread(values) for key, values in described.info.items()},
    }
    if by_atom:
        columns["atom"] = np.concatenate([np.zeros(0, int), *(np.arange(n) for n in repeats)])
        columns["symbol"] = [s for s, keep in zip(described.symbols, mask, strict=True) if keep]
    n_labels = len(columns)
    features = np.ascontiguousarray(rows[mask].T) if len(chosen) else np.zeros((0, 0))
    arrays = [pa.array(columns[f.name], type=f.type) for f in list(schema)[:n_labels]]
    for number, f in enumerate(list(schema)[n_labels:]):
        arrays.append(pa.array(features[number] if len(chosen) else [], type=f.type))
    return pa.Table.from_arrays(arrays, schema=schema)
