"""The pages of the gallery say what their stored numbers show."""

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
FOLDER = DOCS / "gallery"
EXAMPLES = sorted(path for path in FOLDER.glob("*/*.py"))
FROZEN = sorted((FOLDER / "frozen").glob("*.json"))


def stored(name):
    return json.loads((FOLDER / "frozen" / f"{name}.json").read_text())


def test_every_long_example_has_stored_numbers_and_no_other():
    long = {path.stem for path in EXAMPLES if path.parent.name != "first"}
    assert long == {path.stem for path in FROZEN}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_says_what_why_and_where_its_data_are(path):
    text = path.read_text()
    head = ast.get_docstring(ast.parse(text))
    assert re.match(r"(.+)\n(=+)\n\n\*What\.\*", head)
    title, underline = head.splitlines()[:2]
    assert len(title) == len(underline)
    assert "\n*Why.*" in head
    assert "\n**In short:**" in head
    needs_data = "data_home" in text
    assert ("\n*Data.*" in head) == needs_data
    assert needs_data or "Nothing has to be downloaded" in re.sub("nothing", "Nothing", head)
    if needs_data and "fetch_charge_dimers" not in head:
        assert "no function that fetches them yet" in head
    assert text.index("# What it teaches\n") < text.index("# The fine print\n")  # at the end


def test_stored_numbers_are_short():
    assert all(path.stat().st_size < 60_000 for path in FROZEN)


@pytest.fixture
def example(monkeypatch):
    """Import the example of this name: it reports and draws its stored numbers."""

    def import_example(name):
        plt = pytest.importorskip("matplotlib.pyplot")
        plt.close("all")  # of other tests
        plt.switch_backend("Agg")
        for folder in ("real", "models", "first", "."):
            monkeypatch.syspath_prepend(FOLDER / folder)
        sys.modules.pop(name, None)
        module = importlib.import_module(name)
        assert plt.get_fignums()
        plt.close("all")
        return module

    return import_example


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.stem)
def test_stored_numbers_are_reported_and_drawn(example, path, capsys):
    example(path.stem)
    assert "RMSE" in capsys.readouterr().out


def test_first_model(example, capsys):
    example("first_model")
    found = capsys.readouterr().out
    for line in ("predict zero       0.149 eV", "local              0.097 eV", "0.018 eV"):
        assert line in found


def test_map_of_errors(example, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert example("map_of_errors").path.name == "map_of_errors.html"
    found = capsys.readouterr().out
    for line in ("pairs  0.176", "shortest bars 0.040", "longest  bars 0.265", "bar   1.17"):
        assert line in found
    assert (tmp_path / "map_of_errors.html").stat().st_size > 3e6


def test_decay(example):
    for p, slopes in example("decay").slopes.items():
        for degree, slope in slopes.items():
            assert slope == pytest.approx(-(p + degree), abs=0.05)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a line of a Unix shell")
def test_the_command_that_runs_an_example_in_a_checkout():
    pytest.importorskip("matplotlib")
    header = (FOLDER / "GALLERY_HEADER.rst").read_text(encoding="utf-8")
    (variable, program) = re.search(r"``PYTHONPATH=(\S+) python (\S+)``", header).groups()
    places = [str(DOCS.parent), str(DOCS.parent / variable)]  # the package need not be installed
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places), "MPLBACKEND": "agg"}
    options = {"cwd": DOCS.parent, "env": environment, "capture_output": True, "text": True}
    run = subprocess.run([sys.executable, program], **options)
    assert run.returncode == 0, run.stderr
    assert "RMSE outside" in run.stdout


