"""Parallel results are those of serial runs to the last bit, whoever does the work."""

import importlib
import os
import re
import subprocess
import sys
import threading
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from joblib import Parallel, delayed, parallel_config, register_parallel_backend
from joblib.parallel import BACKENDS, ParallelBackendBase
from sklearn.base import clone

from sklode import (
    Composition,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    MultipoleFeatures,
    PowerSpectrum,
)
from sklode.execution import progress
from sklode.execution import shared_memory as shared_rows
from sklode.execution import workers as parallel
from sklode.execution.workers import chunks_by_atoms
from sklode.inputs.atoms import read_structures
from sklode.physics.numerics.harmonics import harmonics_with_gradients, spherical_harmonics
from sklode.physics.system.structures import alike_together, pack, unpack

DENSITY = DensityProjector(cutoff=3.0, n_max=2, l_max=1)
POTENTIAL = LongRangePotential(exponent=(1, 6), cutoff=2.0, l_max=1, smearing=2.0, tol=1e-3)
ESTIMATORS = [
    DENSITY,
    POTENTIAL,
    PowerSpectrum(DENSITY, POTENTIAL, center_species="split"),
    LongRangePotential(cutoff=2.0, l_max=1, smearing=2.0, charges="initial_charges", tol=1e-3),
    LongRangePotential(cutoff=3.0, l_max=1, exterior=True, tol=1e-3),
    MultipoleFeatures(exponent=(1, 6), cutoff=3.0, l_max=1, tol=1e-3),
]


@pytest.fixture(scope="module")
def cells():
    """60 periodic cells of 64 atoms, of two shapes: several chunks."""
    rng = np.random.default_rng(0)
    shapes = [(2, 2, 2), (4, 2, 1)]
    structures = [bulk("NaCl", "rocksalt", a=5.6, cubic=True).repeat(s) for s in shapes * 30]
    for atoms in structures:
        atoms.positions += rng.normal(scale=0.2, size=(64, 3))
        atoms.set_initial_charges(np.where(atoms.numbers == 11, 1.0, -1.0))
    assert len(chunks_by_atoms([len(atoms) for atoms in structures])) > 2
    return structures


@pytest.fixture(scope="module")
def unequal(cells, mixed):
    """Molecules and cells of 2 to 64 atoms in turn."""
    small = mixed * 10
    return [atoms for pair in zip(cells[:30], small[:30], strict=True) for atoms in pair] + small


@pytest.fixture(scope="module")
def dask_cluster():
    """A cluster of two processes on this machine."""
    distributed = pytest.importorskip("dask.distributed", reason="needs the extra dask")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield client


def assert_parallel_is_serial(estimator, X, backend, n_jobs=2, **settings):
    serial = clone(estimator).fit(X)
    parallel = clone(estimator).set_params(n_jobs=n_jobs).fit(X)
    for method in ("transform", "transform_atoms"):
        with parallel_config(backend=backend, **settings):
            got = getattr(parallel, method)(X)
        assert np.array_equal(got, getattr(serial, method)(X))


class Recorder(DensityProjector):
    """Notes the sizes of the structures in every chunk."""

    def __init__(self, *, n_jobs=None):
        super().__init__(cutoff=2.0, n_max=1, l_max=0, n_jobs=n_jobs)

    def fit(self, X, y=None):
        self.seen = []
        return super().fit(X, y)

    def compute_rows(self, structures, per_atom, n_threads):
        self.seen.append([len(structure) for structure in structures])
        return super().compute_rows(structures, per_atom, n_threads)


def name(estimator):
    return type(estimator).__name__


@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=name)
def test_workers_on_this_machine(cells, estimator, backend):
    assert_parallel_is_serial(estimator, cells, backend)


@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize("estimator", ESTIMATORS[:3] + ESTIMATORS[4:], ids=name)
def test_structures_of_all_sizes_and_periodicities(unequal, estimator, backend):
    assert_parallel_is_serial(estimator, unequal, backend)


