"""Features and fits on a cluster of processes, of which some are killed."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from joblib import parallel_config
from sklearn.base import clone

import sklode
from sklode import AtomisticRidgeCV, Composition, DensityProjector
from sklode.execution.cluster import WorkerVanished, on_cluster
from sklode.physics import blocks

config = pytest.importorskip("dask.config", reason="needs the extra dask")
distributed = pytest.importorskip("dask.distributed", reason="needs the extra dask")
pytestmark = pytest.mark.slow

DENSITY = DensityProjector(cutoff=3.0, n_max=2, l_max=1)


@pytest.fixture(scope="module")
def many():
    structures = []
    for number in range(300):
        rng = np.random.default_rng(number)
        atoms = molecule(["H2O", "CH4", "CH3OH", "NH3"][number % 4])
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
        results = {"energy": rng.normal(), "forces": rng.normal(size=(len(atoms), 3))}
        atoms.calc = SinglePointCalculator(atoms, **results)
        structures.append(atoms)
    return structures


@pytest.fixture
def cluster():
    """Two processes, each with one that watches over it and starts it again."""
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with (
        config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(n_workers=2, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield client


class Slow(DensityProjector):
    """So slow that its worker can be killed in the middle."""

    def transform(self, X):
        time.sleep(0.02)
        return super().transform(X)


class Killer(threading.Thread):
    """Kills one of the workers once the work has begun."""

    def __init__(self, client, begun):
        super().__init__(daemon=True)
        self.victim, self.begun, self.killed = min(client.run(os.getpid).values()), begun, False

    def run(self):
        while not self.begun():
            time.sleep(0.005)
        os.kill(self.victim, signal.SIGKILL)
        self.killed = True


def test_features(cluster, many, tmp_path):
    transformer = Slow(cutoff=3.0, n_max=2, l_max=1).fit(many)
    expected = sklode.featurize(transformer, many, tmp_path / "alone", batch_atoms=80).read()
    folder = tmp_path / "cluster"
    killer = Killer(cluster, lambda: len(list(folder.glob("part-*"))) >= 5)
    killer.start()
    with parallel_config("dask"):
        dataset = sklode.featurize(transformer, many, folder, batch_atoms=80)
    assert killer.killed
    assert dataset.complete
    pd.testing.assert_frame_equal(dataset.read(), expected)


def test_fits(cluster, many, monkeypatch):
    monkeypatch.setattr(blocks, "BATCH_ATOMS", 100)
    expected = AtomisticRidgeCV(DENSITY).fit(lambda: iter(many))
    seen = []

    def source():
        for number, atoms in enumerate(many):
            seen.append(number)
            yield atoms

    killer = Killer(cluster, lambda: len(seen) > 400)  # in the first pass over the equations
    killer.start()
    with parallel_config("dask"):
        got = AtomisticRidgeCV(DENSITY).fit(source)
    assert killer.killed
    assert np.array_equal(got.coef_, expected.coef_)
    for name, values in expected.cv_results_.items():
        assert np.array_equal(got.cv_results_[name], values), name


class Deadly(Composition):
    """Kills every worker that gets benzene."""

    def __init__(self, parent=0):
        super().__init__()
        self.parent = parent

    def transform(self, X):
        if os.getpid() != self.parent and any(len(atoms) == 12 for atoms in X):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().transform(X)


def test_a_batch_that_kills_every_worker(cluster, many, tmp_path):
    """A clear error, and what is there stays usable."""
    X = [*many[:150], molecule("C6H6"), *many[150:]]
    transformer = Deadly(parent=os.getpid()).fit(X)
    with (
        parallel_config("dask"),
        pytest.raises(RuntimeError, match=r"Workers of the cluster were lost.*featurize again"),
    ):
        sklode.featurize(transformer, X, tmp_path, batch_atoms=80)
    dataset = sklode.featurize(transformer, X, tmp_path, batch_atoms=80)
    assert dataset.complete
    assert dataset.n_structures == 301


class DeadlyDensity(DensityProjector):
    """Kills every worker that gets benzene, in one of the chunks of a transform."""

    def __init__(self, parent=0, *, cutoff=3.0, n_max=2, l_max=1, n_jobs=None):
        super().__init__(cutoff, n_max, l_max, n_jobs=n_jobs)
        self.parent = parent

    def compute_rows(self, structures, *others):
        if os.getpid() != self.parent and any(len(s.numbers) == 12 for s in structures):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().compute_rows(structures, *others)


def test_a_chunk_that_kills_every_worker(cluster, many, monkeypatch):
    monkeypatch.setattr(blocks, "CHUNK_ATOMS", 100)
    transformer = DeadlyDensity(parent=os.getpid()).fit([*many, molecule("C6H6")])
    with parallel_config("dask"):
        np.testing.assert_array_equal(
            transformer.transform(many), clone(transformer).set_params(n_jobs=1).fit_transform(many)
        )
        with pytest.raises(RuntimeError, match="Workers of the cluster were lost"):
            transformer.transform([*many[:150], molecule("C6H6"), *many[150:]])


def transformed(transformer, structures):
    blocks.CHUNK_ATOMS = 100  # of the worker
    with parallel_config("dask"):
        return transformer.transform(structures)


def test_tasks_that_wait_for_tasks(cluster, many, monkeypatch):
    """Both workers work on transforms whose chunks are for both workers."""
    monkeypatch.setattr(blocks, "CHUNK_ATOMS", 100)
    transformer = clone(DENSITY).fit(many)
    futures = [cluster.submit(transformed, transformer, many, pure=False) for _ in range(4)]
    expected = transformer.transform(many)
    for found in cluster.gather(futures):
        np.testing.assert_array_equal(found, expected)


def test_ray(many, tmp_path):
    ray = pytest.importorskip("ray", reason="ray is not installed")
    from ray.util.joblib import register_ray

    expected = sklode.featurize(DENSITY, many, tmp_path / "alone", batch_atoms=80).read()
    variables = {"PYTHONPATH": str(Path(sklode.__file__).parents[1])}
    ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": variables})
    try:
        register_ray()
        with parallel_config("ray", n_jobs=2):
            dataset = sklode.featurize(DENSITY, many, tmp_path / "ray", batch_atoms=80)
    finally:
        ray.shutdown()
    pd.testing.assert_frame_equal(dataset.read(), expected)


def test_a_cluster_that_is_gone():
    """What is said is what happened, not that nothing can be cancelled any more."""

    class Gone:
        def submit(self, function, *arguments, pure):
            return self

        def nthreads(self):
            return {}

        def result(self):
            raise distributed.CancelledError("closed")

        def cancel(self, futures):
            raise RuntimeError("no running event loop")

    with pytest.raises(WorkerVanished, match="Workers of the cluster were lost: closed"):
        list(on_cluster(Gone(), len, ["job"]))
