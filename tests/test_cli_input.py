"""What commands refuse: one line, an exit status, and nothing written."""

import errno
import os
import re
from pathlib import Path

import ase.io
import click
import numpy as np
import pytest
import skops.io
from ase import Atoms
from commands import SMALL, charges, sklode
from sklearn.linear_model import Ridge

from sklode import AtomisticRidgeCV, Composition, cli, load_model, save_model
from sklode.command_line import fit as fit_command
from sklode.command_line.group import sklode as commands
from sklode.outputs import files as output_files
from sklode.outputs.files import whole_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    ase.io.write(folder / "train.xyz", charges(12))
    assert cli.main(["fit", str(folder / "train.xyz"), *SMALL, "--no-picture",
                     "-o", str(folder / "model.skops")]) == 0  # fmt: skip
    save_model(Composition().fit(charges(2)), folder / "composition.skops")
    save_model(AtomisticRidgeCV(Composition()), folder / "unfitted.skops")
    save_model(Ridge().fit(np.eye(3), [1, 2, 3]), folder / "ridge.skops")
    skops.io.dump({"a": 1}, folder / "dict.skops")
    for name in ("coef_", "cv_results_"):
        other = load_model(folder / "model.skops")
        delattr(other, name)
        save_model(other, folder / f"no_{name}.skops")
    other = load_model(folder / "model.skops")
    del other.features_.transformer_list[0][1].smearing
    save_model(other, folder / "no_smearing.skops")
    ase.io.write(folder / "gold.xyz", [*charges(2), Atoms("Au2", [[0, 0, 0], [0, 0, 2.5]])])
    bare = [atoms.copy() for atoms in charges(4)]
    for atoms in bare:
        atoms.info["REF_energy"] = 1.0
    ase.io.write(folder / "bare.xyz", bare)
    for atoms in bare:
        atoms.info["energy_unit"] = "kcal/mol"
        atoms.set_array("f", np.zeros((len(atoms), 3)))
    ase.io.write(folder / "kcal.xyz", bare)
    del bare[2].info["energy_unit"]
    ase.io.write(folder / "half.xyz", bare)
    frames = charges(3)
    for atoms in frames:
        atoms.info["name"], atoms.calc.results = "", {"energy": 1.0}
    ase.io.write(folder / "empty_key.xyz", frames)
    frames = charges(3)
    frames[1].info["energy_unit"] = "kcal/mol"
    ase.io.write(folder / "kcal_calc.xyz", frames)
    (folder / "old.csv").write_text("of yesterday")
    return folder


@pytest.fixture
def refusal(folder, monkeypatch, capsys):
    """The only line on standard error; nothing is written."""
    monkeypatch.chdir(folder)

    def refused(text, status=1):
        before = state(folder)
        assert cli.main(text.split()) == status
        assert state(folder) == before
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("sklode: ")
        return line

    return refused