@pytest.mark.parametrize("n_jobs", [-1, 1, 3])
def test_the_number_of_workers_does_not_matter(unequal, n_jobs):
    assert_parallel_is_serial(POTENTIAL, unequal, "loky", n_jobs=n_jobs)


class ListsOnly(ParallelBackendBase):
    """Gives results when all are there, as Spark's backend does."""

    def configure(self, n_jobs=1, parallel=None, **_):
        self.parallel, self.pool = parallel, ThreadPool(self.effective_n_jobs(n_jobs))
        self.rounds = []
        return self.effective_n_jobs(n_jobs)

    def effective_n_jobs(self, n_jobs):
        return n_jobs

    def start_call(self):
        self.rounds.append(0)

    def submit(self, function, callback=None):
        self.rounds[-1] += 1
        return self.pool.apply_async(function, callback=callback)

    apply_async = submit  # its name until joblib 1.5

    def terminate(self):
        self.pool.terminate()


@pytest.fixture
def lists_only():
    """Name of a backend without generators."""
    register_parallel_backend("lists only", ListsOnly)
    yield "lists only"
    del BACKENDS["lists only"]


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of two cells."""
    for estimator in (DENSITY, POTENTIAL):
        monkeypatch.setattr(type(estimator), "atoms_at_once", lambda *_: 128)


class TestHighDegrees:
    """Harmonics beyond l = 6 need scratch memory, which no two threads may share."""

    def test_harmonics(self):
        directions = np.random.default_rng(0).normal(size=(8, 5000, 3))
        expected = [spherical_harmonics(vectors, 12) for vectors in directions]
        with ThreadPool(4) as pool:
            for _ in range(5):
                got = pool.map(partial(spherical_harmonics, l_max=12), directions)
                assert all(map(np.array_equal, got, expected))

    def test_gradients_of_harmonics(self):
        directions = np.random.default_rng(0).normal(size=(8, 5000, 3))
        expected = [harmonics_with_gradients(vectors, 9)[1] for vectors in directions]
        with ThreadPool(4) as pool:
            got = pool.map(partial(harmonics_with_gradients, l_max=9), directions)
            assert all(np.array_equal(a[1], b) for a, b in zip(got, expected, strict=True))

    def test_threads_of_joblib(self, cells):
        assert_parallel_is_serial(
            DensityProjector(cutoff=4.0, n_max=2, l_max=12), cells, "threading", n_jobs=4
        )

    def test_threads_inside_a_structure(self, cells):
        large = cells[0].repeat(3)
        rows = DensityProjector(cutoff=5.0, n_max=2, l_max=8).fit(cells).transform_atoms([large])
        threaded = DensityProjector(cutoff=5.0, n_max=2, l_max=8, n_jobs=4).fit(cells)
        with parallel_config("threading"):
            assert np.array_equal(threaded.transform_atoms([large]), rows)


# forks of a process that has threads may hang, and pytest's has those of other tests
FORKS = pytest.mark.forks


def test_forks():
    """Tests with forks, in a process that has no threads."""
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-q", "-m", "forks", __file__]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d\d passed, \d+ deselected", done.stdout)


class TestBackendsWithoutGenerators:
    @FORKS
    @pytest.mark.parametrize("estimator", ESTIMATORS, ids=name)
    def test_multiprocessing(self, unequal, estimator):
        assert_parallel_is_serial(estimator, unequal, "multiprocessing")

    @FORKS
    def test_many_chunks_and_derivatives(self, cells, small_chunks):
        assert_parallel_is_serial(DENSITY, cells, "multiprocessing", n_jobs=3)
        serial = derivatives(clone(DENSITY).fit(cells), cells)
        with parallel_config("multiprocessing", n_jobs=2):
            assert all(map(np.array_equal, derivatives(clone(DENSITY).fit(cells), cells), serial))

    @pytest.mark.parametrize("estimator", [DENSITY, POTENTIAL], ids=name)
    def test_one_of_the_user(self, cells, estimator, lists_only, small_chunks):
        assert_parallel_is_serial(estimator, cells, lists_only)

    def test_results_come_round_by_round(self, lists_only):
        """Not all are held at once, and the progress bar moves."""
        jobs = [(read_structures([Atoms("H")]),)] * 40
        with parallel_config(lists_only) as config:
            results = parallel.each_chunk(who, DENSITY, jobs, 2)
            next(results)
            assert config["backend"].rounds == [4]  # four tasks of four chunks each
            assert len(list(results)) == 39
            assert config["backend"].rounds == [4, 4, 2, 0]  # none are left

    @FORKS
    @pytest.mark.parametrize("backend", ["multiprocessing", "lists only"])
    def test_failures_are_raised(self, cells, backend, lists_only):
        with parallel_config(backend), pytest.raises(RuntimeError, match="on purpose"):
            Failing(n_jobs=2).fit(cells).transform(cells)


def test_dask_cluster(dask_cluster, unequal):
    before = dask_cluster.run(count_of_tasks)
    for estimator in ESTIMATORS[1:3]:
        assert_parallel_is_serial(estimator, unequal, "dask", n_jobs=None)
    after = dask_cluster.run(count_of_tasks)
    assert len(after) == 2
    assert sum(after.values()) > sum(before.values())


def count_of_tasks(dask_worker):
    return len(dask_worker.state.log)


def test_interaction_passes_the_workers_on(s22x5_small):
    X = s22x5_small.data * 2
    serial = InteractionFeatures(POTENTIAL).fit_transform(X)
    parallel = InteractionFeatures(clone(POTENTIAL).set_params(n_jobs=2)).fit_transform(X)
    assert np.array_equal(parallel, serial)


def test_composition_is_chunked_too(cells):
    with parallel_config(backend="loky", n_jobs=2):
        assert (Composition().fit_transform(cells) == 32).all()


def files_in_memory():
    """Files of rows that this process has open."""
    links = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return sum("sklode rows" in link for link in links)


def derivatives(estimator, X):
    """Rows and derivatives of all kinds, one after the other."""
    moved, strained = estimator.transform_all_gradients(X)
    rows, moved_alone = estimator.transform_with_gradients(X)
    alone = estimator.transform_strain_gradients(X)
    return [*moved, *strained, *rows, *moved_alone, *alone]


class TestSharedRows:
    """Many rows are written by the workers, through memory that both sides see."""

    @pytest.fixture(autouse=True)
    def all_are_worth_it(self, monkeypatch):
        monkeypatch.setattr("sklode.physics.blocks.SHARED_BYTES", 1)

    @pytest.fixture
    def made(self, monkeypatch):
        """Shape of every array that was made."""
        if not hasattr(os, "memfd_create"):
            pytest.skip("no files in memory on this system")
        made, original = [], shared_rows.SharedRows.__init__

        def noted(self, shape, dtype):
            made.append(shape)
            original(self, shape, dtype)

        monkeypatch.setattr(shared_rows.SharedRows, "__init__", noted)
        return made

    @pytest.mark.parametrize("estimator", ESTIMATORS[:3], ids=name)
    def test_they_are_those_of_one_process(self, cells, estimator, made):
        assert_parallel_is_serial(estimator, cells, "loky")
        assert [n_rows for n_rows, _ in made] == [60, 60 * 64]  # transform and transform_atoms

    @pytest.mark.parametrize("estimator", [DENSITY, ESTIMATORS[2]], ids=name)
    def test_derivatives_too(self, unequal, estimator, made):
        serial = derivatives(clone(estimator).fit(unequal), unequal)
        with parallel_config(backend="loky", n_jobs=2):
            shared = derivatives(clone(estimator).fit(unequal), unequal)
        n_atoms = sum(len(atoms) for atoms in unequal)
        positions, strain = 3 * n_atoms, 9 * len(unequal)
        assert [n for n, _ in made] == [positions + strain, positions, strain]
        assert all(map(np.array_equal, shared, serial))

    def test_a_failure_leaves_no_file(self, cells, made):
        failing = Failing(n_jobs=2).fit(cells)
        before = files_in_memory()
        with parallel_config(backend="loky"), pytest.raises(RuntimeError, match="on purpose"):
            failing.transform(cells)
        assert len(made) == 1
        assert files_in_memory() <= before

    def test_memory_is_used_again_once_nobody_has_it(self, cells, made):
        estimator = clone(DENSITY).set_params(n_jobs=2).fit(cells)
        first = estimator.transform_atoms(cells)
        kept, part = first.copy(), first[5:7]
        second = estimator.transform_atoms(cells[::-1])
        assert np.array_equal(first, kept)
        del first  # but not part
        third = estimator.transform_atoms(cells[::-1])
        assert np.array_equal(part, kept[5:7])
        before = files_in_memory()
        del part, second, third
        for _ in range(5):
            assert np.array_equal(estimator.transform_atoms(cells), kept)
        assert files_in_memory() < before

    def test_much_memory_goes_back(self, cells, made, monkeypatch):
        monkeypatch.setattr("sklode.physics.blocks.KEPT_SHARED_BYTES", 1)
        monkeypatch.setattr(shared_rows, "_kept", [])
        estimator = clone(DENSITY).set_params(n_jobs=2).fit(cells)
        before = files_in_memory()
        rows = estimator.transform(cells)
        assert files_in_memory() > before
        del rows
        assert files_in_memory() == before

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on this system")
    @FORKS
    def test_the_array_of_a_child_stays_as_it_is(self, made):
        with shared_rows.SharedRows((3, 2), np.dtype(float)) as rows:
            rows[:] = 1.0
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(read, 1)  # until the parent has made another array
            os._exit(not (rows == 1.0).all())
        del rows
        with shared_rows.SharedRows((3, 2), np.dtype(float)) as rows:
            rows[:] = 2.0
        os.write(write, b" ")
        assert os.waitpid(child, 0)[1] == 0
        os.close(read)
        os.close(write)

    @FORKS
    def test_what_a_child_writes_is_its_own(self, cells, made):
        estimator = clone(DENSITY).set_params(n_jobs=2).fit(cells)
        rows = estimator.transform_atoms(cells)
        assert len(made) == 1
        kept = rows.copy()
        child = os.fork()
        if child == 0:
            rows *= 0.0
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert np.array_equal(rows, kept)

    @pytest.mark.parametrize("backend", ["threading", "loky"])
    def test_without_them_rows_are_sent(self, cells, made, backend, monkeypatch):
        if backend == "loky":
            monkeypatch.delattr(os, "memfd_create")
        assert_parallel_is_serial(DENSITY, cells, backend)
        assert (backend == "loky") == bool(made)

    def test_what_cannot_be_written_is_sent(self, cells, made, monkeypatch):
        monkeypatch.setattr(shared_rows.SharedRows, "__getstate__", nowhere)
        assert_parallel_is_serial(DENSITY, cells, "loky")
        serial = derivatives(clone(DENSITY).fit(cells), cells)
        with parallel_config(backend="loky", n_jobs=2):
            sent = derivatives(clone(DENSITY).fit(cells), cells)
        assert len(made) == 5
        assert all(map(np.array_equal, sent, serial))


def nowhere(shared):
    """What workers get of rows in a file that they cannot open."""
    return {"_shape": shared._shape, "_dtype": shared._dtype, "_path": "/nowhere"}


class Failing(DensityProjector):
    """Has no rows."""

    def __init__(self, *, n_jobs=None):
        super().__init__(cutoff=2.0, n_max=1, l_max=0, n_jobs=n_jobs)

    def compute_rows(self, structures, per_atom, n_threads):
        raise RuntimeError("on purpose")


def who(transformer, structures):
    return os.getpid()


@pytest.mark.parametrize(
    ("n_jobs", "n_chunks", "together"), [(2, 8, 4), (2, 16, 4), (3, 6, 2), (2, 2, 1)]
)
def test_tasks_hold_several_chunks(n_jobs, n_chunks, together):
    jobs = [(read_structures([Atoms("H")]),)] * n_chunks
    with parallel_config(backend="loky"):
        workers = list(parallel.each_chunk(who, DENSITY, jobs, n_jobs))
    assert all(len(set(task)) == 1 for task in np.split(np.array(workers), n_chunks // together))
    assert os.getpid() not in workers


def test_structures_reach_workers_as_few_arrays(unequal):
    charged = [atoms.copy() for atoms in unequal]
    for atoms in charged:
        atoms.set_initial_charges(np.arange(len(atoms)))
    structures = read_structures(charged, ["initial_charges"])
    sizes, *whole, charges = pack(structures)
    n_atoms, n_structures = sum(map(len, unequal)), len(unequal)
    assert [len(array) for array in whole] == 2 * [n_atoms] + 2 * [n_structures]
    for found, expected in zip(unpack(sizes, *whole, charges), structures, strict=True):
        for name in ("numbers", "positions", "cell", "periodic"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
            assert getattr(found, name).dtype == getattr(expected, name).dtype
        assert found.charges.keys() == expected.charges.keys()
        np.testing.assert_array_equal(*(s.charges["initial_charges"] for s in (found, expected)))


@pytest.mark.parametrize("somebody_looks", [True, False])
@pytest.mark.parametrize(
    ("backend", "n_jobs"),
    [("loky", 1), ("loky", 2), pytest.param("multiprocessing", 2, marks=FORKS)],
)
def test_long_work_shows_progress_to_who_looks(
    cells, backend, n_jobs, somebody_looks, monkeypatch, capsys
):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "somebody_looks", lambda: somebody_looks)
    with parallel_config(backend):
        clone(DENSITY).set_params(n_jobs=n_jobs).fit(cells).transform(cells)
    shown = capsys.readouterr().err
    assert ("DensityProjector" in shown and "/60" in shown) == somebody_looks


def test_nobody_looks_at_a_file_or_a_worker():
    assert not progress.somebody_looks()  # pytest captures the output
    looks = Parallel(n_jobs=2)(delayed(progress.somebody_looks)() for _ in range(2))
    assert looks == [False, False]


def test_every_pool_of_threads_is_limited():
    """Whenever its library is loaded; one that has run does not work in a fork."""
    program = """
