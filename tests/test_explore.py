"""Maps of structures and atoms, for chemiscope."""

import gzip
import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
from ase.build import molecule

from sklode import AtomisticRidgeCV, BlockScaler, DensityProjector
from sklode.plotting import explore

pytest.importorskip("chemiscope", reason='needs chemiscope: pip install "sklode[explore]"')

X = [molecule(name) for name in ("H2O", "CH4", "CO2", "NH3", "CH3OH", "C2H6", "HCN")]
FEATURES = DensityProjector(cutoff=3.0, n_max=2, l_max=1).fit(X)
ROWS = FEATURES.transform(X)
N_ATOMS = sum(map(len, X))
ERRORS = np.linspace(-0.1, 0.1, len(X))
NAMES_AND_NAN = pd.Series([*"abcdef", np.nan], dtype=object)
DAYS = np.full(len(X), "2020-01-01", dtype="M8[D]")


def written(path):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def test_a_map_of_structures(tmp_path):
    path = tmp_path / "molecules.json.gz"
    bars, names = np.abs(ERRORS) + 0.01, [atoms.get_chemical_formula() for atoms in X]
    properties = {"error": ERRORS, "error bar": bars, "formula": names}
    assert explore(X, FEATURES, properties=properties, color="error bar", path=path) == path
    data = written(path)
    assert [structure["size"] for structure in data["structures"]] == [len(atoms) for atoms in X]
    assert data["properties"]["error"]["values"] == pytest.approx(ERRORS)
    assert data["properties"]["formula"]["values"] == names
    assert data["settings"]["map"]["color"] == {"property": "error bar"}
    assert data["settings"]["map"]["x"] == {"property": "PCA[1]"}
    assert data["meta"]["name"] == "molecules"
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_coordinates_are_the_principal_components_of_scaled_columns(tmp_path):
    explore(X, FEATURES, path=tmp_path / "map.json")
    data = written(tmp_path / "map.json")
    assert "color" not in data["settings"]["map"]
    found = np.array([data["properties"][f"PCA[{i}]"]["values"] for i in (1, 2, 3)])
    scaled = BlockScaler(with_mean=True).fit_transform(ROWS)
    squares = np.linalg.eigvalsh(scaled @ scaled.T)[::-1][:3]  # variances, by another way
    np.testing.assert_allclose(found @ found.T, np.diag(squares), atol=1e-8 * squares[0])
    distances = np.linalg.norm(scaled[:, None] - scaled, axis=-1)
    assert (np.linalg.norm(found.T[:, None] - found.T, axis=-1) <= distances + 1e-9).all()


def test_rows_that_are_given_are_those_of_the_transformer(tmp_path):
    for name, features in (("a.json", FEATURES), ("b.json", ROWS)):
        explore(X, features, path=tmp_path / name)
    a, b = (written(tmp_path / name)["properties"] for name in ("a.json", "b.json"))
    assert a == b


def test_a_map_of_atoms_knows_both_kinds_of_properties(tmp_path):
    per_atom = np.concatenate([atoms.numbers for atoms in X]).astype(float)
    properties = {"number": per_atom, "error": ERRORS}
    explore(X, FEATURES, level="atom", properties=properties, path=tmp_path / "atoms.json")
    data = written(tmp_path / "atoms.json")
    assert len(data["environments"]) == N_ATOMS
    assert data["settings"]["target"] == "atom"
    targets = {name: entry["target"] for name, entry in data["properties"].items()}
    assert (targets["number"], targets["error"], targets["PCA[1]"]) == ("atom", "structure", "atom")
    assert data["properties"]["number"]["values"] == list(per_atom)