def state(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


WRONG_USE = {
    "": None,
    "learn": "No such command 'learn'. Try 'sklode --help'.",
    "fit": "Missing argument 'FILE...'. Try 'sklode fit --help'.",
    "predict model.skops": "Missing argument 'FILE...'.",
    "fit train.xyz --cutof 3": "No such option",
    "fit train.xyz --cutoff near": "Invalid value for '--cutoff': 'near' is not a valid float.",
    "fit train.xyz --seed -1": "Invalid value for '--seed'",
    "fit train.xyz --n-jobs 0": "'--n-jobs': must be a number of workers, or -1 for all cores.",
    "fit train.xyz --folds 1": "Invalid value for '--folds'",
    "fit train.xyz --transformer model.skops --n-max 3": "--n-max and --transformer exclude",
    "predict model.skops train.xyz --level bond": "Invalid value for '--level'",
}


@pytest.mark.parametrize("text", list(WRONG_USE)[1:])
def test_wrong_use_is_status_2(text, refusal):
    assert WRONG_USE[text] in refusal(text, status=2)


REFUSED = {
    "fit absent.xyz": "absent.xyz: there is no such file.",
    "fit model.skops": "model.skops: ",
    "fit bare.xyz": "bare.xyz: none of the 4 structures has an energy or forces where ASE puts "
    "them. Name their keys with --energy and --forces, as in --energy REF_energy.",
    "fit empty_key.xyz": "In X[0] (Cl2Na2) the value of 'name' is 'energy=1.0', since the file has "
    "nothing after name=: remove that key from its lines.",
    "fit bare.xyz --energy dft": "bare.xyz: X[0] (Cl2Na2): has no key 'dft' (--energy dft); it has "
    "['REF_energy', 'sample'].",
    "fit train.xyz --energy dft": "it has ['sample', 'energy', 'forces'].",
    "fit train.xyz --forces f": "has no array 'f' (--forces f). Do you mean --forces forces?",
    "fit train.xyz --stress s": "X[0] (Cl2Na2): has no key 's' (--stress s).",
    "fit train.xyz --stress sample": "'sample' must be numbers of shape (6,) or (9,) or (3, 3)",
    "fit kcal.xyz --energy REF_energy --forces f": "X[0] (Cl2Na2): --forces must be in eV and "
    "angstrom, but energy_unit is 'kcal/mol'.",
    "fit kcal_calc.xyz": "kcal_calc.xyz: X[1] (Cl3Na3): energy_unit is 'kcal/mol', but energies of "
    "calculators are taken in eV. Pass --energy energy to convert them, or remove energy_unit.",
    "fit kcal_calc.xyz --checkpoint state": "X[1] (Cl3Na3): energy_unit is 'kcal/mol', but",
    "fit kcal_calc.xyz --forces forces": "X[1] (Cl3Na3): energy_unit is 'kcal/mol', but",
    "demo --data kcal_calc.xyz -o made": "X[1] (Cl3Na3): energy_unit is 'kcal/mol', but",
    "fit half.xyz --energy REF_energy": "half.xyz: X[2] (Cl2Na2): has no key 'energy_unit', unlike "
    "the first structure of the file. Write it to all of them (eV too), or to none.",
    "fit kcal.xyz half.xyz --energy REF_energy --checkpoint state": "X[6] (Cl2Na2): has no key "
    "'energy_unit', unlike",
    "check kcal_calc.xyz --energy energy": "X[1] (Cl3Na3): has key 'energy_unit', unlike the first",
    "fit train.xyz --group molecule": "X[0] (Cl2Na2): has no key 'molecule' (--group molecule)",
    "fit train.xyz --folds 11": "--folds 11: there are 6 groups, each a part of the structures",
    "fit train.xyz --charges q": "X[0] (Cl2Na2): has no per-atom array 'q'",
    "fit train.xyz --fragments f": "'f'",
    "fit train.xyz --cutoff -1": "cutoff",
    "fit train.xyz --n-max 0": "n_max",
    "fit train.xyz --transformer train.xyz": "train.xyz: is no skops file",
    "fit train.xyz -o nowhere/m.skops": "--output nowhere/m.skops: cannot be written (there is no "
    "folder nowhere). Give another file.",
    "fit train.xyz -o old.csv/m.skops": "Not a directory",
    "fit train.xyz -o /proc/m.skops --no-picture": "--output /proc/m.skops: cannot be written",
    "fit train.xyz -o m.png": "--picture m.png: is the file of --output too.",
    "fit train.xyz --picture p.txt": "--picture p.txt: must end in one of .png, .pdf, .svg, .jpg.",
    "predict absent.skops train.xyz": "absent.skops: No such file or directory.",
    "predict train.xyz train.xyz": "train.xyz: is no skops file",
    "predict composition.skops train.xyz": "holds a Composition, which predicts nothing.",
    "predict model.skops gold.xyz": "X[2] of gold.xyz (Au2): contains Au",
    "predict model.skops train.xyz -o p.txt": "p.txt: must end in one of .csv, .parquet, .xyz",
    "predict model.skops train.xyz -o nowhere/p.csv": "there is no folder nowhere",
    "predict model.skops train.xyz --level atom --no-forces": "--level atom: rows of atoms hold "
    "forces, which --no-forces leaves out.",
    "evaluate model.skops bare.xyz": "none of the 4 structures has an energy",
    "evaluate model.skops train.xyz -o old.csv": "--output old.csv: cannot be written to (it is no",
    "evaluate model.skops train.xyz --train absent.xyz": "absent.xyz: there is no such file.",
    "evaluate model.skops train.xyz --train train.xyz --group m -o made": "has no key 'm'",
    "check gold.xyz --energy e": "gold.xyz: X[0] (Cl2Na2): has no key 'e'",
    "check train.xyz -o findings.txt": "findings.txt: must end in one of .csv, .parquet",
    "info absent.skops": "absent.skops: No such file or directory.",
    "info train.xyz": "train.xyz: is no skops file",
    "featurize absent.xyz": "absent.xyz: there is no such file.",
    "featurize train.xyz -o old.csv": "old.csv: is a file; give a folder.",
    "featurize train.xyz --transformer model.skops --save nowhere/t.skops": "no folder nowhere",
    "featurize train.xyz --level atom --info-key symbol -o made": "'symbol' is the name of another",
}


@pytest.mark.parametrize("text", REFUSED)
def test_errors_are_one_line_and_leave_nothing(text, refusal):
    assert REFUSED[text] in refusal(text)


NO_MODELS = {
    "unfitted": "holds an AtomisticRidgeCV that is not fitted. Save it after its method fit, or",
    "dict": "holds a dict, which is no model. Give a model of `sklode fit`, or what",
    "no_coef_": "holds an AtomisticRidgeCV of another version of sklode, or a damaged one (it has "
    "no 'coef_'). Fit it again.",
    "no_cv_results_": "(it has no 'cv_results_'). Fit it again.",
    "no_smearing": "(it has no 'smearing'). Fit it again.",
}


@pytest.mark.parametrize("command", ["info {}", "predict {} train.xyz", "evaluate {} train.xyz"])
@pytest.mark.parametrize("name", NO_MODELS)
def test_files_that_hold_no_usable_model(name, command, refusal):
    line = refusal(command.format(f"{name}.skops"))
    assert line.startswith(f"sklode: {name}.skops: holds a")
    assert NO_MODELS[name] in line


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_models_of_numbers_are_refused(command, refusal):
    line = refusal(f"{command} ridge.skops train.xyz")
    assert line.startswith(
        "sklode: ridge.skops: holds a Ridge of rows of numbers, not of structures."
    )


def test_what_nobody_expected_is_one_line(refusal, monkeypatch):
    def fail(*arguments):
        raise KeyError("lost")

    monkeypatch.setattr(fit_command, "read_labelled", fail)
    expected = "sklode: unexpected error: KeyError: 'lost'. Please report it; SKLODE_TRACEBACK=1"
    assert refusal("fit train.xyz").startswith(expected)
    monkeypatch.setenv("SKLODE_TRACEBACK", "1")
    with pytest.raises(KeyError, match="lost"):
        cli.main(["fit", "train.xyz"])


def test_info_of_transformers(folder, tmp_path, capsys):
    save_model(Composition(), tmp_path / "t.skops")
    assert cli.main(["info", str(tmp_path / "t.skops")]) == 0
    assert capsys.readouterr().out == "Composition()\nnot fitted\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize(
    "command",
    [
        "fit train.xyz",
        "predict model.skops train.xyz",
        "evaluate model.skops train.xyz -o made",
        "check train.xyz -o f.csv",
    ],
)
def test_places_are_tried_before_the_work(number, command, refusal, monkeypatch):
    def full(**arguments):
        raise OSError(number, errno.errorcode[number])

    monkeypatch.setattr(output_files, "NamedTemporaryFile", full)
    assert f"({errno.errorcode[number]})" in refusal(command)


