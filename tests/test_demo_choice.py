"""What the demo chooses, says and draws, on sets that it was not made on."""

from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms

from sklode import cli, load_model
from sklode.demo.experiment import FAR, UNSEEN, Demo, Results
from sklode.demo.files import DimerSet, read_dimers
from sklode.demo.picture import draw
from sklode.demo.verdict import table, verdict

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of real data is absent")
SETS = {
    "s66x8": "distance_factor",
    "ionichb": "distance_factor",
    "hbc6": "distance",
    "nbc10ext": "distance_factor",
    "rgc10": "distance_factor",
    "bfdb_dimer_classes": "distance",
    "ncia_d442x10": "distance_factor",
    "ncia_hb375x10": "distance_factor",
    "ncia_ihb100x10": "distance_factor",
    "ncia_sh250x10": "distance_factor",
}


def errors_of(name, folder, n_curves=30):
    frames = ase.io.read(SHARED / f"{name}.xyz", ":")
    energy = "inter_energy" if name.startswith("bfdb") else "interaction_energy"
    curves = sorted({str(atoms.info["dimer"]) for atoms in frames})
    np.random.default_rng(7).shuffle(curves)
    kept = set(curves[:n_curves]) if len(frames) > 400 else set(curves)
    chosen = [atoms for atoms in frames if str(atoms.info["dimer"]) in kept]
    for atoms in chosen:
        atoms.calc = None
        atoms.info["energy_unit"] = "eV" if energy == "inter_energy" else "kcal/mol"
    ase.io.write(folder / "some.xyz", chosen)
    keys = {"energy": energy, "group": "pair", "distance": SETS[name], "fragments": "natoms_A"}
    return Demo(read_dimers(folder / "some.xyz", **keys)).run().errors


@needs_data
@pytest.mark.slow
def test_the_choice_holds_on_all_sets_with_curves(tmp_path):
    """Far errors at most 0.60 of the local ones in the mean, unseen molecules none the worse."""
    ratios = {FAR: {}, UNSEEN: {}}
    for name in SETS:
        errors = errors_of(name, tmp_path)
        for title, found in ratios.items():
            found[name] = errors[title]["local + long-range"] / errors[title]["local"]
    means = {title: np.exp(np.mean(np.log(list(r.values())))) for title, r in ratios.items()}
    assert means[FAR] <= 0.60, ratios[FAR]
    assert max(ratios[FAR].values()) <= 1.05, ratios[FAR]
    assert means[UNSEEN] <= 1.00, ratios[UNSEEN]
    assert max(ratios[UNSEEN].values()) <= 1.10, ratios[UNSEEN]


def complexes(metals, energy, charge=0):
    """Complexes of an atom and a hydrogen molecule, five distances each."""
    frames = []
    for metal in metals:
        for r in (2.0, 2.4, 2.8, 3.6, 4.4):
            positions = [[0, 0, 0], [0, 0, r], [0, 0, r + 0.74]]
            atoms = Atoms([metal, "H", "H"], positions)
            atoms.info = {"name": metal, "r": r, "e": energy(metal, r), "charge_B": 0, "first": 1}
            atoms.info["charge_A"] = charge
            frames.append(atoms)
    return frames


def run(frames, folder, **keys):
    ase.io.write(folder / "some.xyz", frames)
    keys = {"energy": "e", "group": "name", "distance": "r"} | keys
    return Demo(read_dimers(folder / "some.xyz", **keys)).run()


