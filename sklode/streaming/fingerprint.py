"""What a fitted transformer is, as text: its parameters, and what it has learnt."""

from hashlib import blake2b
from numbers import Number
from types import FunctionType

import joblib
import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

_SHOWN = 100  # numbers of an array, longer ones by their digest
_HOW = {"n_jobs", "verbose", "memory"}  # how something is computed, not what


def parameters(transformer: BaseEstimator) -> dict:
    """Parameters of an estimator and of those inside, as far as JSON can have them.

    Parameters
    ----------
    transformer : estimator

    Returns
    -------
    dict
        ``class``, and the parameters by their names.
    """
    names = sorted(transformer.get_params(deep=False)) if _is_estimator(transformer) else []
    values = {n: _shown(getattr(transformer, n, None)) for n in names if n not in _HOW}
    return {"class": _class(transformer), **values}


def _shown(value):
    if _is_estimator(value):
        return parameters(value)
    if isinstance(value, (list, tuple)):
        return [_shown(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _shown(item) for key, item in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray) and value.size <= _SHOWN:
        return value.tolist()
    return f"{_class(value)} {digest(value)[:8]}"


def digest(value: object) -> str:
    """Text that differs for transformers whose rows differ, whatever made them so.

    Parameters
    ----------
    value : object
        An estimator, or what its state consists of.

    Returns
    -------
    str
    """
    found = blake2b(digest_size=16)
    _add(found, value)
    return found.hexdigest()


def _add(found, value):
    found.update(_class(value).encode() + b"(")
    if isinstance(value, (np.ndarray, np.generic)) and not np.asarray(value).dtype.hasobject:
        array = np.ascontiguousarray(value)
        found.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    elif isinstance(value, np.ndarray):
        _add(found, value.tolist())
    elif isinstance(value, pd.DataFrame):
        _add(found, value.to_dict("list"))
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            found.update(f"{key}:".encode())
            _add(found, value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            _add(found, item)
    elif value is None or isinstance(value, (Number, str)):
        found.update(repr(value).encode())
    elif isinstance(value, (FunctionType, type)):
        found.update(f"{value.__module__}.{value.__qualname__}".encode())
        found.update(getattr(getattr(value, "__code__", None), "co_code", b""))
    elif issparse(value) or not hasattr(value, "__dict__"):
        found.update(joblib.hash(value).encode())
    else:
        state = vars(value)
        _add(found, {key: item for key, item in state.items() if _counts(key)})
    found.update(b")")


def _counts(name):
    return name not in _HOW and not name.startswith("_sklearn")


def _is_estimator(value):
    return hasattr(value, "get_params") and not isinstance(value, type)


def _class(value):
    return f"{type(value).__module__}.{type(value).__qualname__}"