def test_a_disk_that_is_full_at_the_end_keeps_the_old_model(folder, refusal, monkeypatch):
    def full(model, path):
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fit_command, "save_model", full)
    text = f"fit train.xyz {' '.join(SMALL)}"
    assert refusal(text) == "sklode: model.skops was not written (No space left on device)."


LOST = {
    "fit train.xyz -o train.xyz": "--output train.xyz",
    "fit train.xyz -o m.skops --picture link.png": "--picture link.png",
    "fit train.xyz --checkpoint link.png": "--checkpoint link.png",
    "fit train.xyz --transformer model.skops": "--output model.skops",
    "predict model.skops train.xyz gold.xyz -o gold.xyz": "--output gold.xyz",
    "predict model.skops gol?.xyz -o gold.xyz": "--output gold.xyz",
    "predict model.skops train.xyz -o of_model.csv": "--output of_model.csv",
    "featurize train.xyz --save train.xyz": "--save train.xyz",
    "featurize train.xyz --transformer model.skops --save model.skops": "--save model.skops",
    "check train.xyz -o errors.csv": "--output errors.csv",
    "evaluate model.skops gold.xyz --train train.xyz -o .": "--output errors.csv",
    "demo --data train.xyz -o d": "--output d/predictions.csv",
}


@pytest.fixture
def links(folder):
    """Outputs that are inputs by another name."""
    names = {"link.png": "train.xyz", "errors.csv": "train.xyz", "of_model.csv": "model.skops"}
    names["d/predictions.csv"] = "train.xyz"
    (folder / "d").mkdir()
    for name, target in names.items():
        (folder / name).symlink_to(folder / target)
    yield
    for name in names:
        (folder / name).unlink()
    (folder / "d").rmdir()


