"""Maps of structures and atoms, for chemiscope."""

import gzip
import json
import re
import sys

import numpy as np
import pytest
from ase.build import molecule

from sklode import BlockScaler, DensityProjector
from sklode.plotting import explore

pytest.importorskip("chemiscope", reason='needs chemiscope: pip install "sklode[explore]"')

X = [molecule(name) for name in ("H2O", "CH4", "CO2", "NH3", "CH3OH", "C2H6", "HCN")]
FEATURES = DensityProjector(cutoff=3.0, n_max=2, l_max=1).fit(X)
ROWS = FEATURES.transform(X)
N_ATOMS = sum(map(len, X))
ERRORS = np.linspace(-0.1, 0.1, len(X))


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


@pytest.mark.filterwarnings("ignore:chemiscope.show only:UserWarning")
def test_the_widget():
    widget = explore(X, FEATURES, properties={"error": ERRORS})
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
        ({"color": "error"}, r"color must be .* one of \[\]; got 'error'"),
        ({"level": "atoms"}, "level must be 'structure' or 'atom'; got 'atoms'"),
        ({"path": "map.png"}, r"path must end in \.html, \.json, \.json\.gz; got '.*map\.png'"),
    ],
)
def test_what_is_wrong_is_named_and_no_file_is_left(tmp_path, options, message):
    given = {"X": X, "features": FEATURES, "path": "map.json"} | options
    given["path"] = tmp_path / given["path"]
    with pytest.raises(ValueError, match=message):
        explore(given.pop("X"), given.pop("features"), **given)
    assert not list(tmp_path.iterdir())


def test_without_chemiscope(monkeypatch):
    monkeypatch.setitem(sys.modules, "chemiscope", None)
    with pytest.raises(ImportError, match=r'pip install "sklode\[explore\]"'):
        explore(X, FEATURES)
