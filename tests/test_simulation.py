"""Error bars along simulations of ASE, and what the driver refuses; i-PI is in test_ipi.py."""

import pickle
import socket
from threading import Thread

import numpy as np
import pytest
from ase import units
from ase.calculators.emt import EMT
from ase.calculators.socketio import SocketIOCalculator
from ase.filters import FrechetCellFilter
from ase.io import Trajectory, read, write
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from toy import PairSums, cluster, crystal, with_results

from sklode import AtomisticRidgeCV
from sklode.simulation import ErrorBarExceeded, run_driver, watch_error_bars

RNG = np.random.default_rng(0)
X = [with_results(maker(RNG, n)) for n in (3, 4, 5, 6) for maker in (cluster, crystal)]
N_STEPS = 12


@pytest.fixture(scope="module")
def model():
    return AtomisticRidgeCV(PairSums((0.6, 1.1)), [1e-6, 1e-4]).fit(X)


@pytest.fixture
def atoms(model):
    """Moving fast, so that the error bar changes."""
    atoms = X[3].copy()
    atoms.calc = model.calculator()
    thermal = np.sqrt(units.kB * 3000 * atoms.get_masses())[:, None]
    atoms.set_momenta(thermal * np.random.default_rng(1).normal(size=(len(atoms), 3)))
    return atoms


def expected_bars(model, frames):
    return [model.predict([atoms], return_std=True)[1][0] for atoms in frames]


def test_trajectories_have_the_error_bar_of_their_own_frame(tmp_path, model, atoms):
    """One made with the dynamics, one attached before and one after; each frame its own."""
    dynamics = VelocityVerlet(atoms, 0.5 * units.fs, trajectory=str(tmp_path / "own.traj"))
    with (
        Trajectory(tmp_path / "before.traj", "w", atoms) as before,
        Trajectory(tmp_path / "after.traj", "w", atoms) as after,
    ):
        dynamics.attach(before, interval=3)
        watch_error_bars(dynamics)
        dynamics.attach(after)
        dynamics.attach(lambda: write(tmp_path / "run.xyz", atoms, append=True))
        dynamics.run(N_STEPS)
    for name, count in (("own.traj", 13), ("before.traj", 5), ("after.traj", 13), ("run.xyz", 13)):
        frames = read(tmp_path / name, ":")
        bars = [frame.info["energy_std"] for frame in frames]
        assert len(bars) == count
        np.testing.assert_allclose(bars, expected_bars(model, frames), rtol=1e-6)
        assert len(set(bars)) == count
        assert all(np.isfinite(frame.get_potential_energy()) for frame in frames)
    assert read(tmp_path / "own.traj").info["energy_std"] == bars[-1]


def test_a_limit_stops_after_the_frame_that_passes_it(tmp_path, model, atoms):
    start = atoms.copy()
    start.calc = model.calculator()
    free = VelocityVerlet(start, 0.5 * units.fs, trajectory=str(tmp_path / "free.traj"))
    watch_error_bars(free)
    free.run(N_STEPS)
    bars = np.array([frame.info["energy_std"] for frame in read(tmp_path / "free.traj", ":")])
    limit = (bars[0] + bars.max()) / 2
    first = int(np.flatnonzero(bars > limit)[0])
    assert 0 < first < N_STEPS

    stopped = VelocityVerlet(atoms, 0.5 * units.fs, trajectory=str(tmp_path / "stopped.traj"))
    watch_error_bars(stopped, limit)
    message = rf"step {first} \(\w+\): the error bar of the energy is {bars[first]:.6g} eV and"
    with pytest.raises(ErrorBarExceeded, match=message) as caught:
        stopped.run(N_STEPS)
    assert (caught.value.step, caught.value.limit) == (first, limit)
    assert caught.value.error_bar == bars[first]
    np.testing.assert_array_equal(caught.value.atoms.positions, atoms.positions)
    frames = read(tmp_path / "stopped.traj", ":")
    np.testing.assert_array_equal([frame.info["energy_std"] for frame in frames], bars[: first + 1])


def test_the_run_goes_on_from_where_it_stopped(tmp_path, model, atoms):
    path = str(tmp_path / "run.traj")
    dynamics = VelocityVerlet(atoms, 0.5 * units.fs, trajectory=path)
    watch_error_bars(dynamics, limit=1e-6)
    with pytest.raises(ErrorBarExceeded):
        dynamics.run(N_STEPS)
    again = read(path)
    again.calc = model.calculator()
    more = VelocityVerlet(again, 0.5 * units.fs, trajectory=path, append_trajectory=True)
    watch_error_bars(more)
    more.run(2)
    frames = read(path, ":")  # the one in between may be there twice, by the version of ASE
    assert len({frame.get_potential_energy() for frame in frames}) == 3
    bars = [frame.info["energy_std"] for frame in frames]
    np.testing.assert_allclose(bars, expected_bars(model, frames), rtol=1e-9)


