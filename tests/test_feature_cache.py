"""Rows that are kept in files: what is computed again and what is not, and what may go wrong."""

import os
import pickle
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pytest
import skops.io
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from estimators import density, multipoles, potential
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import FeatureUnion, Pipeline

import sklode
from sklode import (
    AtomisticRidgeCV,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    PowerSpectrum,
)
from sklode.execution import feature_cache, row_files
from sklode.physics.radial.bases import BASES, Monomials
from sklode.potentials import InversePowerLaw, Yukawa

ROUNDING = {"float64": 1e-12, "float32": 1e-5}  # of the largest number, as chunks differ


class Counted(DensityProjector):
    """Notes how many structures are computed, in whatever process, in the file ``LOG``."""

    def compute_rows(self, structures, per_atom, n_threads):
        with open(os.environ["SKLODE_TEST_LOG"], "a") as log:
            log.write(".\n" * len(structures))
        return super().compute_rows(structures, per_atom, n_threads)


@pytest.fixture
def n_computed(tmp_path, monkeypatch):
    """How many structures were computed since the last call."""
    log = tmp_path / "computed"
    log.touch()
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


EDITED_LAW = """
class Edited:
    name = "edited"
    def smeared(self, smearing):
        assert self.name in {{"edited", "in", "a", "notebook"}}
        return InversePowerLaw({}).smeared(smearing)
"""


def counted(memory, **changes):
    return Counted(cutoff=3.0, n_max=2, l_max=1, memory=memory, **changes)


def varied(n):
    waters = [molecule("H2O") for _ in range(n)]
    for number, atoms in enumerate(waters):
        atoms.positions[0, 2] += 0.001 * number
    return waters


def files(memory):
    return sorted(Path(memory).rglob("*.npz"))


def assert_close(got, wanted):
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(
        got, wanted, rtol=0, atol=ROUNDING[str(got.dtype)] * abs(wanted).max()
    )


# --- what is computed -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("method", ["transform", "transform_atoms"])
@pytest.mark.parametrize(
    "make",
    [
        density,
        potential,
        multipoles,
        lambda memory, dtype: PowerSpectrum(
            density(dtype=dtype), potential(dtype=dtype), memory=memory
        ),
    ],
    ids=["density", "potential", "multipoles", "spectrum"],
)
def test_rows_are_those_without_a_cache(mixed, memory, make, method, dtype):
    plain = make(memory=None, dtype=dtype).fit(mixed)
    cached = make(memory=memory, dtype=dtype).fit(mixed)
    wanted = getattr(plain, method)(mixed)
    assert_close(getattr(cached, method)(mixed[3:8]), getattr(plain, method)(mixed[3:8]))
    for _ in range(2):  # part of them from files, all of them from files
        assert_close(getattr(cached, method)(mixed[::-1])[::-1].sum(0), wanted.sum(0))
        assert_close(getattr(cached, method)(mixed), wanted)
    assert files(memory)


def test_only_what_was_not_seen_is_computed(structures, memory, n_computed):
    transformer = counted(memory).fit(structures)
    assert n_computed() == 0  # fit computes nothing
    first = transformer.transform(structures[:4])
    assert n_computed() == 4
    rows = transformer.transform(structures[::-1])
    assert n_computed() == len(structures) - 4
    assert np.array_equal(rows[::-1][:4], first)
    transformer.transform_atoms(structures)
    assert n_computed() == len(structures)
    transformer.transform(structures)
    transformer.transform_atoms(structures[2:])
    assert n_computed() == 0


def test_equal_structures_are_computed_once(structures, memory, n_computed):
    rows = counted(memory).fit(structures).transform([structures[0], structures[1]] * 3)
    assert n_computed() == 2
    assert np.array_equal(rows, np.tile(rows[:2], (3, 1)))


def test_rows_belong_to_the_caller(structures, memory):
    transformer = density(memory=memory).fit(structures)
    first = transformer.transform(structures)
    kept = first.copy()
    for _ in range(2):
        first[:] = -1.0
        first = transformer.transform(structures)
        assert np.array_equal(first, kept)


