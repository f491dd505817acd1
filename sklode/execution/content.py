"""Digests of all that rows depend on: the content of a structure, and how it is described."""

import copyreg
import hashlib
from functools import lru_cache
from inspect import isfunction, unwrap
from numbers import Real
from operator import methodcaller
from pathlib import Path
from pickle import PicklingError
from types import CodeType

import numpy as np

_WITHOUT_EFFECT = "n_jobs", "memory"  # parameters
_OF_VERSIONS = "sklode", "sklearn", "builtins"  # packages whose classes change with their versions

_CONSTANTS = Real, str, tuple, list, dict, set, frozenset, np.ndarray  # as members of classes


def content_digest(structure):
    """Digest of numbers, positions, cell, periodicity and the charges that are used, 16 bytes."""
    digest = hashlib.blake2b(repr([len(structure), *structure.charges]).encode(), digest_size=16)
    digest.update(structure.numbers.astype(np.int64).tobytes())
    for values in (structure.positions, structure.cell, *structure.charges.values()):
        digest.update(values.tobytes())
    digest.update(structure.periodic.tobytes())
    return digest.digest()


def settings_digest(transformer, per_atom):
    """Digest of parameters, of what was learnt in fit and of the code, 32 hexadecimal digits."""
    from .. import __version__  # here, as the package imports this module

    try:
        settings = __version__, _source(), per_atom, _told(transformer)
    except (TypeError, ValueError, RecursionError, PicklingError) as error:
        raise TypeError(
            f"memory cannot tell whether two {type(transformer).__name__} are the same: {error}. "
            "Pass memory=None, or laws that pickle can store, such as data classes of numbers."
        ) from error
    return hashlib.blake2b(repr(settings).encode(), digest_size=16).hexdigest()


@lru_cache
def _source():
    """Digest of this package: in a checkout, the code changes more often than its version."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _told(value):
    """Nested lists of text and numbers by which values differ, equal in all processes."""
    if value is None or isinstance(value, (str, bytes)):
        return value
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, Real):
        return float(value)  # 3, 3.0 and those of numpy mean the same
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return [value.dtype.str, value.shape, hashlib.blake2b(value.tobytes()).hexdigest()]
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_told(member) for member in value]
    if isinstance(value, dict):
        return sorted([repr(_told(key)), _told(member)] for key, member in value.items())
    if isinstance(value, type):
        return _told_class(value)
    if isfunction(value):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return [_told_code(value.__code__), _told(value.__defaults__), _told(cells)]
    if hasattr(value, "get_params"):
        return [_told_class(type(value)), _told(_state(value))]
    if isinstance(value, (set, frozenset)):
        return sorted(repr(_told(member)) for member in value)
    # what pickle would store; a text names something that can be imported
    reduced = copyreg.dispatch_table.get(type(value), methodcaller("__reduce_ex__", 2))
    return _told(reduced(value))


def _state(estimator):
    """Parameters that have an effect, with what their names stand for, and what fit has learnt."""
    parameters = estimator.get_params(deep=False)
    learnt = {name: value for name, value in vars(estimator).items() if name.endswith("_")}
    state = {k: v for k, v in (parameters | learnt).items() if k not in _WITHOUT_EFFECT}
    return state | {"registered": getattr(estimator, "registered", list)()}


def _told_class(cls):
    """Name of a class, and what no version tells of: code and constants of it and its bases."""
    own = [base for base in cls.__mro__ if base.__module__.split(".")[0] not in _OF_VERSIONS]
    members = [(name, _told_member(name, m)) for base in own for name, m in vars(base).items()]
    return [cls.__module__, cls.__qualname__, sorted(m for m in members if m[1] is not None)]


def _told_member(name, member):
    for inner in ("__func__", "fget", "func"):  # static and class methods, (cached) properties
        member = getattr(member, inner, member)
    member = unwrap(member)
    if isfunction(member):  # without its closure, which may hold the class
        return repr([_told_code(member.__code__), _told(member.__defaults__)])
    constant = isinstance(member, _CONSTANTS) and name[:2] != "__"
    return repr(_told(member)) if constant else None


def _told_code(code):
    told = [_told_code(c) if isinstance(c, CodeType) else _told(c) for c in code.co_consts]
    return [code.co_code, code.co_names, told]