from sklode.execution.workers import one_blas_thread, pools
with one_blas_thread, pools("openmp").limit(limits=1):
    from ase.build import molecule
    from sklode import DensityProjector
    from threadpoolctl import threadpool_info
    DensityProjector().fit_transform([molecule("H2O")])
    print({pool["num_threads"] for pool in threadpool_info()})
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "{1}\n"


def test_limits_of_threads_that_overlap_end():
    """Whoever ends last gives back what the first has found."""
    program = """
from sklode.execution.workers import one_blas_thread, pools
def found():
    return {pool["num_threads"] for pool in pools("blas").info()}
assert found() == {2}
one_blas_thread.__enter__()
one_blas_thread.__enter__()
assert found() == {1}
one_blas_thread.__exit__()  # of the first
assert found() == {1}
one_blas_thread.__exit__()
assert found() == {2}
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


@pytest.mark.parametrize("n_jobs", [1, 2, 5])
def test_chunks_do_not_depend_on_the_number_of_workers(unequal, n_jobs):
    recorder = Recorder(n_jobs=n_jobs).fit(unequal)
    with parallel_config(backend="threading"):
        recorder.transform(unequal)
    sizes = [len(unequal[i]) for i in alike_together(read_structures(unequal))]
    assert sorted(recorder.seen) == sorted(sizes[chunk] for chunk in chunks_by_atoms(sizes))


@pytest.mark.parametrize("method", ["direct", "nufft"])
def test_threads_inside_one_large_structure_change_nothing(method):
    rng = np.random.default_rng(0)
    atoms = Atoms("NaCl" * 300, rng.uniform(0, 20, (600, 3)), cell=[20, 21, 22], pbc=True)
    lode = LongRangePotential(tol=1e-4, method=method, invariants=None)
    serial = lode.fit([atoms]).transform_atoms([atoms])
    threaded = clone(lode).set_params(n_jobs=2).fit([atoms]).transform_atoms([atoms])
    assert np.array_equal(serial, threaded)


SHARED = [DensityProjector(), PowerSpectrum(DensityProjector())]


def one_large_structure():
    rng = np.random.default_rng(0)
    return Atoms("NaCl" * 300, rng.uniform(0, 20, (600, 3)), cell=[20, 21, 22], pbc=True)


@pytest.mark.parametrize("method", ["transform", "transform_atoms"])
@pytest.mark.parametrize("n_jobs", [2, 3])
@pytest.mark.parametrize("limit", [0, 2**20], ids=["pairs apart", "pairs share"])
@pytest.mark.parametrize("estimator", SHARED, ids=name)
def test_threads_change_no_bit_of_a_density(estimator, limit, n_jobs, method, monkeypatch):
    monkeypatch.setattr("sklode.physics.blocks.SHARED_FUNCTIONS", limit)
    monkeypatch.setattr("sklode.physics.blocks.PAIRS", 500)  # many pieces
    monkeypatch.setattr("sklode.physics.blocks.SPECTRUM_NUMBERS", 2**14)
    atoms = one_large_structure()
    serial = getattr(clone(estimator).fit([atoms]), method)([atoms])
    threaded = clone(estimator).set_params(n_jobs=n_jobs).fit([atoms])
    assert np.array_equal(serial, getattr(threaded, method)([atoms]))


@pytest.mark.parametrize(
    "work", ["pairs.values._sum_groups", "invariants.power_spectrum._products"]
)
def test_threads_share_the_work_on_a_density(work, monkeypatch):
    monkeypatch.setattr("sklode.physics.blocks.PAIRS", 500)
    monkeypatch.setattr("sklode.physics.blocks.SPECTRUM_NUMBERS", 2**14)
    module, function = work.rsplit(".", 1)
    module = importlib.import_module(f"sklode.physics.{module}")
    original, workers = getattr(module, function), set()
    together = threading.Barrier(2, timeout=60)  # nobody gets through alone

    def watched(*args):
        if threading.get_ident() not in workers:
            workers.add(threading.get_ident())
            together.wait()
        return original(*args)

    monkeypatch.setattr(module, function, watched)
    atoms = one_large_structure()
    DensityProjector(n_jobs=2).fit([atoms]).transform_atoms([atoms])
    assert len(workers) == 2


@given(
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=60),
    atoms_per_chunk=st.integers(1, 400),
)
def test_chunks_cover_everything_once_in_order_and_evenly(sizes, atoms_per_chunk):
    chunks = chunks_by_atoms(sizes, atoms_per_chunk)
    covered = [i for chunk in chunks for i in range(len(sizes))[chunk]]
    assert covered == list(range(len(sizes)))
    atoms = [sum(sizes[chunk]) for chunk in chunks]
    assert min(atoms) > 0
    # a chunk ends with the structure in which its share is reached
    assert max(atoms) <= max(atoms_per_chunk, max(sizes)) + max(sizes)
    n_least = -(-sum(sizes) // atoms_per_chunk)
    assert len(chunks) < 2 * n_least or len(chunks) == 1
    n_wanted = min(n_least, len(sizes))
    assert max(atoms) < sum(sizes) / n_wanted + max(sizes)


@pytest.mark.parametrize(
    ("n_least", "expected"),
    [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (7, 8), (8, 8), (9, 16), (17, 24), (100, 104)],
)
def test_workers_have_equally_many_chunks(n_least, expected):
    assert len(chunks_by_atoms([1] * (10 * n_least), 10)) == expected


@given(n_structures=st.integers(1, 500), size=st.integers(1, 100))
def test_chunks_of_equal_structures_differ_by_one_structure(n_structures, size):
    chunks = chunks_by_atoms([size] * n_structures, 128)
    counts = [chunk.stop - chunk.start for chunk in chunks]
    assert max(counts) - min(counts) <= 1