def move(atoms):
    atoms.positions[0, 0] += 1e-9


def swap(atoms):
    atoms.positions[[0, 1]] = atoms.positions[[1, 0]]


def other_element(atoms):
    atoms.numbers[0] = 8


def charge(atoms):
    atoms.set_initial_charges(atoms.get_initial_charges() + 0.1)


def other_cell(atoms):
    atoms.set_cell(atoms.cell * 1.001)


def other_pbc(atoms):
    atoms.pbc = [True, True, False]


@pytest.mark.parametrize("change", [move, swap, other_element, charge, other_cell, other_pbc])
def test_a_change_is_computed_again(crystals, memory, change):
    lode = potential(charges="initial_charges", center_species="split")
    cached = clone(lode).set_params(memory=memory).fit(crystals)
    cached.transform(crystals)
    changed = [crystals[0].copy(), *crystals[1:]]
    change(changed[0])
    wanted = lode.fit(crystals).transform(changed)
    assert_close(cached.transform(changed), wanted)
    if change is not move:
        assert abs(wanted[0] - cached.transform(crystals)[0]).max() > 1e-6 * abs(wanted).max()


@pytest.mark.parametrize("change", [move, other_element, other_pbc])
def test_a_change_is_counted(structures, memory, n_computed, change):
    for atoms in structures:
        atoms.set_cell([9, 9, 9])
    transformer = counted(memory, species=["H", "C", "N", "O"]).fit(structures)
    transformer.transform(structures)
    n_computed()
    change(structures[2])
    transformer.transform(structures)
    assert n_computed() == 1


def calculator(atoms):
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0)


def info(atoms):
    atoms.info["name"] = "another"


def unused_array(atoms):
    atoms.set_array("tags", np.arange(len(atoms)))


def unused_charges(atoms):
    atoms.set_initial_charges(np.ones(len(atoms)))


def cell_without_periodicity(atoms):
    atoms.set_cell([7, 8, 9])


@pytest.mark.parametrize(
    "change", [calculator, info, unused_array, unused_charges, cell_without_periodicity]
)
def test_what_rows_do_not_depend_on_is_not_computed_again(structures, memory, n_computed, change):
    transformer = counted(memory).fit(structures)
    transformer.transform(structures)
    n_computed()
    change(structures[2])
    transformer.transform(structures)
    assert n_computed() == 0


def test_charges_are_part_of_the_content(structures, memory):
    lode = potential(charges="initial_charges", memory=memory)
    rows = lode.fit(structures).transform(structures)
    other = [atoms.copy() for atoms in structures]
    for atoms in other:
        atoms.set_initial_charges(2 * atoms.get_initial_charges())
    assert_close(lode.transform(other), 4 * rows)


@pytest.mark.parametrize(
    "changes",
    [
        {"smearing": 0.4},
        {"n_max": 1},
        {"pooling": "mean"},
        {"radial_basis": "monomial"},
        {"center_species": "split"},
        {"dtype": "float32"},
        {"species": ["H", "C", "N", "O", "S"]},
    ],
    ids=str,
)
def test_other_parameters_are_computed_again(structures, memory, n_computed, changes):
    counted(memory).fit(structures).transform(structures)
    n_computed()
    transformer = counted(memory).set_params(**changes).fit(structures)
    rows = transformer.transform(structures)
    assert n_computed() == len(structures)
    assert_close(rows, clone(transformer).set_params(memory=None).fit_transform(structures))


def test_parameters_set_after_fit_count(structures, memory, n_computed):
    transformer = counted(memory).fit(structures)
    transformer.transform(structures)
    n_computed()
    transformer.set_params(smearing=0.5).transform(structures)
    assert n_computed() == len(structures)


