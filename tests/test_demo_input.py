"""Files and folders that the demo cannot use: one line that says which, before the work."""

import errno
import gzip
from itertools import combinations
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from matplotlib.backends.backend_agg import FigureCanvasAgg

from sklode import cli
from sklode.demo import experiment as demo
from sklode.demo import files as demo_files
from sklode.demo.picture import draw
from sklode.inputs.xyz import read_file
from sklode.outputs import files as output_files

WORKED = RuntimeError("the work has begun")
BROKEN = gzip.compress(b"2\n\nH 0 0 0\n", mtime=0)[:-9]  # the same bytes in every process


def hydrogens(n=6):
    frames = []
    for k in range(n):
        atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.7 + 0.1 * k]])
        atoms.info = {"pair": "abc"[k % 3], "r": 0.7 + 0.1 * k}
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0 - k)
        frames.append(atoms)
    return frames


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "good.xyz"
    ase.io.write(path, hydrogens())
    return path.read_text().splitlines(keepends=True)


@pytest.fixture
def no_work(monkeypatch):
    """The demo ends where its work would begin."""

    def begin(self):
        raise WORKED

    monkeypatch.setattr(demo.Demo, "run", begin)


def refusal(capsys, *arguments):
    """The only line on standard error."""
    assert cli.main(["demo", *map(str, arguments)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("sklode: ")
    return line


def other(lines, number, text):
    """The file with another line, counted from 1; or without it."""
    return "".join([*lines[: number - 1], text, *lines[number:]])


BAD_FILES = {
    "empty": (lambda good: "", "the file is empty; it must hold structures as extended XYZ"),
    "blank": (lambda good: "\n \n", "holds no structures"),
    "unknown element": (
        lambda good: other(good, 7, "Zz 0.0 0.0 0.0\n"),
        "X[1] (from line 5 on): line 7, 'Zz 0.0 0.0 0.0': 'Zz' is no element. Repair or remove",
    ),
    "no number": (
        lambda good: other(good, 8, "H 0.0 zz 0.0\n"),
        "X[1] (from line 5 on): line 8, 'H 0.0 zz 0.0': could not convert string to float: 'zz'",
    ),
    "too few columns": (lambda good: other(good, 8, "H 0.0\n"), "line 8, 'H 0.0': could not"),
    "a line too few": (
        lambda good: other(good, 4, ""),
        "X[0] must have 2 atoms; after 1 of them, line 4 is the number 2. The file is not read",
    ),
    "a line too many": (
        lambda good: other(good, 4, good[3] * 2),
        "line 5 must be the number of atoms of X[1]; it is 'H ",
    ),
    "properties": (
        lambda good: other(good, 2, good[1].replace("pos:R:3", "pos:Q:3")),
        "X[0] (from line 1 on): line 2, 'Properties=",
    ),
    "ends early": (lambda good: "".join(good[:-1]), "X[5] must have 2 atoms; the file ends"),
    "negative count": (lambda good: other(good, 1, "-2\n"), "X[0]; it is '-2'"),
    "no atoms": (lambda good: "0\n\n" + "".join(good), "X[0] (empty): has no atoms"),
    "not finite": (lambda good: other(good, 8, "H 0 nan 0\n"), "X[1] (H2): position of atom 1"),
    "flat cell": (
        lambda good: other(good, 6, 'Lattice="0 0 0 0 0 0 0 0 0" pbc="T T T" energy=1\n'),
        "X[1] (H2): is periodic",
    ),
    "key twice": (
        lambda good: other(good, 6, "energy=1 pair='energy=1' energy=2\n"),
        "X[1] (from line 5 on): has the key 'energy' more than once",
    ),
    "no energy": (lambda good: other(good, 6, "pair=a r=1\n"), "X[1] (H2): has no energy; name"),
    "energy elsewhere": (
        lambda good: other(good, 6, "pair=a r=1 REF_energy=-1.5\n"),
        "X[1] (H2): has no energy; name its key with --energy; --energy REF_energy if that is one",
    ),
    "energy of text": (lambda good: other(good, 6, "energy=low\n"), "X[1] (H2): the energy must"),
    "binary": (lambda good: b"\x00\xff" * 50, "cannot be read ("),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_the_file_and_the_structure_are_named(case, lines, tmp_path, capsys, no_work):
    change, message = BAD_FILES[case]
    path, content = tmp_path / "bad.xyz", change(lines)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    line = refusal(capsys, "--data", path, "--output", tmp_path / "out")
    assert line.startswith(f"sklode: {path}: ")
    assert message in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.xyz", None, "there is no such file"),
        (".", None, "is a folder; give a file"),
        ("data.foo", b"2\n\nH 0 0 0\nH 0 0 1\n", "neither name nor contents tell a format"),
        ("data.json", b"{}", "neither name nor contents tell a format"),
        ("data.traj", b"something else", "cannot be read"),
        ("data.cif", b"something else", "cannot be read (AssertionError); it must hold"),
        ("data.xyz.gz", b"something else", "cannot be read (Not a gzipped file"),
        ("data.xyz.gz", BROKEN, "cannot be read (Compressed file"),
    ],
)
def test_files_that_are_none(name, content, message, tmp_path, capsys, no_work):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    line = refusal(capsys, "--data", path, "--output", tmp_path / "out")
    assert line.startswith(f"sklode: {path}: ")
    assert message in line


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            ["--distance", "none"],
            "X[0] (H2): has no key 'none' (--distance none); it has ['flag', 'nan', ",
        ),
        (["--distance", "pair"], "pair must be a finite number in every structure; it is 'a'"),
        (["--distance", "flag"], "flag must be a finite number in every structure; it is True"),
        (["--distance", "nan"], "nan must be a finite number"),
        (["--distance", "two"], "two must be a finite number"),
        (["--energy", "pair"], "X[0] (H2): pair must be a finite number"),
        (["--energy", "nan"], "X[0] (H2): nan must be a finite number"),
        (["--group", "none"], "X[0] (H2): has no key 'none' (--group none)"),
        (["--fragments", "none"], "X[0] (H2): has no key 'none' (--fragments none)"),
        (["--fragments", "flag"], "'flag' must be the number of atoms of the first molecule"),
        (["--fragments", "positions"], "the array 'positions' must be one integer an atom"),
        (["--fragments", "whole"], "the array 'whole' must be one integer an atom, with two"),
    ],
)
def test_keys_that_mean_nothing(keys, message, tmp_path, capsys, no_work):
    frames = hydrogens()
    for atoms in frames:
        atoms.info |= {"flag": True, "nan": np.nan, "two": np.array([1.0, 2.0])}
        atoms.set_array("whole", np.zeros(2, int))
    ase.io.write(tmp_path / "some.xyz", frames)
    data = ["--data", tmp_path / "some.xyz", "--output", tmp_path / "out"]
    line = refusal(capsys, *data, *keys)
    assert f"{tmp_path / 'some.xyz'}: X[0] (H2): " in line
    assert message in line


