"""The page of simulations is one program that runs, its input of i-PI included."""

import re
import socket
import textwrap
import warnings
from pathlib import Path

import ipi_runs
import numpy as np
import pytest
from ase.io import read

PAGE = Path(__file__).resolve().parents[1] / "docs" / "simulations.rst"


def pieces(language, kind=""):
    """Code of the page in this language and of this class, without its indentation."""
    option = f"    :class: {kind}\\n" if kind else ""
    found = re.findall(
        rf"code-block:: {language}\n{option}\n((?:    .*\n|\n)+)", PAGE.read_text(encoding="utf-8")
    )
    return [textwrap.dedent(piece) for piece in found]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def names(folder):
    """What the program has defined, without the drivers, which wait for i-PI; nothing warns."""
    names = {}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.chdir(folder)
        warnings.simplefilter("error")
        exec(compile("\n".join(pieces("python")), PAGE.name, "exec"), names)
    return names


def test_the_cold_run_has_error_bars_below_the_limit(names, folder):
    assert len(names["error_bars"]) == 21
    assert 0 < min(names["error_bars"]) < max(names["error_bars"]) < 0.05
    energies = [frame.get_total_energy() for frame in read(folder / "cold.traj", ":")]
    assert np.ptp(energies) < 0.01


def test_the_hot_run_stops_with_the_structure(names, folder):
    frames = read(folder / "hot.traj", ":")
    assert 0 < names["step"] == len(frames) - 1 < 200
    np.testing.assert_array_equal(frames[-1].positions, names["unknown"].positions)
    bars = [frame.info["energy_std"] for frame in frames]
    assert max(bars[:-1]) <= 0.05 < bars[-1]


@pytest.mark.skipif(
    ipi_runs.COMMAND is None or not hasattr(socket, "AF_UNIX"),
    reason="needs i-PI (pip install ipi) and Unix sockets",
)
@pytest.mark.parametrize("script", [False, True], ids=["in the program", "as a script"])
def test_the_input_of_ipi_and_the_driver(script, names, folder, monkeypatch):
    (text,), code = pieces("xml"), pieces("python", "driver")[script]
    name = ipi_runs.free_name()
    monkeypatch.chdir(folder)
    assert text.count("<address> copper </address>") == code.count('unixsocket="copper"') == 1
    (folder / "input.xml").write_text(text.replace("> copper <", f"> {name} <"))
    with ipi_runs.running(folder, name):
        exec(code.replace('"copper"', repr(name)), {} if script else dict(names))
    printed = np.loadtxt(folder / "copper.out")
    assert printed.shape == (21, 4)
    start = names["model"].predict([names["copper"]])[0]
    assert printed[0, 1] == pytest.approx(start, abs=1e-5)  # positions in a file of 8 digits
    assert 50 < printed[:, 2].mean() < 500
    assert np.ptp(printed[:, 3]) < 0.02
    lines = (folder / "copper.bar_0").read_text().splitlines()
    bars = [float(line) for line in lines if "#" not in line]
    assert len(bars) == 21
    assert 0 < min(bars) < max(bars) < 0.05
    assert len(read(folder / "copper.pos_0.extxyz", ":")) == 5