@pytest.mark.parametrize(
    "changes",
    [{"n_jobs": 2}, {"cutoff": 3}, {"cutoff": np.float64(3)}, {"n_max": np.int64(2)}],
    ids=repr,
)
def test_parameters_that_mean_the_same_are_not(structures, memory, n_computed, changes):
    counted(memory).fit(structures).transform(structures)
    n_computed()
    counted(memory).set_params(**changes).fit(structures).transform(structures)
    assert n_computed() == 0


def test_what_was_learnt_counts(structures, memory, n_computed):
    counted(memory).fit(structures).transform(structures[:1])
    n_computed()
    counted(memory).fit(structures[:1]).transform(structures[:1])  # other elements, fewer columns
    assert n_computed() == 1


def test_parameters_of_projectors_inside_count(structures, memory):
    def rows(**changes):
        spectrum = PowerSpectrum(density(), potential(**changes), memory=memory)
        return spectrum.fit_transform(structures)

    first = rows()
    assert abs(rows(smearing=1.3) - first).max() > 1e-6
    assert abs(rows(exponent=Yukawa(0.3)) - rows(exponent=Yukawa(0.4))).max() > 1e-6
    assert len({path.parent for path in files(memory)}) == 4


def test_other_versions_are_computed_again(structures, memory, n_computed, monkeypatch):
    counted(memory).fit(structures).transform(structures)
    n_computed()
    monkeypatch.setattr(sklode, "__version__", "1000.0")
    counted(memory).fit(structures).transform(structures)
    assert n_computed() == len(structures)


EDITED_BASIS = """
class Edited(Monomials):
    def primitives(self, l, r):
        return Monomials.primitives(self, l, r) * np.exp(-{} * r)
"""


def edited(text, number):
    """The class of a notebook cell that was run with some number in it."""
    known = {"__name__": "__main__", "np": np}
    known |= {"InversePowerLaw": InversePowerLaw, "Monomials": Monomials}
    exec(text.format(number), known)
    return known["Edited"]


def test_edited_laws_are_computed_again(structures, memory):
    rows = [
        potential(exponent=edited(EDITED_LAW, power)(), memory=memory).fit_transform(structures)
        for power in (1, 6, 1)
    ]
    assert abs(rows[1] - rows[0]).max() > 1e-6 * abs(rows[0]).max()
    assert np.array_equal(rows[2], rows[0])
    assert len({path.parent for path in files(memory)}) == 2


def test_laws_that_cannot_be_told_apart_are_refused(structures, memory):
    law = edited(EDITED_LAW, 6)()
    law.lock = threading.Lock()
    with pytest.raises(TypeError, match=r"LongRangePotential.*cannot pickle.*Pass memory=None"):
        potential(exponent=law, memory=memory).fit(structures).transform(structures)


def test_registered_bases_of_one_name_are_told_apart(structures, memory, n_computed, monkeypatch):
    for number, n_new in ((0.1, len(structures)), (0.2, len(structures)), (0.1, 0)):
        monkeypatch.setitem(BASES, "own", edited(EDITED_BASIS, number))
        counted(memory, radial_basis="own").fit(structures).transform(structures)
        assert n_computed() == n_new


# --- searches -------------------------------------------------------------------------------------


def search(memory, n_jobs, **grid):
    """A search over the smearings of either branch of a union, called first and second."""
    branches = [("first", counted(memory)), ("second", counted(memory, smearing=0.5))]
    model = Pipeline([("union", FeatureUnion(branches)), ("ridge", Ridge())])
    grid = {f"union__{name}__smearing": values for name, values in grid.items()}
    return GridSearchCV(model, grid | {"ridge__alpha": [0.1, 1.0]}, cv=KFold(3), n_jobs=n_jobs)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_over_the_other_branch_computes_nothing_again(memory, n_computed, n_jobs):
    X = varied(9)
    y = np.array([atoms.get_distance(0, 1) ** 2 for atoms in X])
    search(memory, n_jobs, first=[0.3, 0.4]).fit(X, y)
    # each of three settings once; two workers that come to it at once do not wait for each other
    assert 3 * 9 <= n_computed() <= 3 * 9 * n_jobs
    found = search(memory, n_jobs, second=[0.3, 0.4, 0.5]).fit(X, y)
    assert n_computed() == 0
    plain = search(None, 1, second=[0.3, 0.4, 0.5]).fit(X, y)
    assert n_computed() == 3 * 2 * 2 * 3 * 9 + 2 * 9  # smearings, alphas, branches, folds; refit
    scores = [s.cv_results_["mean_test_score"] for s in (found, plain)]
    np.testing.assert_allclose(*scores, rtol=1e-6)


