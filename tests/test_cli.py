"""Models from the command line: fit, predict, evaluate, info."""

import re
import shlex

import ase.io
import numpy as np
import pandas as pd
import pytest
from commands import PNG, ROOT, SMALL, charges, fit_in, rmse, row_of, run, sklode, write_other_keys
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline, make_union

from sklode import (
    AtomisticRidgeCV,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    PowerSpectrum,
    load_model,
    save_model,
)
from sklode.command_line.group import sklode as commands
from sklode.datasets import load_s22x5
from sklode.validation.groups import keep_out

README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two files, a model that was fitted to the first, and what `fit` printed."""
    folder = tmp_path_factory.mktemp("cli")
    fit_in(folder)
    return folder


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


def two_blocks():
    """What SMALL options describe."""
    density = DensityProjector(5.0, 2, 1)
    return make_union(density, PowerSpectrum(density, LongRangePotential(1.0)))


@pytest.mark.slow
def test_three_commands_of_the_readme(tmp_path):
    ase.io.write(tmp_path / "data.xyz", charges(16))
    ase.io.write(tmp_path / "new.xyz", charges(4, seed=100))
    section = README.split("## Your own structures")[1]
    shown = re.findall(r"^    (pip install .*|sklode .*)$", section, re.M)
    assert len(shown) == 3
    assert shown[0] == 'pip install ".[plot]"'
    for command in shown[1:]:
        sklode(tmp_path, *shlex.split(command)[1:])
    made = {path.name for path in tmp_path.iterdir()} - {"data.xyz", "new.xyz"}
    assert made == {"model.skops", "model.png", "predictions.csv"}
    assert (tmp_path / "model.png").read_bytes().startswith(PNG)
    table = pd.read_csv(tmp_path / "predictions.csv")
    true = [atoms.get_potential_energy() for atoms in charges(4, seed=100)]
    assert rmse(table["energy_eV"], true) < 0.5 * np.std(true)
    for name in made | {"data.xyz", "new.xyz"}:
        assert name in README


@pytest.mark.slow
def test_commands_of_the_page_run(tmp_path, monkeypatch):
    """All but the demo, which has tests of its own."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "command_line.rst").read_text()
    shown = re.findall(r"^   (sklode .*)$", page, re.M)
    for name, seed in (("data", 0), ("train", 0), ("test", 100), ("new", 200)):
        frames = charges(12 if seed == 0 else 3, seed)
        for atoms in frames:
            atoms.info["molecule"] = atoms.info["sample"]
        ase.io.write(f"{name}.xyz", frames)
    for command in shown:
        if not command.startswith("sklode demo"):
            run(*shlex.split(command)[1:])
    assert {command.split()[1] for command in shown} == set(commands.commands)
    for name, command in commands.commands.items():
        example = command.epilog.splitlines()[-1].strip()
        assert example in shown, name
    for name in re.findall(r"``(\w+\.(?:csv|png|skops))``", page):
        assert [*tmp_path.rglob(name)], name


