"""The pages of the reference are those of the package, and say what its classes do."""

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

import sklode
from sklode import calculator, datasets, gradients, plotting, potentials

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture
def estimator_table(monkeypatch):
    """The module that makes the table, which needs what the documentation is built with."""
    pytest.importorskip("sphinx")
    pytest.importorskip("numpydoc")
    monkeypatch.syspath_prepend(DOCS)
    import estimator_table

    return estimator_table


def test_every_public_name_has_a_page():
    text = (DOCS / "reference.rst").read_text()
    parts = re.split(r"^\.\. currentmodule:: (\S+)$", text, flags=re.MULTILINE)[1:]
    listed = {}
    for module, part in zip(parts[::2], parts[1::2], strict=True):
        blocks = re.findall(r":toctree: generated/reference\n\n((?:   \w+\n)+)", part)
        listed.setdefault(module, []).extend(" ".join(blocks).split())
    assert sorted(listed.pop("sklode")) == sorted(sklode.__all__)
    assert listed.pop("sklode.calculator") == ["SklodeCalculator"]
    assert calculator.SklodeCalculator
    assert listed.pop("sklode.plotting") == ["BindingCurveDisplay"]
    assert plotting.BindingCurveDisplay
    for module in (gradients, potentials, datasets):
        assert sorted(listed.pop(module.__name__)) == sorted(module.__all__)
    assert not listed


def test_table_of_estimators(estimator_table):
    rows = {row["class"]: row for row in estimator_table.table()}
    assert len(rows) == len(sklode.__all__)
    assert all(set(row) == set(estimator_table.COLUMNS) for row in rows.values())

    def row(name):
        return rows[f":class:`~sklode.{name}`"]

    assert row("LongRangePotential")["periodicity"] == "isolated, 3-D"
    assert row("DensityProjector")["periodicity"] == "isolated, 3-D, slabs, wires"
    assert row("PowerSpectrum")["periodicity"] == row("PowerSpectrum")["dtype"]  # as inside
    assert row("BlockScaler")["gradients"] == "none of its own"
    assert row("BlockScaler")["what goes in"] == "matrix"
    assert row("AtomisticRidgeCV")["gradients"] == "forces, stress"
    assert row("DensityProjector")["gradients"] == "positions, strain, reverse pass"
    assert row("DensityProjector")["dtype"] == "float64, float32"
    assert row("Composition")["dtype"] == "float64"


def test_pages_of_classes_have_the_members_of_their_bases_but_not_those_of_others(estimator_table):
    members = estimator_table.own_members("sklode.MultipoleFeatures")
    assert {"fit", "transform_atoms", "backpropagate", "feature_table_", "field"} <= set(members)
    assert not {"set_output", "get_params", "fit_transform"} & set(members)
    assert estimator_table.own_members("sklode.AtomisticRidgeCV")[-1] == "calculator"


def test_what_users_call_comes_first(estimator_table):
    for name in sklode.__all__:
        for_users, for_parts = estimator_table.members(f"sklode.{name}")
        assert {*for_users, *for_parts} == set(estimator_table.own_members(f"sklode.{name}"))
        assert for_users[0] == "fit"
        assert not [member for member in for_parts if member.startswith(("transform", "predict"))]


@pytest.mark.slow
def test_pieces_of_the_first_tour_are_one_program_that_runs(capsys):
    text = (DOCS / "get_started.rst").read_text()
    assert not re.search(r"\w::$", text, re.MULTILINE)  # all code says its language
    pieces = re.findall(r"code-block:: python\n\n((?:    .*\n|\n)+)", text)
    code = "\n".join(map(textwrap.dedent, pieces))
    names = {}
    exec(compile(code, "get_started.rst", "exec"), names)
    shown = re.search(r"It prints ``(.*)``", text).group(1)
    assert capsys.readouterr().out == f"{shown}\n"
    assert np.isfinite(names["forces"]).all()
    assert set(names["dipolar"]) < set(names["frame"])
    assert len(names["groups"]) == sum(map(len, names["dimers"].data))
