"""The directive ``estimator-table``, and the members of a class: both read from the classes.

What a class can do is tried on two small molecules, so that the table cannot lag behind the code.
"""

import importlib
import inspect
import re

import numpy as np
from ase import Atoms
from numpydoc.docscrape import FunctionDoc
from sphinx.util.docutils import SphinxDirective

import sklode
from sklode import DensityProjector

COLUMNS = {  # and their shares of the width
    "class": 22,
    "what goes in": 17,
    "what comes out": 17,
    "gradients": 16,
    "periodicity": 15,
    "dtype": 13,
}
GRADIENTS = {  # a method, and what it gives
    "transform_gradients": "positions",
    "transform_strain_gradients": "strain",
    "backpropagate": "reverse pass",
    "predict_forces": "forces",
    "predict_stress": "stress",
}
PERIODICITY = {
    "isolated": (False, False, False),
    "3-D": (True, True, True),
    "slabs": (True, True, False),
    "wires": (True, False, False),
}
AS_INSIDE = "as the one inside"


def estimators():
    """All public estimators."""
    public = (getattr(sklode, name) for name in sklode.__all__)
    return [member for member in public if hasattr(member, "fit")]


def own_members(full_name):
    """Public methods and properties that this package defines for a class.

    Those that users call first come first, then inherited ones.
    """
    module, name = full_name.rsplit(".", 1)
    found = {}
    for base in reversed(getattr(importlib.import_module(module), name).__mro__):
        if base.__module__.partition(".")[0] != "sklode":
            continue
        for member, value in vars(base).items():
            routing = re.fullmatch(r"set_\w+_request", member)  # made by scikit-learn
            behaves = inspect.isroutine(value) or hasattr(value, "__get__")
            if behaves and not member.startswith("_") and not routing:
                found[member] = None
    first = "fit", "transform", "transform_atoms"
    return sorted(found, key=lambda member: member not in first)


def members(full_name):
    """The same in two lists: what users call, and what other parts of the package do.

    What is meant for users says what it takes or gives, in sections, or is an attribute after fit.
    ``fit`` comes first, wherever it is defined.
    """
    module, name = full_name.rsplit(".", 1)
    cls = getattr(importlib.import_module(module), name)
    lists = {True: [], False: []}
    for member in sorted(own_members(full_name), key=lambda name: name != "fit"):
        text = inspect.getdoc(getattr(cls, member, None)) or ""
        lists[member.endswith("_") or "\n---" in text].append(member)
    return lists[True], lists[False]


def table():
    """One dict for each estimator: what its docstrings, its parameters and a trial tell."""
    return [_row(cls) for cls in estimators()]


def _row(cls):
    taken = [p for p in FunctionDoc(cls.fit)["Parameters"] if p.type != "ignored"]
    reads_structures = "ase.Atoms" in taken[0].type
    predicts = hasattr(cls, "predict")
    if predicts:
        comes_out = "energies"
    elif reads_structures:
        comes_out = "a row per structure" + ", or per atom" * hasattr(cls, "transform_atoms")
    else:
        comes_out = "matrix"
    targets = [p.name for p in taken if p.name in ("forces", "stresses")]
    goes_in = ["structures" if reads_structures else "matrix", *predicts * ["energies"], *targets]
    return {
        "class": f":class:`~sklode.{cls.__name__}`",
        "what goes in": ", ".join(goes_in),
        "what comes out": comes_out,
        "gradients": ", ".join(g for m, g in GRADIENTS.items() if hasattr(cls, m))
        or "none of its own",
        "periodicity": _periodicity(cls) if reads_structures else "no structures",
        "dtype": _dtype(cls),
    }


def _periodicity(cls):
    if _needed(cls):
        return AS_INSIDE
    return ", ".join(way for way, pbc in PERIODICITY.items() if _accepts(cls, pbc))


def _dtype(cls):
    constraints = cls._parameter_constraints
    if "dtype" in constraints:
        return ", ".join(sorted(constraints["dtype"][0].options, reverse=True))
    if _needed(cls):
        single = _result(cls, PERIODICITY["isolated"], dtype="float32").dtype
        return AS_INSIDE if single == np.float32 else str(single)
    kept = cls().__sklearn_tags__().transformer_tags.preserves_dtype
    if kept:
        return ", ".join(kept) + ", as what goes in"
    return str(_result(cls, PERIODICITY["isolated"]).dtype)


def _needed(cls):
    """Parameters without a default: the transformers that an estimator is built around."""
    parameters = inspect.signature(cls).parameters.values()
    return [p.name for p in parameters if p.default is p.empty]


def _accepts(cls, pbc):
    try:
        _result(cls, pbc)
    except ValueError:
        return False
    return True


def _result(cls, pbc, **inside):
    """What two molecules of this periodicity become."""
    structures = [Atoms("CO", [[0, 0, 0], [0, 0, d]], cell=[6] * 3, pbc=pbc) for d in (1.1, 1.2)]
    for atoms in structures:
        atoms.set_array("fragment", np.array([0, 1]))
    estimator = cls(*(DensityProjector(3.0, 2, 1, **inside) for _ in _needed(cls)))
    estimator.fit(structures, np.array([0.0, 1.0]))
    return getattr(estimator, "predict" if hasattr(cls, "predict") else "transform")(structures)


class EstimatorTable(SphinxDirective):
    """``.. estimator-table::``, all public estimators and what they do."""

    def run(self):
        """Lines of a list-table, read as if they stood on the page."""
        lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {_text(COLUMNS.values())}"]
        lines += ["   :class: estimators", ""]
        for cells in (dict(zip(COLUMNS, COLUMNS, strict=True)), *table()):
            lines += ["   * - " + cells["class"], *(f"     - {cells[c]}" for c in [*COLUMNS][1:])]
        return self.parse_text_to_nodes("\n".join(lines))


def _text(numbers):
    return " ".join(map(str, numbers))


def setup(app):
    """Called by Sphinx."""
    app.add_directive("estimator-table", EstimatorTable)
    return {"parallel_read_safe": True}