class TestFit:
    def test_the_model_is_that_of_the_library(self, folder):
        structures = ase.io.read("train.xyz", ":")
        groups = [atoms.info["sample"] for atoms in structures]
        model = AtomisticRidgeCV(two_blocks()).fit(structures, groups=groups)
        saved = load_model("model.skops")
        assert saved.alpha_ == model.alpha_
        assert saved.n_rows_ == model.n_rows_
        tested = ase.io.read("test.xyz", ":")
        np.testing.assert_allclose(saved.predict(tested), model.predict(tested), rtol=1e-10)
        shown = model.cv_results_["rmse_forces"][list(model.alphas).index(model.alpha_)]
        assert f"force component (eV/A) {shown:.4g}" in (folder / "printed.txt").read_text()

    def test_errors_are_those_of_whole_groups_kept_out(self, folder):
        structures = ase.io.read("train.xyz", ":")
        groups = np.array([atoms.info["sample"] for atoms in structures])
        kept_out = keep_out(structures, groups, seed=0)
        assert set(groups[kept_out]).isdisjoint(groups[~kept_out])
        assert 0.2 <= kept_out.mean() <= 0.35
        rest, tested = (
            [structures[i] for i in np.flatnonzero(kept_out == side)] for side in (False, True)
        )
        model = clone(load_model("model.skops")).fit(rest, groups=groups[~kept_out])
        printed = (folder / "printed.txt").read_text()
        forces = np.concatenate([atoms.get_forces() for atoms in tested])
        shown = row_of(printed, "force component (eV/A)")
        assert shown[0] == forces.size
        predicted = np.concatenate(model.predict_forces(tested))
        assert shown[1] == pytest.approx(rmse(forces, predicted), rel=1e-3)
        local = clone(model).set_params(features=model.features.transformer_list[0][1])
        local.fit(rest, groups=groups[~kept_out])
        alone = np.concatenate(local.predict_forces(tested))
        assert shown[5] == pytest.approx(rmse(forces, alone), rel=1e-3)
        assert shown[6] == pytest.approx(rmse(forces, 0), rel=1e-3)  # of composition alone
        energies = [atoms.get_potential_energy() for atoms in tested]
        shown = row_of(printed, "energy (eV)")
        assert shown[1] == pytest.approx(rmse(energies, model.predict(tested)), rel=1e-3)
        counts = np.array([len(atoms) for atoms in rest])[:, None]  # as many Na as Cl
        per_atom = np.linalg.lstsq(counts, [a.get_potential_energy() for a in rest])[0]
        alone = per_atom * [len(atoms) for atoms in tested]
        assert shown[6] == pytest.approx(rmse(energies, alone), rel=1e-3)
        assert (folder / "model.png").read_bytes().startswith(PNG)

    def test_where_local_features_are_better_it_is_said(self, folder):
        printed = (folder / "printed.txt").read_text()
        names = [line.split("  ")[0] for line in printed.splitlines() if "(eV" in line[:30]]
        rows = {name: row_of(printed, name) for name in names if not name.startswith("alpha")}
        better = [name for name, row in rows.items() if row[5] < row[1]]
        said = f"Local features alone are better here for: {', '.join(better)}."
        assert (said in printed) if better else ("are better here" not in printed)

    def test_the_seed_decides_what_is_kept_out(self, folder, tmp_path, capsys):
        printed = []
        for seed in (1, 1, 2):
            run("fit", "train.xyz", *SMALL, "--seed", seed, "-o", tmp_path / "m.skops",
                "--group", "sample", "--force-weight", "0")  # fmt: skip
            printed.append(capsys.readouterr().out)
        assert printed[0] == printed[1] != printed[2]
        assert "of forces" not in printed[0]

    def test_labels_under_other_keys(self, folder, tmp_path):
        write_other_keys(tmp_path / "keys.xyz", ase.io.read("train.xyz", ":"))
        run("fit", tmp_path / "keys.xyz", *SMALL, "--energy", "dft_energy",
            "--forces", "dft_forces",
            "--group", "sample", "-o", tmp_path / "m.skops", "--no-picture")  # fmt: skip
        assert [path.name for path in tmp_path.iterdir() if path.suffix == ".png"] == []
        same, model = load_model(tmp_path / "m.skops"), load_model("model.skops")
        np.testing.assert_allclose(same.coef_, model.coef_, rtol=1e-5, atol=1e-8)
        run("fit", tmp_path / "keys.xyz", *SMALL, "--energy", "dft_energy", "--no-picture",
            "-o", tmp_path / "m.skops")  # fmt: skip
        assert load_model(tmp_path / "m.skops").n_rows_["forces"] == 0

    def test_energies_in_other_units_are_converted(self, folder, tmp_path):
        kcal = 1 / 0.0433641
        write_other_keys(tmp_path / "keys.xyz", ase.io.read("train.xyz", ":"), "kcal/mol", kcal)
        run("fit", tmp_path / "keys.xyz", *SMALL, "--energy", "dft_energy", "--no-picture",
            "-o", tmp_path / "m.skops")  # fmt: skip
        tested = ase.io.read("test.xyz", ":")
        predicted = load_model(tmp_path / "m.skops").predict(tested)
        true = [atoms.get_potential_energy() for atoms in tested]
        assert rmse(predicted, true) < 0.5 * np.std(true)

    def test_features_by_options(self, tmp_path):
        def fitted(*arguments):
            run("fit", "train.xyz", *SMALL, "--no-picture", "-o", tmp_path / "m.skops", *arguments)
            return load_model(tmp_path / "m.skops")

        local = fitted("--local-only", "--cutoff", "4")
        assert type(local.features_).__name__ == "DensityProjector"
        assert local.features_.cutoff == 4.0
        both = fitted("--exponent", "1", "--exponent", "6", "--smearing", "1.5",
                      "--charges", "initial_charges", "--folds", "2")  # fmt: skip
        potential = dict(both.features_.transformer_list)["long_range"].right
        assert potential.exponent == [1.0, 6.0]
        assert (potential.smearing, potential.charges, both.cv) == (1.5, "initial_charges", 2)

    def test_features_of_a_saved_model(self, tmp_path):
        run("fit", "train.xyz", "--transformer", "model.skops", "--no-picture", "--group", "sample",
            "-o", tmp_path / "m.skops")  # fmt: skip
        same, model = load_model(tmp_path / "m.skops"), load_model("model.skops")
        np.testing.assert_allclose(same.coef_, model.coef_, rtol=1e-6, atol=1e-10)

    def test_energies_of_interaction(self, tmp_path, capsys):
        data = load_s22x5()
        for atoms in data.data:
            atoms.info["natoms_A"] = int((atoms.arrays["fragment"] == 0).sum())
        ase.io.write(tmp_path / "dimers.xyz", data.data)
        without = [atoms.copy() for atoms in data.data]
        for atoms in without:
            del atoms.arrays["fragment"]
        ase.io.write(tmp_path / "counts.xyz", without)
        keys = ["--energy", "interaction_energy", "--group", "dimer", "-o", tmp_path / "m.skops"]
        run("fit", tmp_path / "counts.xyz", *SMALL, *keys, "--fragments", "natoms_A")
        capsys.readouterr()
        predict = ["predict", tmp_path / "m.skops", "-o", tmp_path / "p.csv"]
        run(*predict, tmp_path / "counts.xyz", "--fragments", "natoms_A")
        counted = pd.read_csv(tmp_path / "p.csv")["energy_eV"]
        run("fit", tmp_path / "dimers.xyz", *SMALL, *keys, "--fragments", "fragment")
        run(*predict, tmp_path / "dimers.xyz")
        np.testing.assert_allclose(counted, pd.read_csv(tmp_path / "p.csv")["energy_eV"], atol=1e-9)
        saved = load_model(tmp_path / "m.skops")
        features = InteractionFeatures(two_blocks(), fragments="fragment")
        model = AtomisticRidgeCV(features, baseline=False)
        model.fit(data.data, data.target, groups=data.groups)
        assert saved.baseline_ == {}
        np.testing.assert_allclose(saved.predict(data.data), model.predict(data.data), atol=1e-6)
        printed = capsys.readouterr().out
        shown = row_of(printed, "energy (eV)")
        assert "without features: zero" in printed
        assert shown[6] == pytest.approx(np.hypot(shown[4], 0.17), abs=0.05)  # with the mean

    def test_fragments_that_nobody_names_are_pointed_at(self, tmp_path, capsys):
        frames = ase.io.read("train.xyz", ":")
        for atoms in frames:
            atoms.info["natoms_A"] = 2
        ase.io.write(tmp_path / "pairs.xyz", frames)
        run("fit", tmp_path / "pairs.xyz", *SMALL, "--no-picture", "-o", tmp_path / "m.skops")
        assert "pass --fragments natoms_A" in capsys.readouterr().err

    @pytest.mark.parametrize("keys", [(), ("--energy", "dft_energy", "--forces", "dft_forces")])
    def test_a_checkpoint_gives_the_same_model(self, keys, tmp_path, monkeypatch):
        structures = ase.io.read("train.xyz", ":")
        (write_other_keys if keys else ase.io.write)(tmp_path / "data.xyz", structures)
        monkeypatch.chdir(tmp_path)
        arguments = ["fit", "data.xyz", *SMALL, *keys, "--group", "sample"]
        run(*arguments, "--checkpoint", "state", "-o", "m.skops")
        assert {path.name for path in tmp_path.iterdir()} == {"data.xyz", "m.skops"}
        run(*arguments, "--no-picture", "-o", "n.skops")
        one, other = (load_model(name).predict(structures) for name in ("m.skops", "n.skops"))
        np.testing.assert_allclose(one, other, rtol=1e-8)