def test_workers_compute_what_is_missing(structures, memory, n_computed):
    rows = counted(memory, n_jobs=2).fit(structures).transform(structures)
    assert n_computed() == len(structures)
    assert np.array_equal(rows, counted(memory).fit(structures).transform(structures))
    assert n_computed() == 0


def test_complexes_and_their_fragments_are_kept(s22x5_small, memory, n_computed):
    dimers = s22x5_small.data[:10]
    interaction = InteractionFeatures(counted(memory))
    rows = interaction.fit_transform(dimers)
    assert n_computed() <= 3 * len(dimers)
    assert np.array_equal(InteractionFeatures(counted(memory)).fit_transform(dimers), rows)
    assert n_computed() == 0


def test_fits_of_energies_use_it(structures, memory, n_computed):
    y = np.arange(float(len(structures)))
    for n_new in (len(structures), 0):
        AtomisticRidgeCV(counted(memory), alphas=[1.0]).fit(structures, y).predict(structures)
        assert n_computed() == n_new


# --- two processes --------------------------------------------------------------------------------

TWO = """
import sys
import numpy as np
from ase.build import molecule
from sklode import LongRangePotential
from sklode.potentials import InversePowerLaw
{law}
def moved(number):
    atoms = molecule("H2O")
    atoms.positions[0, 2] += 0.001 * number
    return atoms
seed, memory = int(sys.argv[1]), sys.argv[2]
plain = LongRangePotential(Edited(), l_max=1).fit([moved(0)])
cached = LongRangePotential(Edited(), l_max=1, memory=memory).fit([moved(0)])
rng = np.random.default_rng(seed)
for _ in range(60):
    X = [moved(number) for number in rng.integers(0, 300, rng.integers(1, 40))]
    assert abs(cached.transform(X) - plain.transform(X)).max() < 1e-12
"""


def test_two_processes_at_once_and_a_third_one(memory, monkeypatch):
    program = TWO.format(law=EDITED_LAW.format(6))
    command, seeds = [sys.executable, "-W", "error", "-c", program], (1, 2)
    running = [
        subprocess.Popen([*command, str(seed), memory], stderr=subprocess.PIPE, text=True)
        for seed in seeds
    ]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    drawn = [np.random.default_rng(seed) for seed in seeds]
    drawn = [rng.integers(0, 300, rng.integers(1, 40)) for rng in drawn for _ in range(60)]
    known = [varied(300)[number] for number in np.unique(np.concatenate(drawn))]
    cached = LongRangePotential(edited(EDITED_LAW, 6)(), l_max=1, memory=memory).fit(known)
    monkeypatch.setattr(LongRangePotential, "compute_rows", None)
    assert cached.transform(known).shape == (len(known), cached.n_features_out)
    assert len(files(memory)) < 10  # small ones were put together
    assert not list(Path(memory).rglob("*.part"))


# --- what may go wrong ----------------------------------------------------------------------------


