"""The pages of the reference are those of the package, and say what its classes do."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GroupKFold

import sklode
from sklode import (
    calculator,
    datasets,
    gradients,
    model_selection,
    plotting,
    potentials,
    simulation,
    streaming,
)

DOCS = Path(__file__).resolve().parents[1] / "docs"
OFFLINE = """
import socket, sys
from sphinx.cmd.build import main

def refuse(*arguments):
    raise OSError("no network")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
sys.exit(main(sys.argv[1:]))
"""


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
    modules = gradients, potentials, datasets, plotting, simulation, model_selection, streaming
    for module in modules:
        assert sorted(listed.pop(module.__name__)) == sorted(module.__all__)
    assert not listed


def test_table_of_estimators(estimator_table):
    rows = {row["class"]: row for row in estimator_table.table()}
    public = [getattr(sklode, name) for name in sklode.__all__]
    assert len(rows) == sum(hasattr(member, "fit") for member in public)
    assert all(set(row) == set(estimator_table.COLUMNS) for row in rows.values())

    def row(name):
        return rows[f":class:`~sklode.{name}`"]

    for name in ("LongRangePotential", "MultipoleFeatures", "DensityProjector"):
        assert row(name)["periodicity"] == "isolated, 3-D, slabs, wires"
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
    for name in (cls.__name__ for cls in estimator_table.estimators()):
        for_users, for_parts = estimator_table.members(f"sklode.{name}")
        assert {*for_users, *for_parts} == set(estimator_table.own_members(f"sklode.{name}"))
        assert for_users[0] == "fit"
        assert not [member for member in for_parts if member.startswith(("transform", "predict"))]


def assert_the_penalty_is_that_of_groups(names):
    """The model inside the second search was given the groups."""
    found, near = names["grouped"].best_estimator_, names["near"]
    X, y, groups = names["X"][near], names["y"][near], names["dimers"].groups[near]
    assert found.alpha_ == clone(found).fit(X, y, groups=groups).alpha_
    assert found.alpha_ > clone(found).fit(X, y).alpha_


@pytest.mark.slow
def test_pieces_of_the_first_tour_are_one_program_that_runs(capsys):
    text = (DOCS / "get_started.rst").read_text()
    assert not re.search(r"\w::$", text, re.MULTILINE)  # all code says its language
    pieces = re.findall(r"code-block:: python\n\n((?:    .*\n|\n)+)", text)
    code = "\n".join(map(textwrap.dedent, pieces))
    names = {}
    exec(compile(code, "get_started.rst", "exec"), names)
    shown = re.findall(r"It prints ``(.*)``", text)
    assert capsys.readouterr().out.splitlines() == shown
    assert np.isfinite(names["forces"]).all()
    assert_the_penalty_is_that_of_groups(names)
    assert set(names["dipolar"]) < set(names["frame"])
    assert len(names["groups"]) == sum(map(len, names["dimers"].data))


@pytest.mark.slow
def test_the_searches_of_the_page_on_choosing_run(capsys):
    text = (DOCS / "choosing.rst").read_text()
    pieces = re.findall(r"code-block:: python\n\n((?:    .*\n|\n)+)", text)
    whole, nested = (
        textwrap.dedent(p) for p in pieces if "StructureSearchCV" in p or "nested" in p
    )
    names = {}
    exec(compile(whole + nested, "choosing.rst", "exec"), names)
    members = names["search"].members_
    local = members["featureunion__far"].eq("drop")
    assert local.sum() <= 1
    # the same as by hand, with groups on one side of every inner split
    dimers = names["dimers"]
    train, test = next(GroupKFold(4).split(dimers.target, groups=dimers.groups))
    X = [[dimers.data[i] for i in part] for part in (train, test)]
    search = clone(names["search"]).fit(X[0], dimers.target[train], groups=dimers.groups[train])
    error = search.predict(X[1]) - dimers.target[test]
    assert names["nested"]["test_score"][0] == pytest.approx(-np.sqrt(np.mean(error**2)), rel=1e-6)


@pytest.mark.slow
def test_pages_are_built_and_read_without_a_network(tmp_path):
    pytest.importorskip("sphinx_gallery")
    command = [sys.executable, "-c", OFFLINE, "-W", "-q", "-b", "html", str(DOCS), str(tmp_path)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-2000:]
    pages = {path: path.read_text() for path in tmp_path.rglob("*.html")}
    assert len(pages) > 40
    for path, text in pages.items():
        elsewhere = r'<(?:script|link|img|iframe)[^>]* (?:src|href)="(?:https?:)?//[^"]*'
        assert not re.findall(elsewhere, text), path
        for source in re.findall(r'<script[^>]* src="([^"?]*)', text):
            assert (path.parent / source).exists(), (path, source)
    assert "mathjax/tex-chtml.js" in pages[tmp_path / "theory.html"]
    assert list(tmp_path.glob("_static/mathjax/output/chtml/fonts/*/*.woff"))
    notebooks = {path.stem for path in tmp_path.glob("_downloads/*/*.ipynb")}
    assert notebooks == {path.stem for path in DOCS.glob("gallery/*/*.py")}
    index = pages[tmp_path / "generated" / "gallery" / "index.html"]
    assert all(f"sphx_glr_{name}_thumb.png" in index for name in notebooks)