class TestPredict:
    def predicted(self, *arguments):
        run("predict", "model.skops", "test.xyz", *arguments)
        structures = ase.io.read("test.xyz", ":")
        return structures, load_model("model.skops").predict_all(structures)

    @pytest.mark.parametrize("suffix", ["csv", "parquet"])
    def test_tables(self, suffix, tmp_path):
        read = getattr(pd, f"read_{suffix}")
        path = tmp_path / f"p.{suffix}"
        structures, (energies, errors, forces, stresses) = self.predicted("-o", path)
        table = read(path)
        assert table["formula"].tolist() == [a.get_chemical_formula() for a in structures]
        assert table["n_atoms"].tolist() == [len(atoms) for atoms in structures]
        np.testing.assert_allclose(table["energy_eV"], energies)
        np.testing.assert_allclose(table["energy_std_eV"], errors)
        np.testing.assert_allclose(table["stress_yz_eV_per_A3"], stresses[:, 3])
        self.predicted("-o", path, "--level", "atom")
        table = read(path)
        components = table[[f"force_{x}_eV_per_A" for x in "xyz"]]
        np.testing.assert_allclose(components, np.concatenate(forces))
        assert table["symbol"].tolist() == [s for atoms in structures for s in atoms.symbols]
        assert table["structure"].nunique() == len(structures)

    def test_structures_are_read_back_with_calculators(self, tmp_path):
        structures, (energies, errors, forces, stresses) = self.predicted("-o", tmp_path / "p.xyz")
        found = ase.io.read(tmp_path / "p.xyz", ":")
        assert len(found) == len(structures)
        for i, atoms in enumerate(found):
            assert atoms.get_potential_energy() == pytest.approx(energies[i], abs=1e-8)
            np.testing.assert_allclose(atoms.get_forces(), forces[i], atol=1e-8)
            np.testing.assert_allclose(atoms.get_stress(), stresses[i], atol=1e-8)
            assert atoms.info["energy_std"] == pytest.approx(errors[i])
            assert atoms.info["sample"] == structures[i].info["sample"]
            np.testing.assert_allclose(atoms.positions, structures[i].positions, atol=1e-7)

    def test_energies_alone(self, tmp_path):
        _, (energies, *_) = self.predicted("-o", tmp_path / "p.xyz", "--no-forces")
        found = ase.io.read(tmp_path / "p.xyz", ":")
        assert set(found[0].calc.results) == {"energy"}
        assert found[1].get_potential_energy() == pytest.approx(energies[1], abs=1e-8)

    def test_two_files_and_two_workers(self, tmp_path):
        run("predict", "model.skops", "test.xyz", "train.xyz", "--n-jobs", 2,
            "-o", tmp_path / "p.csv")  # fmt: skip
        both = ase.io.read("test.xyz", ":") + ase.io.read("train.xyz", ":")
        expected = load_model("model.skops").predict(both)
        table = pd.read_csv(tmp_path / "p.csv")
        np.testing.assert_allclose(table["energy_eV"], expected, rtol=1e-12)

    def test_a_model_of_scikit_learn(self, tmp_path, capsys):
        structures = ase.io.read("train.xyz", ":")
        energies = [atoms.get_potential_energy() for atoms in structures]
        model = make_pipeline(DensityProjector(n_max=2, l_max=1), Ridge()).fit(structures, energies)
        save_model(model, tmp_path / "m.skops")
        run("predict", tmp_path / "m.skops", "test.xyz", "-o", tmp_path / "p.csv")
        table = pd.read_csv(tmp_path / "p.csv")
        expected = model.predict(ase.io.read("test.xyz", ":"))
        np.testing.assert_allclose(table["energy_eV"], expected)
        assert not any(name.startswith(("energy_std", "stress")) for name in table)
        run("evaluate", tmp_path / "m.skops", "test.xyz", "-o", tmp_path / "e")
        assert "times their bars" not in capsys.readouterr().out


def test_info(capsys):
    run("info", "model.skops")
    printed = capsys.readouterr().out
    model = load_model("model.skops")
    assert printed.startswith("AtomisticRidgeCV(features=FeatureUnion(")
    assert f"features: {len(model.coef_)}\n" in printed
    assert f"learnt of forces: {model.n_rows_['forces']} numbers\n" in printed
    assert f"Cl {model.baseline_['Cl']:.6g}" in printed
    assert f"alpha {model.alpha_:g}; left-out RMSE: energy per atom (eV) " in printed
    assert "forces and stresses: yes" in printed