def damage_middle(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def other_content(path):
    np.savez(path, something=np.zeros(3))


def of_other_width(path):
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["rows"] = arrays["rows"][:, :-1]
    np.savez(path, **arrays)


@pytest.mark.parametrize("damage", [damage_middle, cut, empty, other_content, of_other_width])
def test_damaged_files_are_computed_again_with_a_warning(structures, memory, n_computed, damage):
    transformer = counted(memory).fit(structures)
    wanted = transformer.transform(structures)
    n_computed()
    (path,) = files(memory)
    damage(path)
    with pytest.warns(UserWarning, match=r"damaged.*computed again"):
        rows = transformer.transform(structures)
    assert n_computed() == len(structures)
    assert np.array_equal(rows, wanted)
    transformer.transform(structures)  # no warning any more
    assert n_computed() == 0


FULL = """
import resource, sys, warnings
import numpy as np
from ase.build import molecule
from sklode import DensityProjector

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # larger files cannot be written
X = [molecule(name) for name in ("H2O", "CH4", "CH3OH", "C6H6")]
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    rows = DensityProjector(memory=sys.argv[1]).fit_transform(X)
assert np.array_equal(rows, DensityProjector().fit_transform(X))
assert rows.nbytes > 20_000
print([str(w.message) for w in caught])
"""


def test_a_full_disk_is_a_warning(memory):
    pytest.importorskip("resource", reason="limits of a process exist on Unix")
    done = subprocess.run(
        [sys.executable, "-c", FULL, memory], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "could not be kept" in done.stdout
    assert not [path for path in Path(memory).rglob("*") if path.suffix in (".npz", ".part")]


def test_a_folder_that_cannot_be_is_a_warning(structures, tmp_path, n_computed):
    (tmp_path / "file").touch()
    transformer = counted(str(tmp_path / "file")).fit(structures)
    with pytest.warns(UserWarning, match="could not be kept"):
        rows = transformer.transform(structures)
    assert np.array_equal(rows, counted(None).fit(structures).transform(structures))


@contextmanager
def read_only(folder):
    """Nothing in the folder can be changed, not even by the root user, who is somebody else now."""
    root = os.geteuid() == 0
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in folders:
            path.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows knows no folders to read only")
def test_a_read_only_folder_is_read(structures, monkeypatch):
    with TemporaryDirectory() as memory:  # that of pytest is closed to others
        wanted = density(memory=memory).fit(structures).transform(structures[:4])
        transformer = density(memory=memory).fit(structures)
        with read_only(Path(memory)):
            with pytest.raises(PermissionError):
                (Path(memory) / "file").touch()
            with monkeypatch.context() as patch:
                patch.setattr(DensityProjector, "compute_rows", None)
                assert np.array_equal(transformer.transform(structures[:4]), wanted)
            with pytest.warns(UserWarning, match="could not be kept"):
                rows = transformer.transform(structures)
        assert_close(rows, density().fit(structures).transform(structures))
        assert len(files(memory)) == 1


# --- size -----------------------------------------------------------------------------------------


def size(memory):
    return sum(path.stat().st_size for path in Path(memory).rglob("*") if path.is_file())


def test_small_files_are_put_together(memory, n_computed):
    waters = varied(30)
    transformer = counted(memory).fit(waters)
    for atoms in waters:
        transformer.transform([atoms])
    assert n_computed() == 30
    assert len(files(memory)) == 1
    transformer.transform(waters)
    assert n_computed() == 0


def test_large_results_are_several_files(memory, n_computed, monkeypatch):
    monkeypatch.setattr(row_files, "FILE_BYTES", 1000)
    monkeypatch.setattr(row_files, "SMALL_BYTES", 1000)
    waters = varied(30)
    rows = counted(memory).fit(waters).transform(waters)
    assert len(files(memory)) > 3
    n_computed()
    assert np.array_equal(counted(memory).fit(waters).transform(waters[::-1])[::-1], rows)
    atoms = counted(memory).fit(waters).transform_atoms(waters)
    assert n_computed() == 30
    assert np.array_equal(counted(memory).fit(waters).transform_atoms(waters), atoms)
    assert n_computed() == 0


def test_the_size_is_bounded_and_what_was_used_last_stays(tmp_path, n_computed, monkeypatch):
    monkeypatch.setattr(row_files, "SMALL_BYTES", 0)
    limit = 40_000
    memory = joblib.Memory(tmp_path / "cache", verbose=0, backend_options={"bytes_limit": limit})
    waters = varied(200)
    transformer = counted(memory).fit(waters)
    for start in range(0, 200, 10):
        transformer.transform(waters[start : start + 10])
        transformer.transform(waters[:10])  # always in use
        assert size(tmp_path / "cache") < limit + 1000  # .gitignore of joblib
    n_computed()
    transformer.transform(waters[:10])
    transformer.transform(waters[-10:])
    assert n_computed() == 0
    transformer.transform(waters[20:30])
    assert n_computed() == 10


def test_what_was_left_half_written_is_ignored_and_deleted_in_time(tmp_path, n_computed):
    options = {"bytes_limit": "2M"}
    memory = joblib.Memory(tmp_path / "cache", verbose=0, backend_options=options)
    transformer = counted(memory).fit(varied(9))
    transformer.transform(varied(8))
    (file,) = files(tmp_path / "cache")
    left = file.with_name("killed.part")
    left.write_bytes(bytes(2**21))
    os.utime(left, (0, 0))
    n_computed()
    transformer.transform(varied(9))
    assert n_computed() == 1
    assert not left.exists()


def test_a_path_is_bounded_too(memory, n_computed, monkeypatch):
    monkeypatch.setattr(feature_cache, "LARGEST_BYTES", 1000)
    waters = varied(30)
    counted(memory).fit(waters).transform(waters)
    assert size(memory) <= 1000


@pytest.mark.parametrize("limit", ["40K", 40 * 1024])
def test_joblib_reduces_and_clears_it(tmp_path, structures, n_computed, limit):
    options = {"bytes_limit": limit}
    memory = joblib.Memory(str(tmp_path / "cache"), verbose=0, backend_options=options)
    transformer = counted(memory).fit(structures)
    for clean in (lambda: memory.reduce_size(bytes_limit=0), lambda: memory.clear(warn=False)):
        transformer.transform(structures)
        assert n_computed() == len(structures)
        clean()
        assert not files(tmp_path / "cache")


def test_a_path_is_that_of_a_joblib_memory(structures, memory, n_computed):
    counted(memory).fit(structures).transform(structures)
    n_computed()
    for same in (Path(memory), joblib.Memory(memory, verbose=0)):
        counted(same).fit(structures).transform(structures)
        assert n_computed() == 0
    counted(joblib.Memory(None)).fit(structures).transform(structures)  # joblib's way to have none
    assert n_computed() == len(structures)


# --- a parameter like the others ------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, Path, lambda path: joblib.Memory(path, verbose=0)])
def test_estimators_are_copied_and_stored(structures, memory, kind):
    spectrum = PowerSpectrum(density(), potential(), memory=kind(memory))
    spectrum.set_output(transform="pandas").fit(structures)
    frame = spectrum.transform(structures)
    stored = skops.io.dumps(spectrum)
    copies = [
        clone(spectrum).fit(structures),
        pickle.loads(pickle.dumps(spectrum)),
        skops.io.loads(stored, trusted=skops.io.get_untrusted_types(data=stored)),
    ]
    for copy in copies:
        assert copy.transform(structures).equals(frame)
        assert "memory" in copy.get_params()
    assert len(files(memory)) == 1


@pytest.mark.parametrize("wrong", [True, 3, b"cache"])
def test_wrong_kinds_are_refused(structures, wrong):
    with pytest.raises(ValueError, match="'memory' parameter of DensityProjector"):
        density(memory=wrong).fit(structures)


def test_only_folders_are_taken(structures, tmp_path):
    memory = joblib.Memory(tmp_path, verbose=0)
    memory.backend = "s3"
    with pytest.raises(ValueError, match="a folder"):
        density(memory=memory).fit(structures).transform(structures)


def test_models_without_the_parameter_still_work(structures):
    transformer = density().fit(structures)
    del transformer.memory
    assert len(transformer.transform(structures)) == len(structures)


def test_nothing_is_written_without_it(structures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    density().fit(structures).transform(structures)
    assert not list(tmp_path.iterdir())
