"""What a fitted transformer is, as text: its parameters, and what it has learnt."""

from hashlib import blake2b

import numpy as np
from sklearn.base import BaseEstimator

from ..execution.told import HOW, told

_SHOWN = 100  # numbers of an array, longer ones by their digest


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
    values = {n: _shown(getattr(transformer, n, None)) for n in names if n not in HOW}
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

    Raises
    ------
    TypeError
        If something in it cannot be told from others, such as an open file.
    """
    try:
        text = repr(told(value))
    except TypeError as error:
        raise TypeError(
            f"It cannot be told whether two {type(value).__name__} are the same: {error}. Put "
            "parameters in their place that pickle can store."
        ) from error
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _is_estimator(value):
    return hasattr(value, "get_params") and not isinstance(value, type)


def _class(value):
    return f"{type(value).__module__}.{type(value).__qualname__}"
