"""What tells values apart, code included, as nested lists that are equal in all processes."""

import copyreg
import sys
from functools import lru_cache, partial, partialmethod
from hashlib import blake2b
from inspect import isfunction
from numbers import Integral, Real
from operator import itemgetter, methodcaller
from pickle import PicklingError
from types import CodeType, ModuleType

import numpy as np

HOW = {"n_jobs", "verbose", "memory"}  # parameters: how something is computed, not what
# packages whose code changes with their versions
_OF_VERSIONS = {"sklode", "sklearn", "numpy", "scipy", "pandas", "ase", "joblib", "builtins"}
_WITH_VERSIONS = _OF_VERSIONS | sys.stdlib_module_names

_CACHED = type(lru_cache(len))
_CONTAINERS = list, tuple, dict, set, frozenset
_CONSTANTS = Real, str, bytes, np.ndarray, *_CONTAINERS  # as members of classes


def told(value: object) -> list:
    """Nested lists of text and numbers by which values differ, equal in all processes.

    Estimators are told by parameters that have an effect and by what they have learnt, other
    objects by what pickle would store. Functions and classes are told by code, defaults, closures
    and constants, and by the plain constants, functions and classes of their modules that they
    name; those of packages with versions by their names.

    Parameters
    ----------
    value : object

    Returns
    -------
    list

    Raises
    ------
    TypeError
        If something cannot be told, such as an open file.
    """
    teller = _Teller()
    try:
        return [teller.tell(value), teller.tell_named()]
    except (TypeError, ValueError, AttributeError, RecursionError, PicklingError) as error:
        raise TypeError(str(error)) from error


class _Teller:
    def __init__(self):
        self._open = []  # identities of what is being told
        self._named, self._waiting = {}, {}  # what code refers to, by its name

    def tell(self, value):
        if value is None or isinstance(value, bytes):
            return value
        if isinstance(value, str):
            return str(value)
        if isinstance(value, (bool, np.bool_)):
            return bool(value)
        if isinstance(value, Real):
            return _number(value)
        if id(value) in self._open:  # it holds itself
            return ["again", len(self._open) - self._open.index(id(value))]
        self._open.append(id(value))
        try:
            return self._content(value)
        finally:
            self._open.pop()

    def tell_named(self):
        """Functions and classes that what was told refers to by their names."""
        while self._waiting:
            name, value = self._waiting.popitem()
            self._named[name] = None  # it may name itself
            self._named[name] = self.tell(value)
        return sorted(self._named.items())

    def _content(self, value):
        if isinstance(value, np.ndarray):
            if value.dtype.hasobject:
                return [value.shape, self.tell(value.tolist())]
            return [repr(value.dtype), value.shape, blake2b(value.tobytes()).hexdigest()]
        if isinstance(value, (list, tuple)):
            return [self.tell(member) for member in value]
        if isinstance(value, dict):
            pairs = [(repr(self.tell(key)), self.tell(item)) for key, item in value.items()]
            return ["dict", sorted(pairs, key=itemgetter(0))]
        if isinstance(value, (set, frozenset)):
            return ["set", sorted(repr(self.tell(member)) for member in value)]
        if isinstance(value, type):
            return self._class(value)
        if (function := _function_in(value)) is not None:
            return self._function(function)
        if hasattr(value, "get_params"):
            return [self._class(type(value)), self.tell(_state(value))]
        return self._pickled(value)

    def _pickled(self, value):
        """What pickle would store; a text names something that can be imported."""
        reduced = copyreg.dispatch_table.get(type(value), methodcaller("__reduce_ex__", 2))(value)
        if isinstance(reduced, str):
            return [getattr(value, "__module__", None), reduced]
        items = [None if part is None else list(part) for part in reduced[3:5]]
        return self.tell([*reduced[:3], *items])

    def _class(self, cls):
        """Name of a class, and what no version tells of: code and constants of it and its bases."""
        own = [base for base in cls.__mro__ if not _has_version(base.__module__)]
        pairs = [(name, member) for base in own for name, member in sorted(vars(base).items())]
        members = [(name, self._member(name, member)) for name, member in pairs]
        return [cls.__module__, cls.__qualname__, [m for m in members if m[1] is not None]]

    def _member(self, name, member):
        partly = isinstance(member, (partial, partialmethod))
        for inner in ("__func__", "fget", "func"):  # static and class methods, properties
            member = member if partly else getattr(member, inner, member)
        constant = isinstance(member, _CONSTANTS) and name[:2] != "__"
        code = partly or isinstance(member, type) or _function_in(member) is not None
        return self.tell(member) if constant or code else None

    def _function(self, function):
        code, module = function.__code__, function.__globals__.get("__name__") or ""
        cells = [_content_of(cell) for cell in function.__closure__ or ()]
        around = self.tell([function.__defaults__, function.__kwdefaults__, cells])
        if _has_version(module):  # such as decorators, around a function in the closure
            return [module, code.co_name, around]
        given = {key: item for key, item in vars(function).items() if key != "__wrapped__"}
        names = sorted(set(_names(code)) & function.__globals__.keys())
        used = [[name, self._global(module, name, function.__globals__[name])] for name in names]
        return [self._code(code), around, self.tell(given), used]

    def _code(self, code):
        constants = [
            self._code(c) if isinstance(c, CodeType) else self.tell(c) for c in code.co_consts
        ]
        return [code.co_code, code.co_names, constants]

    def _global(self, module, name, value):
        """What a name of a module stands for: a plain constant, or the name of something else."""
        if isinstance(value, ModuleType):
            return value.__name__
        if isinstance(value, type) or _function_in(value) is not None:
            own = not _is_installed(value.__module__ or "")
            if own and f"{module}.{name}" not in self._named:
                self._waiting[f"{module}.{name}"] = value
            return [value.__module__, value.__qualname__]
        return self.tell(value) if _is_plain(value) else getattr(value, "__name__", None)


def _number(value):
    """A number, of whatever type: 3, 3.0 and those of numpy mean the same."""
    whole = isinstance(value, Integral) or float(value).is_integer()
    return int(value) if whole else float(value)


def _state(estimator):
    """Parameters that have an effect, with what their names stand for, and what fit has learnt."""
    state = estimator.get_params(deep=False) | getattr(estimator, "__dict__", {})
    state = {k: v for k, v in state.items() if k not in HOW and not k.startswith("_sklearn")}
    return state | {"registered": getattr(estimator, "registered", list)()}


def _function_in(value):
    """The Python function that this is or, as those of caches and numba, has inside, or None."""
    inside = value.__wrapped__ if isinstance(value, _CACHED) else getattr(value, "py_func", value)
    return inside if isfunction(inside) else None


def _content_of(cell):
    try:
        return cell.cell_contents
    except ValueError:  # nothing yet
        return "nothing"


def _names(code):
    """Names that code, and code inside of it, looks up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_plain(value):
    if isinstance(value, dict):
        return _is_plain([*value, *value.values()])
    if isinstance(value, _CONTAINERS):
        return all(map(_is_plain, value))
    if isinstance(value, np.ndarray):
        return not value.dtype.hasobject
    return value is None or isinstance(value, _CONSTANTS)


def _has_version(module):
    return module.partition(".")[0] in _WITH_VERSIONS


def _is_installed(module):
    """Whether a module is not the user's own."""
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return _has_version(module) or "site-packages" in file or "dist-packages" in file