class TestElementsOfOneGroup:
    OFFSETS = {"Li": -200.0, "Na": -4000.0, "K": -16000.0, "Cl": -6192.0}

    def total(self, metal, r):
        return self.OFFSETS[metal] - 0.5 / r**3

    def test_the_reason_is_given_and_the_way_out(self, tmp_path):
        results = run(complexes(self.OFFSETS, self.total), tmp_path)
        assert list(results.errors) == [FAR]
        (note,) = results.notes
        assert "20 of 20 structures are not predicted as unseen" in note
        assert "elements that only one group has: Cl (in Cl), K (in K)" in note
        assert "Leave these groups out, or give --fragments" in note
        assert note in verdict(results)

    def test_the_others_are_predicted(self, tmp_path):
        """Two groups share lithium; what cannot be known is left open, not dropped."""
        frames = complexes(["Li", "Na", "K"], self.total) + complexes(["Li"], self.total)
        for atoms in frames[15:]:
            atoms.info["name"] = "again"
            atoms.positions[0, 0] += 0.3
        results = run(frames, tmp_path)
        assert list(results.errors) == [FAR, UNSEEN]
        unseen = results.predictions["unseen: local + long-range"]
        lithium = results.predictions["formula"].str.contains("Li")
        assert unseen[lithium].notna().all()
        assert unseen[~lithium].isna().all()
        assert results.errors[UNSEEN].max() < 1.0
        assert "10 of 20 structures are not predicted" in results.notes[0]

    def test_nothing_to_predict_says_why(self, tmp_path):
        frames = complexes(["Li", "Na", "K"], self.total)
        with pytest.raises(ValueError, match=r"Nothing to predict.*elements that only one group"):
            run(frames, tmp_path, distance=None)

    def test_inner_folds_that_lack_an_element_do_not_spoil_validation(self, tmp_path):
        """The energy of an element that a fold does not have is no error of the features."""
        metals = ["Li", "Na", "K", "Cl", "Li", "Na", "Li", "Na"]
        frames = complexes(metals, self.total)
        for i, atoms in enumerate(frames):
            atoms.info["name"] = f"group {i // 5}"
        run_ = Demo(read_dimers(self.write(frames, tmp_path), energy="e", group="name"))
        results = run_.run()
        assert results.errors[UNSEEN].max() < 1.0  # not 6192 eV
        assert results.predictions["unseen: local"].notna().sum() == 30

    @staticmethod
    def write(frames, folder):
        ase.io.write(folder / "some.xyz", frames)
        return folder / "some.xyz"