def test_a_page_holds_all_that_it_shows(tmp_path):
    properties = {"error": ERRORS, "</script>": ERRORS}  # a name that would end the script
    explore(X, FEATURES, properties=properties, path=tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert not re.search(r'<(?:script|link|img|iframe)[^>]* (?:src|href)="(?:https?:)?//', page)
    data = json.loads(
        re.search(r"fetchDataset = async \(\) => \((.*)\);\nload", page, re.S).group(1)
    )
    explore(X, FEATURES, properties=properties, path=tmp_path / "map.json")
    assert data == written(tmp_path / "map.json")
    assert page.count("</script>") == 3
    assert "function loadChemiscopeSphinx" in page


def test_the_widget_and_what_shows_it():
    with pytest.warns(UserWarning, match=r"Only notebooks show .* Give path='map\.html'") as seen:
        widget = explore(X, FEATURES, properties={"error": ERRORS})
    assert [warning.filename for warning in seen] == [__file__]
    assert type(widget).__name__ == "ChemiscopeWidget"
    assert json.loads(widget.value)["properties"]["error"]["values"] == pytest.approx(ERRORS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"features": ROWS[1:]},
            r"each structure, shape \(7, n_features\); got shape \(6",
        ),
        ({"features": ROWS, "level": "atom"}, rf"one row for each atom, shape \({N_ATOMS}, n_feat"),
        ({"X": X[:1], "features": ROWS[:1]}, "two structures and two columns"),
        ({"features": ROWS[:, :1]}, r"two columns at least; got \(7, 1\)"),
        ({"features": ROWS + np.nan}, "features must be finite; row 0 is not"),
        (
            {"features": AtomisticRidgeCV(FEATURES)},
            r"a model, AtomisticRidgeCV: .*`model.features_`",
        ),
        ({"features": BlockScaler(), "level": "atom"}, "BlockScaler has no transform_atoms"),
        (
            {"properties": {"error": ERRORS[1:]}},
            r"'error' must have one value .* \(7\); got",
        ),
        (
            {"properties": {"error": ERRORS[1:]}, "level": "atom"},
            rf"for each structure \(7\) or atom \({N_ATOMS}\); got shape \(6,\)",
        ),
        (
            {"properties": {"bar": np.where(ERRORS == 0, np.inf, 1)}},
            "'bar' is infinite at index 3; give NaN",
        ),
        ({"properties": {"PCA": ERRORS}}, "name 'PCA' is taken by the map"),
        (
            {"properties": {"who": [None] * 7}},
            r"'who' must be numbers or texts; got None at index 0",
        ),
        (
            {"properties": {"who": NAMES_AND_NAN}},
            r"not both; got 'a' at index 0 and nan at index 6",
        ),
        ({"properties": {"z": 1j * ERRORS}}, "'z' must be numbers or texts; .* type complex128"),
        ({"properties": {"day": DAYS}}, r"'day' must be numbers or texts; .* type datetime64"),
        ({"properties": {1: ERRORS}}, "must be texts, and not empty; got 1"),
        ({"properties": {"": ERRORS}}, "must be texts, and not empty; got ''"),
        ({"properties": ["error"]}, "a mapping of names to values, or a DataFrame; got list"),
        ({"path": ".html"}, r"path must end in .*, after a name; got '.*\.html'"),
        ({"path": "map.HTML"}, r"path must end in \.html, .*; got '.*map\.HTML'"),
        ({"color": "error"}, r"color must be .* one of \[\]; got 'error'"),
        ({"level": "atoms"}, "level must be 'structure' or 'atom'; got 'atoms'"),
        (
            {"path": "map.png"},
            r"path must end in \.html, \.json, \.json\.gz, after a name; got '.*map\.png'",
        ),
    ],
)
def test_what_is_wrong_is_named_and_no_file_is_left(tmp_path, options, message):
    given = {"X": X, "features": FEATURES, "path": "map.json"} | options
    given["path"] = tmp_path / given["path"]
    with pytest.raises(ValueError, match=message):
        explore(given.pop("X"), given.pop("features"), **given)
    assert not list(tmp_path.iterdir())


def test_columns_of_a_frame_are_properties(tmp_path):
    names = [atoms.get_chemical_formula() for atoms in X]
    frame = pd.DataFrame({"error": ERRORS, "formula": names}, index=range(5, 5 + len(X)))
    explore(X, FEATURES, properties=frame.astype(object), path=tmp_path / "map.json")
    shown = written(tmp_path / "map.json")["properties"]
    assert shown["error"]["values"] == pytest.approx(ERRORS)
    assert shown["formula"]["values"] == names


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"'.*map\.html': there is no folder '.*nowhere'"):
        explore(X, FEATURES, path=tmp_path / "nowhere" / "map.html")


@pytest.mark.filterwarnings("error")
def test_equal_structures_are_one_point(tmp_path):
    explore([X[0]] * 3, FEATURES, path=tmp_path / "map.v1.json")
    data = written(tmp_path / "map.v1.json")
    assert data["properties"]["PCA[1]"]["values"] == [0.0, 0.0, 0.0]
    assert data["meta"]["name"] == "map.v1"


def test_without_chemiscope(monkeypatch):
    monkeypatch.setitem(sys.modules, "chemiscope", None)
    with pytest.raises(ImportError, match=r'pip install "sklode\[explore\]"'):
        explore(X, FEATURES)