def test_missing_files_say_what_to_get(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(FOLDER)
    gallery = importlib.import_module("gallery")
    with pytest.raises(FileNotFoundError, match=r"Get the data from .*S66by8\.py"):
        gallery.find("s66x8.xyz", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"refdata[\s\S]*data_home"):
        gallery.find("ssi.xyz", tmp_path)


def test_numbers_that_are_stored_keep_their_digits(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    rounded = importlib.import_module("gallery").rounded
    numbers = {"a": np.array([1 / 3, 2e-9]), 6: (np.int64(3), "text", np.float64(1e6))}
    assert rounded(numbers) == {"a": [0.333333, 2e-9], "6": [3, "text", 1e6]}


def test_toy_gas():
    for result in stored("toy_gas").values():
        matching = np.eye(4, dtype=bool)
        exact = np.array(result["multipoles"])
        assert exact[matching].max() < 1e-8
        assert 15.5 < exact[~matching].min() < 22.5
        assert exact[~matching].max() < 73.5
        for i, row in enumerate(exact):  # the farther the exponents, the larger the error
            assert (np.diff(row[i:]) > 0).all()
            assert (np.diff(row[i::-1]) > 0).all()
        smeared = np.array(result["potential"])
        assert 0.01 < smeared[matching].min() < smeared[matching].max() < 0.45
        assert (smeared.argmin(axis=1) == np.arange(4)).all()
        for errors in result["local"].values():
            assert errors[0] > 5 * errors[3]  # the steepest interaction is the most local one
        assert result["local"]["local, 6 angstrom"][3] < 1
        assert result["sizes"][0] == 6
        assert result["curves"]["multipoles, p = 1"][0] < 1e-6
        assert result["curves"]["multipoles, p = 6"][-1] > 20
    plateaus = [
        [round(stored("toy_gas")[n]["local"][f"local, {cutoff} angstrom"][0]) for cutoff in (4, 6)]
        for n in ("8", "64")
    ]
    assert plateaus == [[42, 15], [68, 43]]


def test_binding_curves():
    numbers = stored("binding_curves")
    powers = [1, 2, 3, 3, 4, 6]
    for (name, sites), power in zip(numbers["sites"].items(), powers, strict=True):
        beads = numbers["beads"][name]
        assert sites["local"] == pytest.approx(100, abs=1)
        assert beads["local"] == pytest.approx(100, abs=1)
        for table, law in ((sites, power if power > 3 else 1), (beads, power)):
            single = {p: table[f"p = {p}"] for p in range(1, 7)}
            assert min(single, key=single.get) == law
        assert min(sites.values()) < (1 if power == 4 else 1e-6)
        assert 0.9 < beads[f"p = {power}"] < 6
    assert numbers["beads"]["dispersion"]["p = 1"] > 690
    assert 43 < numbers["beads"]["dispersion"]["together"] < 45


def test_far_field():
    numbers = stored("far_field")
    rows, by_exponent = numbers["choices"], numbers["by exponent"]
    shown = {"points": (0.068, 0.037), "dimers": (0.062, 0.042), "cuts": (0.042, 0.028)}
    for way, (far, mean) in shown.items():
        assert rows[way]["far"] == pytest.approx(far, abs=5e-4)
        assert rows[way]["mean"] == pytest.approx(mean, abs=5e-4)
    assert rows["points"]["promised"] == pytest.approx(0.053, abs=5e-4)
    assert min(numbers["candidates"]["far"]) == pytest.approx(0.018, abs=5e-4)
    cuts, far = (dict(zip(by_exponent["p"], by_exponent[k], strict=True)) for k in ("cuts", "far"))
    assert far[1] > numbers["local"] == pytest.approx(0.097, abs=5e-4)
    assert cuts[1] == pytest.approx(0.097, abs=5e-4)
    middle = {p: far[p] for p in (3, 4, 5, 6)}
    assert cuts[3] == min(cuts.values()) == pytest.approx(0.086, abs=5e-4)
    assert max(cuts[p] for p in middle) == pytest.approx(0.089, abs=5e-4)
    assert far[3] == max(middle.values()) > 1.8 * min(middle.values())
    learning = {k: [np.median(v) for v in row] for k, row in numbers["learning"].items()}
    assert 0.09 < min(learning["local, far"][1:]) < max(learning["local, far"][1:]) < 0.105
    assert max(learning["local + long-range, far"][1:]) < 0.04
    low, high = (
        np.quantile(numbers["learning"][f"{kind}, unseen"], q, axis=1)
        for kind, q in (("local", 0.25), ("local + long-range", 0.75))
    )
    assert (low < high).all()  # overlap
    local, both = (np.array(learning[f"{k}, unseen"]) for k in ("local", "local + long-range"))
    assert ((both < local) == [False, True, True, True]).all()
    assert local[-1] < local[0]
    assert both[-1] < both[0]
    known = numbers["applicability"]
    novelty, error = np.array(known["novelty"]), np.array(known["error"])
    (outside,) = np.flatnonzero(novelty > 1)
    assert known["who"] == "Formic_acid_dimer at 0.9"
    assert error[outside] == pytest.approx(0.36, abs=5e-3)
    assert novelty[error.argmax()] == pytest.approx(0.84, abs=5e-3)
    assert pd.Series(novelty).corr(pd.Series(error), method="spearman") == pytest.approx(
        0.70, abs=5e-3
    )


def test_charge_dimers():
    numbers = stored("charge_dimers")
    table = numbers["table"]
    assert numbers["spread"] == pytest.approx(0.62, abs=0.005)
    assert numbers["chosen"] == "charges, p = 1"
    assert min(table, key=lambda name: table[name]["validation"]) == "charges, p = 1"
    far = {name: row["far"] for name, row in table.items()}
    assert far["charges, p = 1"] == pytest.approx(0.027, abs=5e-4)
    assert far["local"] == pytest.approx(0.202, abs=5e-4)
    assert far["elements, p = 1"] == pytest.approx(0.064, abs=5e-4)
    assert table["charges, p = 1"]["ten best"] == pytest.approx(0.11, abs=5e-3)
    for kind in ("elements", "charges"):
        grows = [table[f"{kind}, p = {p}"]["validation"] for p in (1, 2, 3, 4, 6)]
        assert grows == sorted(grows)


def test_forces_ion_pairs():
    rows = stored("forces_ion_pairs")["table"]
    chosen, local = rows["field of charges"], rows["local"]
    assert chosen["energy"] == pytest.approx(0.04, abs=5e-3)
    assert local["energy"] == pytest.approx(0.42, abs=5e-3)
    assert chosen["forces"] == pytest.approx(local["forces"], rel=0.1)
    assert chosen["pull"] == pytest.approx(0.07, abs=5e-3)
    assert local["pull"] == pytest.approx(0.29, abs=5e-3)


def test_dimer_classes():
    rows = stored("dimer_classes")
    assert len(rows) == 8
    for name, exponent in {"CC": 1, "CP": 2, "PP": 3, "AA": 6}.items():
        row = rows[f"bfdb {name}"]
        assert row["choice"] == f"p = {exponent}"
        assert row["predict zero"] > 49 * row["chosen"]
    assert rows["s66x8"]["p = 1"] > rows["s66x8"]["local"]
    assert max(rows["s66x8"][f"p = {p}"] for p in (3, 4, 6)) < 0.75 * rows["s66x8"]["local"]
    assert rows["nbc10ext"]["p = 6"] == min(v for k, v in rows["nbc10ext"].items() if "p = " in k)
    assert rows["ionichb"]["choice"] != "p = 1"
    assert 3 < rows["ionichb"]["p = 1"] < rows["ionichb"]["chosen"]
    assert rows["rgc10"]["predict zero"] < rows["rgc10"]["local"] < rows["rgc10"]["chosen"]


def test_exfoliation():
    numbers = stored("exfoliation")
    table = numbers["table"]
    assert numbers["chosen"] == "p = 6"
    assert abs(table["local"]["tail"]) < 1e-6
    assert table["p = 6"]["hidden"] == pytest.approx(0.5, abs=0.05)
    assert table["p = 1"]["hidden"] / table["p = 6"]["hidden"] == pytest.approx(5, abs=0.2)
    assert table["p = 3"]["hidden"] > 7.5 * table["p = 6"]["hidden"]
    assert table["local"]["hidden"] > 10
    for p, rises in ((1, False), (3, False), (6, True)):
        curve = np.array(numbers["curves"][f"p = {p}"])
        assert (curve.argmax() == len(curve) - 1 or np.diff(curve[-5:]).min() > 0) == rises


def test_forces_exfoliation():
    numbers = stored("forces_exfoliation")
    rows = numbers["table"]
    assert numbers["chosen"] == "f = 1"
    assert rows["f = 1"]["energy"] == pytest.approx(0.26, abs=5e-3)
    assert rows["f = 1"]["forces"] == pytest.approx(4.6, abs=0.05)
    assert rows["f = 1"]["energy"] < 1.4 / 5  # the literature's
    for name in ("f = 0.3", "f = 3"):
        assert rows[name]["energy"] < 1.4
        assert rows[name]["forces"] < 4.5
    assert rows["local"]["energy"] > 5
    assert numbers["last forces"] == pytest.approx(2.6, abs=0.05)


def test_forces_liquids():
    numbers = stored("forces_liquids")
    water, salt = (numbers[name]["table"] for name in ("water", "NaCl in water"))
    for table in (water, salt):
        assert len({row["columns"] for name, row in table.items() if name != "local"}) == 1
    assert round(water["+ rho, 4 A"]["forces"]), round(water["+ V, p = 1"]["forces"]) == (68, 61)
    assert water["+ V, p = 1"]["energy"] == pytest.approx(0.54, abs=5e-3)
    assert salt["+ V, p = 1"]["forces"] < 0.88 * salt["+ rho, 4 A"]["forces"]
    assert water["+ V, p = 6"]["forces"] < water["+ V, p = 1"]["forces"]
    assert salt["+ V, p = 1"]["forces"] < salt["+ V, p = 6"]["forces"]
    for table in (water, salt):
        whole, far = table["+ V, p = 1"]["forces"], table["+ V, p = 1, far"]["forces"]
        assert whole < far < table["+ rho, 4 A"]["forces"]


def test_charge_transfer():
    rows = stored("charge_transfer")["carbon chains"]
    for kind in ("C10H2", "C10H3+"):
        local, far, wide = (rows[f"{n}, {kind}"] for n in ("local", "+ V, p = 1", "+ rho, 6 A"))
        assert far["F together"] < 0.75 * local["F together"]
        assert far["F together"] > 1.36 * far["F apart"]
        assert wide["F together"] < 1.3 * far["F together"]
        assert far["E together"] > 1.2 * local["E together"]
    apart = rows["+ rho, 6 A, C10H2"]["F apart"]
    assert apart == pytest.approx(33, abs=0.5)
    assert apart < 0.35 * rows["+ V, p = 1, C10H2"]["F apart"]
    rows = stored("charge_transfer")["gold"]
    for kind in ("doped", "undoped"):
        local, far = rows[f"local, {kind}"], rows[f"+ V, p = 1, {kind}"]
        assert far["F on all"] < rows[f"+ rho, 6 A, {kind}"]["F on all"] < local["F on all"]
        assert far["F on Au"] > local["F on Au"]
    assert rows["+ V, p = 1, undoped"]["E"] > rows["local, undoped"]["E"]
    assert rows["+ V, p = 1, doped"]["E"] < rows["local, doped"]["E"]


def test_side_chains():
    errors = stored("side_chains")["errors"]
    best = "charges, rho, p = 6"
    everywhere = {name: round(row["all"], 1) for name, row in errors.items()}
    small = {name: row["|E| < 5"] for name, row in errors.items()}
    assert (everywhere["local"], everywhere[best]) == (14.6, 2.4)
    assert (everywhere["charges only"], everywhere["charges, rho"]) == (4.8, 3.3)
    assert errors["chosen inside"] == errors[best]
    for name in ("rho x V, p = 1", "rho x V, p = 3", "rho x V, p = 6"):
        assert 8 < everywhere[name] < 10
    for name in ("local", "rho x V, p = 1", "rho x V, p = 3", "local + p = 1", "p = 1, 3, 6"):
        assert 2 * small["predict zero"] < small[name] < 4 * small["predict zero"]
    assert small[best] == pytest.approx(0.96, abs=5e-3)
    assert small["p = 1, 6, split, weighted"] < small["predict zero"]
    assert errors["local, by class"]["neutral"] == pytest.approx(1.3, abs=0.05)


def test_a_slab_beats_boxes(example):
    numbers = example("molecule_above_slab").numbers
    errors = numbers["errors"]
    assert all(errors[vacuum] > 10 * errors["slab"] for vacuum in ("10", "20", "40"))
    slab = np.array(numbers["curves"]["slab"])
    off = [np.abs(np.array(numbers["curves"][v]) - slab)[0] for v in ("10", "20", "40")]
    np.testing.assert_allclose(np.round(1e3 * np.array(off)), [26, 16, 9])
    heights = np.array(numbers["curves"]["heights"])
    assert np.ptp(slab[heights >= 5]) < off[-1] < np.ptp(slab)
