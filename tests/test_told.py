"""What tells values apart: code and whatever else changes rows, in all processes alike."""

import operator
import os
import pickle
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest
from sklearn.model_selection import KFold
from sklearn.preprocessing import FunctionTransformer

import sklode
from sklode import AtomisticRidgeCV, Composition
from sklode.execution.told import told
from sklode.streaming.fingerprint import digest


def defined(text, **known):
    """What ``made`` is in a module of this text."""
    known |= {"__name__": "own", "np": np}
    exec(text, known)
    return known["made"]


class Scale:
    """Multiplies by a number."""

    def __init__(self, by):
        self.by = by

    def __call__(self, X):
        return X * self.by


MODULES = {
    "a constant": "made = lambda X: X * {}",
    "a constant inside": "def made(X):\n    return [x * {} for x in X]",
    "a closure": "def make(c):\n    return lambda X: X * c\nmade = make({})",
    "a default": "def make(c):\n    def made(X, by=c):\n        return X * by\n    return made\n"
    "made = make({})",
    "a default of a keyword": "def make(c):\n    def made(X, *, by=c):\n        return X * by\n"
    "    return made\nmade = make({})",
    "a constant of the module": "BY = {}\ndef made(X):\n    return X * BY",
    "a table of the module": "BY = dict(H=[1, {}])\ndef made(X):\n    return X * BY['H'][1]",
    "a function of the module": "def help(X):\n    return X * {}\ndef made(X):\n    return help(X)",
    "a function that calls itself": "def help(X):\n    return help(X * {})\n"
    "def made(X):\n    return help(X)",
    "a function behind another": "def last(X):\n    return X * {}\n"
    "def help(X):\n    return last(X)\ndef made(X):\n    return help(X)",
    "a function with a cache": "from functools import lru_cache\n@lru_cache\ndef help(X):\n"
    "    return X * {}\ndef made(X):\n    return help(X)",
    "an attribute of a function": "def made(X):\n    return X * made.by\nmade.by = {}",
    "a decorator": "from functools import wraps\ndef times(c):\n    def around(f):\n"
    "        @wraps(f)\n        def changed(X):\n            return c * f(X)\n"
    "        return changed\n    return around\n@times({})\ndef made(X):\n    return X",
    "the code of a class": "class made:\n    def f(self, X):\n        return X * {}",
    "a constant of a class": "class made:\n    BY = {}\n    def f(self):\n        return self.BY",
    "a default in a class": "class made:\n    def f(self, X, *, by={}):\n        return X * by",
    "a class inside": "class made:\n    class inside:\n        BY = {}",
    "a part of a function in a class": "from functools import partialmethod\nclass made:\n"
    "    def times(self, by, X):\n        return X * by\n    twice = partialmethod(times, {})",
    "a base": "class Base:\n    BY = {}\nclass made(Base):\n    pass",
    "a class of the module": "class Other:\n    BY = {}\ndef made(X):\n    return X * Other.BY",
}


@pytest.mark.parametrize("text", MODULES.values(), ids=MODULES)
def test_edited_code_is_told(text):
    of_two, again, of_three = (digest(defined(text.format(n))) for n in (2.0, 2.0, 3.0))
    assert of_two == again
    assert of_two != of_three


def test_bound_methods_are_told_by_their_objects():
    assert digest(Scale(2).__call__) == digest(Scale(2.0).__call__)
    assert digest(Scale(2).__call__) != digest(Scale(3).__call__)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (partial(np.power, 2), partial(np.power, 3)),
        (np.log, np.exp),
        (np.sum, np.mean),
        (operator.itemgetter(1), operator.itemgetter(2)),
        (np.random.default_rng(0), np.random.default_rng(1)),
        (np.random.RandomState(0), np.random.RandomState(1)),
        (slice(1), slice(2)),
        ({1, 2}, {1, 3}),
        (2**53, 2**53 + 1),
        (True, 1),
        ("1", 1),
        (None, "None"),
        ({}, []),
        (Scale(2), Scale(3)),
        (KFold(3, shuffle=True, random_state=0), KFold(3, shuffle=True, random_state=1)),
        (Composition, sklode.DensityProjector),
        (np.array([1.0, 2.0]), np.array([1.0, 3.0])),
        (np.array([1, None]), np.array([2, None])),
    ],
)
def test_other_values(first, second):
    assert digest(first) != digest(second)


@pytest.mark.parametrize(
    "values",
    [
        [3, 3.0, np.int64(3), np.float32(3)],
        ["a", np.str_("a")],
        [{"a": 1, "b": 2}, {"b": 2, "a": 1}],
        [Composition(), sklode.Composition()],
        [FunctionTransformer(Scale(2)), FunctionTransformer(Scale(2))],
    ],
)
def test_values_that_mean_the_same(values):
    assert len({digest(value) for value in values}) == 1


def test_what_is_learnt_under_any_name(molecules):
    model = AtomisticRidgeCV(Composition(), alphas=1.0).fit(molecules, np.arange(8.0))
    before = digest(model)
    model._baseline_energies = model._baseline_energies + 1.0
    assert digest(model) != before


def test_what_holds_itself():
    ring = [1]
    ring.append(ring)
    other = [2]
    other.append(other)
    assert digest(ring) != digest(other)


def test_use_changes_nothing():
    made = defined(MODULES["a constant of a class"].format(2.0))
    value = made()
    before = told(value)
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(value)  # which notes something in the class
    assert told(value) == before


def test_what_cannot_be_told_is_refused():
    with pytest.raises(TypeError, match=r"whether two FunctionTransformer are the same.*pickle"):
        digest(FunctionTransformer(kw_args={"lock": threading.Lock()}))


PROGRAM = """
import numpy as np
from functools import partial
from sklearn.preprocessing import FunctionTransformer
from ase.build import molecule
from sklode import DensityProjector
from sklode.streaming.fingerprint import digest
names = {"H", "C", "O", "N"}
class Own(DensityProjector):
    allowed = {"H", "C", "O", "N"}
    def compute_rows(self, structures, per_atom, n_threads):
        return super().compute_rows(structures, per_atom, n_threads) * len(names | {"a", "b", "c"})
last = FunctionTransformer(partial(np.multiply, 2.0), kw_args={"where": {"a", "b", "c"}})
print(digest([Own().fit([molecule("H2O")]), last]))
"""


def test_all_processes_agree():
    found = set()
    for seed in ("1", "2"):
        run = [sys.executable, "-c", PROGRAM]
        env = os.environ | {"PYTHONHASHSEED": seed}
        found.add(subprocess.run(run, env=env, capture_output=True, check=True).stdout)
    assert len(found) == 1