def test_a_random_walk_and_a_relaxation_of_the_cell(tmp_path, model, atoms):
    rng = np.random.default_rng(0)
    walk = Langevin(atoms, 0.5 * units.fs, temperature_K=300, friction=0.01, fixcm=False, rng=rng)
    relaxation = BFGS(FrechetCellFilter(atoms), logfile=None, trajectory=str(tmp_path / "r.traj"))
    for dynamics, options in ((walk, {}), (relaxation, {"fmax": 1e-9})):
        watch_error_bars(dynamics)
        dynamics.run(steps=3, **options)
        assert atoms.info["energy_std"] == expected_bars(model, [atoms])[0]
    frames = read(tmp_path / "r.traj", ":")
    bars = [frame.info["energy_std"] for frame in frames]
    np.testing.assert_allclose(bars, expected_bars(model, frames), rtol=1e-9)


def test_watching_computes_nothing_more(model, atoms, monkeypatch):
    calls = []
    backpropagate = PairSums.backpropagate

    def counting(self, *arguments):
        calls.append(1)
        return backpropagate(self, *arguments)

    monkeypatch.setattr(PairSums, "backpropagate", counting)
    monkeypatch.setattr(type(model), "predict", None)
    dynamics = VelocityVerlet(atoms, 0.5 * units.fs)
    watch_error_bars(dynamics, limit=1e9)
    dynamics.run(N_STEPS)
    assert len(calls) == N_STEPS + 1


def test_error_bars_that_are_not_known_do_not_pass(atoms):
    lonely = AtomisticRidgeCV(PairSums((0.6, 1.1)), [1e-4]).fit([X[3]])
    assert np.isnan(lonely.noise_)
    atoms.calc = lonely.calculator()
    dynamics = VelocityVerlet(atoms, 0.5 * units.fs)
    watch_error_bars(dynamics, limit=1.0)
    with pytest.raises(ValueError, match=r"error bars of this model are NaN[\s\S]*limit=None"):
        dynamics.run(1)


def test_other_calculators_are_refused(atoms):
    for calculator in (EMT(), None):
        atoms.calc = calculator
        with pytest.raises(TypeError, match=r"has no error bars\. Set `atoms\.calc = model"):
            watch_error_bars(VelocityVerlet(atoms, 1.0))


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), "1", True])
def test_limits_are_positive_numbers(model, atoms, limit):
    with pytest.raises((TypeError, ValueError), match="limit must be"):
        watch_error_bars(VelocityVerlet(atoms, 1.0), limit)
    with pytest.raises((TypeError, ValueError), match="limit must be"):
        run_driver(model, atoms, port=31429, limit=limit)


def test_the_error_goes_through_pickle(atoms):
    error = pickle.loads(pickle.dumps(ErrorBarExceeded(3, 0.5, 0.1, atoms.copy())))
    assert str(error).startswith("step 3 (")
    assert (error.step, error.error_bar, error.limit) == (3, 0.5, 0.1)


@pytest.mark.parametrize("index", [2, 3])
def test_the_server_of_ase_is_driven_too(model, index):
    """Forces, and stresses where there is a cell, through the socket."""
    template, served = X[index].copy(), X[index].copy()
    found = {}

    def serve():
        with SocketIOCalculator(port=31428, timeout=30) as served.calc:
            found["energy"], found["forces"] = served.get_potential_energy(), served.get_forces()
            if index == 3:
                found["stress"] = served.get_stress()

    server = Thread(target=serve)
    server.start()
    assert run_driver(model, template, port=31428) == 1
    server.join()
    assert found["energy"] == pytest.approx(model.predict([template])[0], rel=1e-12)
    np.testing.assert_allclose(found["forces"], model.predict_forces([template])[0], atol=1e-10)
    if index == 3:
        np.testing.assert_allclose(found["stress"], model.predict_stress([template])[0], atol=1e-10)


def test_no_server_in_time(model):
    with pytest.raises(ConnectionError, match=r"No server at port 31430 of localhost within 0\.2"):
        run_driver(model, X[0], port=31430, wait=0.2)
    with pytest.raises(TypeError, match=r"template must be ase\.Atoms; got list"):
        run_driver(model, [X[0]])


def test_systems_without_unix_sockets(model, monkeypatch):
    monkeypatch.delattr(socket, "AF_UNIX", raising=False)
    with pytest.raises(ValueError, match="no Unix sockets: give host and port"):
        run_driver(model, X[0], unixsocket="nowhere")
