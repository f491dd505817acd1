"""Settings of all tests, and structures that several share. Tests must not change them."""

import gc
import warnings
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule
from borders import shrink
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from sklode.datasets import load_s22x5

threadpool_limits(1)  # pytest starts a process for each core, whose threads would wait for cores

# the same examples everywhere, on however slow a machine
settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fixed")


def pytest_configure(config):
    """Make errors of warnings in tests, benchmarks and the gallery, as in sklode itself."""
    root = Path(__file__).resolve().parents[1]
    folders = root / "tests", root / "benchmarks", root / "docs" / "gallery"
    names = sorted({path.stem for folder in folders for path in folder.glob("*.py")})
    config.addinivalue_line("filterwarnings", f"error:::({'|'.join(names)})$")


def rattled(atoms, seed, size=0.1):
    atoms.positions += np.random.default_rng(seed).normal(scale=size, size=atoms.positions.shape)
    return atoms


def with_charges(atoms):
    """One number an atom, the same for all atoms of an element."""
    atoms.set_initial_charges(np.where(atoms.numbers == 1, 0.4, -0.1 * atoms.numbers + 0.5))
    return atoms


@pytest.fixture(scope="session")
def molecules():
    """Isolated molecules of H, C, N, O with charges, two of them of equal size."""
    names = ["H2O", "CH4", "CH3OH", "NH3", "CH3CN", "H2O", "CO2", "C2H6"]
    return [with_charges(rattled(molecule(name), seed)) for seed, name in enumerate(names)]


@pytest.fixture(scope="session")
def crystals():
    """Small periodic cells of H, C, N, O with charges."""
    cells = [
        bulk("NO", "rocksalt", a=4.8, cubic=True),
        bulk("CO", "zincblende", a=4.6),
        bulk("HN", "cesiumchloride", a=3.4).repeat((2, 1, 1)),
    ]
    return [with_charges(rattled(atoms, seed)) for seed, atoms in enumerate(cells)]


@pytest.fixture(scope="session")
def mixed(molecules, crystals):
    """Isolated and periodic structures, alternating."""
    return [*molecules[:2], crystals[0], molecules[2], *crystals[1:], *molecules[3:]]


@pytest.fixture(scope="session")
def s22x5_small():
    """The five separations of each of the first eight S22 dimers, as a Bunch."""
    dimers = load_s22x5()
    for key in ("target", "groups", "distance"):
        dimers[key] = dimers[key][:40]
    dimers.data = dimers.data[:40]
    return dimers


@pytest.fixture(params=["ordinary", "shrunken"])
def block_sizes(request, monkeypatch):
    """Ordinary sizes of blocks, and so small ones that four atoms cross every border."""
    if request.param == "shrunken":
        shrink(monkeypatch)
    return request.param


@pytest.fixture
def n_computed(tmp_path_factory, monkeypatch):
    """How many structures ``Counted`` of kept_rows.py has computed since the last call."""
    log = tmp_path_factory.getbasetemp() / "computed"  # one for all, as workers remember it
    log.write_text("")
    monkeypatch.setenv("SKLODE_TEST_LOG", str(log))

    def count():
        n_lines = len(log.read_text().splitlines())
        log.write_text("")
        return n_lines

    return count


@pytest.fixture
def memory(tmp_path):
    return str(tmp_path / "cache")


@pytest.fixture
def structures(molecules):
    """Seven different molecules that a test may change."""
    return [atoms.copy() for atoms in molecules[:5] + molecules[6:]]


@pytest.fixture(autouse=True)
def _close_files_of_dynamics(request):
    """Some versions of ASE leave files open until a run is collected, wherever that happens."""
    yield
    if request.node.path.stem in {"test_ipi", "test_simulation", "test_simulations_page"}:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