@pytest.mark.parametrize("text", LOST)
def test_what_is_read_is_not_written(text, links, refusal):
    expected = f"sklode: {LOST[text]}: is an input too, and would be lost. Give it another name."
    assert refusal(text) == expected


def test_two_outputs_are_two_files(refusal):
    line = refusal("fit train.xyz -o a.skops --checkpoint ./a.skops")
    assert "--checkpoint a.skops: is the file of --output too." in line


def test_pipes_are_refused(tmp_path, refusal):
    os.mkfifo(tmp_path / "p.csv")
    line = refusal(f"predict model.skops train.xyz -o {tmp_path / 'p.csv'}")
    assert "p.csv: cannot be written (it is no regular file). Give another file." in line
    assert (tmp_path / "p.csv").is_fifo()
    with pytest.raises(OSError, match="no regular file"), whole_file(tmp_path / "p.csv"):
        pass
    (tmp_path / "p.csv").rename(tmp_path / "errors.csv")
    assert "it is no regular file" in refusal(f"evaluate model.skops train.xyz -o {tmp_path}")


def test_links_stay_links(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "m.skops", tmp_path / "m.skops"
    link.symlink_to(target)
    with whole_file(link) as unfinished:
        unfinished.write_text("whole")
    assert link.is_symlink()
    assert target.read_text() == "whole"
    assert [*target.parent.iterdir()] == [target]


def test_long_names(tmp_path, refusal):
    """As long as the system allows, and longer."""
    path = tmp_path / ("n" * 251 + ".csv")
    with whole_file(path) as unfinished:
        unfinished.write_text("whole")
    assert path.read_text() == "whole"
    line = refusal(f"predict model.skops train.xyz -o {'n' * 252}.csv")
    assert "cannot be written (File name too long)" in line


def write_half(path):
    with whole_file(path) as unfinished:
        unfinished.write_text("sec")
        raise KeyboardInterrupt


def test_a_file_is_complete_or_the_old_one(tmp_path):
    path = tmp_path / "file"
    with whole_file(path) as unfinished:
        unfinished.write_text("first")
        assert not path.exists()
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_text() == "first"
    assert [*tmp_path.iterdir()] == [path]


def test_a_stop_is_one_line(refusal, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(fit_command, "read_labelled", stop)
    assert refusal("fit train.xyz") == "sklode: interrupted."


@pytest.mark.slow
def test_warnings_are_one_line_each(folder, monkeypatch, tmp_path):
    """Of labels that spoil a fit, once, although structures are fitted twice."""
    frames = charges(12)
    frames[3].calc.results["energy"] += 100.0
    same = frames[3].copy()
    same.calc = charges(12)[3].calc
    ase.io.write(tmp_path / "wrong.xyz", [*frames, same])
    _, complaints = sklode(tmp_path, "fit", "wrong.xyz", *SMALL)
    lines = complaints.splitlines()
    assert len(lines) >= 1
    assert all(line.startswith("sklode: warning: ") for line in lines)
    kinds = [line.split(": ")[2] for line in lines]
    assert len(kinds) == len(set(kinds))
    assert "unequal_energies" in kinds
    assert "X[3] (Cl3Na3)" in complaints


@pytest.mark.parametrize("name", [*commands.commands, ""])
def test_help_has_an_example(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main([*name.split(), "--help"])
    text = capsys.readouterr().out
    example = re.search(rf"Example:\n +(sklode {name}.*)", text)[1]
    assert example.split()[1] in commands.commands
    if name:
        described = commands.commands[name].params
        without = [p.name for p in described if isinstance(p, click.Option) and not p.help]
        assert not without


@pytest.mark.slow
def test_shells_are_told_what_could_come_next(tmp_path, monkeypatch):
    words = {"COMP_WORDS": "sklode fit --exp", "COMP_CWORD": "2"}
    for name, value in {"_SKLODE_COMPLETE": "bash_complete", **words}.items():
        monkeypatch.setenv(name, value)
    assert sklode(tmp_path)[0] == "plain,--exponent\n"


def test_help_is_what_nothing_gives(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main([])
    assert "Commands:" in capsys.readouterr().out