class TestCharges:
    def frames(self):
        """Ions of either sign, which elements alone do not tell apart."""
        frames = complexes(["Na", "Na", "Na", "Na"], lambda metal, r: -0.4 / r**2)
        for i, atoms in enumerate(frames):
            sign = (-1) ** (i // 5)
            atoms.info |= {"charge_A": sign, "e": sign * atoms.info["e"], "name": f"ion {i // 5}"}
        return frames

    def test_charges_of_fragments_are_found_and_their_worth_is_told(self, tmp_path):
        results = run(self.frames(), tmp_path, fragments="first")
        assert list(results.errors.index) == [
            "predict zero",
            "local",
            "local + long-range",
            "local + long-range + charges",
        ]
        far = results.errors[FAR]
        assert far["local + long-range + charges"] < 0.7 * far["local + long-range"]

    def test_where_they_are_looked_for(self, tmp_path):
        def read(frames, **keys):
            ase.io.write(tmp_path / "some.xyz", frames)
            return read_dimers(tmp_path / "some.xyz", energy="e", **keys)

        assert read(self.frames(), fragments="first").charges == "fragment_charges"
        assert read(self.frames()).charges is None
        neutral = self.frames()
        for atoms in neutral:
            atoms.info["charge_A"] = 0
        assert read(neutral, fragments="first").charges is None
        arrays = self.frames()
        for atoms in arrays:
            atoms.set_array("mulliken", np.array([0.5, -0.25, -0.25]))
            atoms.info["total_charge"] = 1
        assert read(arrays, charges="mulliken").charges == "mulliken"
        total = read(arrays)
        assert total.charges == "atom_charges"
        np.testing.assert_allclose(total.structures[0].arrays["atom_charges"], 1 / 3)
        with pytest.raises(ValueError, match=r"X\[0\] \(H2Na\): has no key 'nothing'"):
            read(self.frames(), charges="nothing")


def results_of(errors, **columns):
    predictions = pd.DataFrame({"reference": [0.0, 0.0, 0.0], **columns})
    return Results(predictions, errors, None, None, [(3.0, None), (5.0, 6.0)])


class TestWords:
    NAMES = ("predict zero", "local", "local + long-range")

    def errors(self, far, unseen):
        return pd.DataFrame({FAR: far, UNSEEN: unseen}, index=self.NAMES)

    def test_worse_is_said(self):
        text = verdict(results_of(self.errors([0.2, 0.1, 0.05], [0.2, 0.1, 0.12])))
        assert "bring the error down from 0.1 to 0.05 eV" in text
        assert "make it worse, from 0.1 to 0.12 eV: use local features alone" in text

    def test_the_naive_row_is_compared_with(self):
        text = verdict(results_of(self.errors([0.2, 0.4, 0.3], [0.2, 0.1, 0.25])))
        assert "No model is better than the first row, 0.2 eV" in text
        assert "The first row is better, 0.2 eV" in text

    def test_no_difference(self):
        text = verdict(results_of(self.errors([0.2, 0.1, 0.1], [0.2, 0.1, 0.1005])))
        assert text.count("make no difference") == 2

    def test_charges_are_told_apart_from_long_range_features(self):
        """Charges that spoil a good model are no reason to use local features alone."""
        names = [*self.NAMES, "local + long-range + charges"]
        errors = {FAR: [0.2, 0.1, 0.05, 0.02], UNSEEN: [0.2, 0.1, 0.08, 0.12]}
        text = verdict(results_of(pd.DataFrame(errors, index=names)))
        assert "from 0.1 to 0.05 eV. With charges of the molecules it is 0.02 eV." in text
        assert "from 0.1 to 0.08 eV. With charges of the molecules it is 0.12 eV." in text
        assert "use local features alone" not in text
        errors = {FAR: [0.2, 0.1, 0.12, 0.02], UNSEEN: [0.2, 0.1, 0.12, 0.11]}
        text = verdict(results_of(pd.DataFrame(errors, index=names)))
        assert "from 0.1 to 0.12 eV. With charges of the molecules it is 0.02 eV." in text
        assert "use local features alone. With charges of the molecules it is 0.11 eV." in text

    def test_digits_of_apolar_sets(self):
        unit, shown = table(self.errors([0.0012, 0.0008, 0.0005], [0.004, 0.003, 0.002]))
        assert unit == "meV"
        assert shown.loc["local", FAR] == pytest.approx(0.8)
        text = verdict(results_of(self.errors([0.0012, 0.0008, 0.0005], [0.004, 0.003, 0.002])))
        assert "from 0.8 to 0.5 meV" in text

    def test_who_is_outside(self):
        columns = {"unseen: local": [0.1, 0.1, 0.4], "unseen: local, novelty": [0.1, 0.2, 3.0]}
        text = verdict(results_of(self.errors([0.2, 0.1, 0.1], [0.2, 0.1, 0.1]), **columns))
        assert "1 of 3 unseen structures are unlike what was trained on" in text
        assert "their error is 0.4000 eV, that of the others 0.1000 eV" in text


def test_the_picture_marks_what_is_worse_and_shares_scales():
    rows = pd.MultiIndex.from_product([list("abcde"), [1.0, 1.5, 2.0]], names=["group", "distance"])
    frame = rows.to_frame(index=False)
    frame["part"] = np.where(frame["distance"] > 1.2, "far", "train")
    depth = frame["group"].map(dict(zip("abcde", (1, 20, 3, 4, 5), strict=True)))
    frame["reference"] = -depth / frame["distance"]
    frame["far: local"] = frame["reference"] + 0.1
    worse = np.where(frame["group"] == "c", 0.2, 0.05)
    frame["far: local + long-range"] = frame["reference"] + worse
    frame["far: local + long-range, spread"] = 0.0
    figure = draw(frame)
    panels = {ax.get_title(): ax for ax in figure.axes}
    assert list(panels) == list("bedca")  # from the deepest on
    crosses = {name: [t for t in ax.texts if t.get_visible()] for name, ax in panels.items()}
    assert {name for name, marks in crosses.items() if marks} == {"c"}
    assert panels["b"].get_ylim() == panels["c"].get_ylim()
    assert panels["b"].get_ylim() != panels["a"].get_ylim()


def test_the_line_that_predicts_works(tmp_path, capsys, monkeypatch):
    """What is printed at the end is a program."""
    frames = complexes(["Li", "Na", "K"], lambda metal, r: -0.5 / r**3)
    ase.io.write(tmp_path / "some.xyz", frames)
    keys = ["--energy", "e", "--group", "name", "--distance", "r", "--fragments", "first"]
    command = ["demo", "--data", str(tmp_path / "some.xyz"), "--output", str(tmp_path / "out")]
    assert cli.main([*command, *keys]) == 0
    command, line, needed = capsys.readouterr().out.splitlines()[-3:]
    line = line.removeprefix("or in Python: ")
    assert needed == "whose structures have per-atom array 'fragment'."
    for atoms in frames:
        atoms.set_array("fragment", np.array([0, 1, 1]))
    import sklode

    predicted = eval(line, {"sklode": sklode, "list_of_atoms": frames})
    written = pd.read_csv(tmp_path / "out" / "predictions.csv")
    np.testing.assert_allclose(predicted, written["far: local + long-range"], rtol=1e-8)
    command = command.removeprefix("Predict with: sklode ").replace(
        "FILE", str(tmp_path / "some.xyz")
    )
    assert cli.main([*command.split(), "-o", str(tmp_path / "p.csv")]) == 0
    found = pd.read_csv(tmp_path / "p.csv")["energy_eV"]
    np.testing.assert_allclose(found, written["far: local + long-range"], rtol=1e-8)
    local = load_model(tmp_path / "out" / "local_model.skops").predict(frames)
    np.testing.assert_allclose(local, written["far: local"], rtol=1e-8)


def test_without_curves_groups_choose():
    """One distance a group in the near part: whole groups are left out to choose."""
    frames = complexes(["Li", "Na", "K", "Rb"], lambda metal, r: -0.5 / r**3)
    near = [atoms for atoms in frames if atoms.info["r"] in (2.0, 4.4)]
    for atoms in near:
        atoms.set_array("fragment", np.array([0, 1, 1]))
    columns = (np.array([atoms.info[key] for atoms in near]) for key in ("e", "name", "r"))
    results = Demo(DimerSet(near, *columns, True)).run()
    assert list(results.errors) == [FAR, UNSEEN]


def test_a_group_with_one_near_point_takes_no_cuts_from_the_others(monkeypatch):
    """It teaches in every cut, and the curves of the others are cut as often as before."""
    frames = complexes(["Li", "Na", "K", "Rb"], lambda metal, r: -0.5 / r**3)
    frames = frames[:16]  # rubidium has the nearest distance alone
    for atoms in frames:
        atoms.set_array("fragment", np.array([0, 1, 1]))
    columns = (np.array([atoms.info[key] for atoms in frames]) for key in ("e", "name", "r"))
    demo = Demo(DimerSet(frames, *columns, True))
    seen = []
    monkeypatch.setattr(demo, "_search", lambda name, train, splits: seen.append(splits))
    near = np.flatnonzero(demo.dimers.distance <= 2.8)
    demo._search_far("local", near)
    (splits,) = seen
    lonely = np.flatnonzero(demo.dimers.groups[near] == "Rb").item()
    assert len(splits) == 3
    assert all(lonely in train and lonely not in test for train, test in splits)
    assert all(len(train) + len(test) == len(near) for train, test in splits)