@pytest.mark.parametrize(
    ("n", "keys", "message"),
    [
        (1, ["--distance", "r"], "Nothing to predict"),
        (2, ["--distance", "r"], "Only one structure is near enough"),
        (2, ["--group", "pair"], "Nothing to predict"),
    ],
)
def test_too_few_structures(n, keys, message, tmp_path, capsys):
    ase.io.write(tmp_path / "few.xyz", hydrogens(n))
    line = refusal(capsys, "--data", tmp_path / "few.xyz", "--output", tmp_path / "out", *keys)
    assert line.startswith(f"sklode: {tmp_path / 'few.xyz'}: {message}")
    assert not (tmp_path / "out").exists()


def test_errors_of_the_work_name_the_file_too(lines, tmp_path, capsys, no_work):
    (tmp_path / "good.xyz").write_text("".join(lines))
    data = ["--data", tmp_path / "good.xyz", "--output", tmp_path / "out"]
    assert refusal(capsys, *data) == f"sklode: {tmp_path / 'good.xyz'}: {WORKED}"


def test_files_that_are_read(lines, tmp_path):
    """Compressed, with blank lines between structures, with cell vectors, of other suffixes."""
    good = "".join(lines)
    contents = {
        "a.xyz": good.encode(),
        "a.xyz.gz": gzip.compress(good.encode()),
        "a@3.extxyz": good.encode(),
        "b.xyz": "\n".join("".join(lines[k : k + 4]) for k in range(0, 24, 4)).encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    ase.io.write(tmp_path / "a.traj", hydrogens())
    for name in [*contents, "a.traj"]:
        read = read_file(tmp_path / name)
        assert [atoms.get_potential_energy() for atoms in read] == [-1.0 - k for k in range(6)]
        np.testing.assert_allclose(read[5].positions, hydrogens()[5].positions)
    (tmp_path / "vec.xyz").write_text("1\n\nH 0 0 0\nVEC1 5 0 0\n1\n\nO 0 0 0\n")
    with_cell, without = read_file(tmp_path / "vec.xyz")
    assert with_cell.pbc.tolist() == [True, False, False]
    assert without.symbols[0] == "O"


def test_the_key_of_the_calculator_may_be_named(lines, tmp_path):
    (tmp_path / "good.xyz").write_text("".join(lines))
    dimers = demo_files.read_dimers(tmp_path / "good.xyz", energy="energy")
    np.testing.assert_array_equal(dimers.energies, -1.0 - np.arange(6))


class TestOutput:
    """The folder is looked at first, so that no work is lost."""

    @pytest.mark.parametrize(
        ("folder", "reason"),
        [
            ("file", "it is no folder"),
            ("file/below", "Not a directory"),
            ("/proc/nothing", "No such file"),
            ("taken", "it holds a folder called model.skops"),
        ],
    )
    def test_places_that_cannot_be_written_to(self, folder, reason, tmp_path, capsys, no_work):
        (tmp_path / "file").write_text("mine")
        (tmp_path / "taken" / "model.skops").mkdir(parents=True)
        line = refusal(capsys, "--output", tmp_path / folder)
        assert f"--output {tmp_path / folder}: cannot be written to ({reason}" in line
        assert "Give another folder" in line
        assert (tmp_path / "file").read_text() == "mine"

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
    def test_the_probe_fails(self, number, tmp_path, capsys, no_work, monkeypatch):
        def full(**arguments):
            raise OSError(number, errno.errorcode[number])

        monkeypatch.setattr(output_files, "NamedTemporaryFile", full)
        line = refusal(capsys, "--output", tmp_path / "new" / "folder")
        assert f"cannot be written to ({errno.errorcode[number]})" in line
        assert list(tmp_path.iterdir()) == []

    def test_work_that_fails_leaves_folders_as_they_were(self, tmp_path, capsys, no_work):
        old = tmp_path / "old"
        old.mkdir()
        (old / "predictions.csv").write_text("of yesterday")
        for folder in (old, old / "new" / "deeper"):
            assert refusal(capsys, "--output", folder).endswith(str(WORKED))
        assert list(tmp_path.rglob("*")) == [old, old / "predictions.csv"]
        assert (old / "predictions.csv").read_text() == "of yesterday"

    def test_a_stop_is_one_line(self, tmp_path, capsys, monkeypatch):
        def stop(self):
            raise KeyboardInterrupt

        monkeypatch.setattr(demo.Demo, "run", stop)
        assert refusal(capsys, "--output", tmp_path / "out") == "sklode: interrupted."
        assert not (tmp_path / "out").exists()

    def test_a_disk_that_is_full_at_the_end(self, tmp_path, capsys, monkeypatch):
        """The table is printed, what can be written is, and nothing is left unfinished."""
        names = ["predict zero", "local", "local + long-range"]
        errors = pd.DataFrame({"far separations": [2.0, 1.0, 0.5]}, index=names)
        results = demo.Results(table_of("abc"), errors, None, None, [(3.0, 1.0)])
        monkeypatch.setattr(demo.Demo, "run", lambda self: results)

        def full(model, path):
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(demo_files, "save_model", full)
        assert cli.main(["demo", "--output", str(tmp_path)]) == 1
        captured = capsys.readouterr()
        assert "0.5000" in captured.out
        assert f"Written: {tmp_path / 'predictions.csv'}, {tmp_path}/binding" in captured.out
        models = [tmp_path / "model.skops", tmp_path / "local_model.skops"]
        message = " ".join(f"{p} was not written (No space left on device)." for p in models)
        assert captured.err == f"sklode: {message}\n"
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ["binding_curves.png", "predictions.csv"]


def table_of(groups, reference=1.0):
    """Predictions of three separations a group."""
    rows = pd.MultiIndex.from_product([list(groups), [1.0, 1.5, 2.0]], names=["group", "distance"])
    table = rows.to_frame(index=False)
    table["part"] = np.where(table["distance"] > 1.2, "far", "train")
    table["reference"] = reference * table["distance"]
    for name in ("local", "local + long-range"):
        table[f"far: {name}"] = reference * table["distance"] ** 2
    return table


@pytest.mark.parametrize("reference", [1.0, -123456.789])
@pytest.mark.parametrize("n_groups", [1, 2, 5, 12])
def test_all_text_lies_in_the_picture(n_groups, reference):
    """Long names are written in several lines, whole and beside each other."""
    names = [f"{k}_pyridoxine_aminopyridine_$complex_of_a_long_name_{'x' * 40}" for k in range(12)]
    names[0] = "2-pyridoxine_2-aminopyridine_complex"
    figure = draw(table_of(names[:n_groups], reference))
    FigureCanvasAgg(figure).draw()
    everything, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert everything.x0 >= 0
    assert everything.y0 >= 0
    assert everything.x1 <= width
    assert everything.y1 <= height
    titles = [ax.title for ax in figure.axes]
    shown = {"".join(title.get_text().split()) for title in titles}
    assert shown == {name.replace("_", "") for name in names[:n_groups]}
    for one, two in combinations(titles, 2):
        assert not one.get_window_extent().overlaps(two.get_window_extent())
