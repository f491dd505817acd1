"""What a map shows beside its coordinates: numbers and texts of structures or atoms."""

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

_KINDS = "biufSU"  # of arrays that chemiscope reads: numbers and texts


def read_properties(
    properties: Mapping[str, ArrayLike] | pd.DataFrame | None,
    sizes: Mapping[str, int],
    level: str,
    taken: str,
) -> dict[str, dict[str, Any]]:
    """Properties as chemiscope wants them, each with what it belongs to.

    Parameters
    ----------
    properties : mapping of str to array-like, DataFrame or None
        By name.
    sizes : mapping of str to int
        How many structures and atoms there are.
    level : {"structure", "atom"}
        What the points of the map are.
    taken : str
        A name that the map has itself.

    Returns
    -------
    dict of str to dict
        ``target`` and ``values`` of each.

    Raises
    ------
    ValueError
        For names, numbers and types of values that a map cannot have; the message names them.
    """
    if properties is None:
        return {}
    if not hasattr(properties, "items"):
        kind = type(properties).__name__
        raise ValueError(
            f"properties must be a mapping of names to values, or a DataFrame; got {kind}"
        )
    shown = {}
    for name, values in properties.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"Names of properties must be texts, and not empty; got {name!r}.")
        if name == taken:
            raise ValueError(f"The name {taken!r} is taken by the map; give the property another.")
        values = np.asarray(values)
        fitting = [target for target in (level, "structure") if values.shape == (sizes[target],)]
        if not fitting:
            raise ValueError(
                f"Property '{name}' must have one value for each structure ({sizes['structure']})"
                + f" or atom ({sizes['atom']})" * (level == "atom")
                + f"; got shape {values.shape}."
            )
        shown[name] = {"target": fitting[0], "values": _numbers_or_texts(values, name)}
    return shown


def _numbers_or_texts(values: NDArray, name: str) -> NDArray:
    if values.dtype.kind == "O":
        values = _plain(values, name)
    elif values.dtype.kind not in _KINDS:
        raise ValueError(
            f"Property '{name}' must be numbers or texts; got values of type {values.dtype}. Turn "
            "them into numbers, or into texts with str."
        )
    if values.dtype.kind == "f" and np.isinf(values).any():
        index = int(np.flatnonzero(np.isinf(values))[0])
        raise ValueError(
            f"Property '{name}' is infinite at index {index}; give NaN for what is not known."
        )
    return values


def _plain(values, name):
    """Python's objects, as pandas has them, as an array of one type."""
    wrong = [i for i, v in enumerate(values) if not isinstance(v, str | numbers.Real | np.bool_)]
    if wrong:
        raise ValueError(
            f"Property '{name}' must be numbers or texts; got {values[wrong[0]]!r} at index "
            f"{wrong[0]}. Give NaN, or an empty text, for what is not known."
        )
    texts = np.array([isinstance(value, str) for value in values])
    if texts.any() and not texts.all():
        index = int(np.flatnonzero(texts != texts[0])[0])
        raise ValueError(
            f"Property '{name}' must be numbers or texts, not both; got {values[0]!r} at index 0 "
            f"and {values[index]!r} at index {index}."
        )
    return values.astype(str if texts.all() else float)
