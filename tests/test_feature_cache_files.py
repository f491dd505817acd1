"""Rows that are kept: damaged files, full disks, closed folders, and how much is kept."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pytest
from estimators import density
from kept_rows import assert_close, counted, files, varied

from sklode import (
    DensityProjector,
)
from sklode.execution import feature_cache, row_files

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


def test_without_a_limit_all_stays(tmp_path, monkeypatch, n_computed):
    monkeypatch.setattr(feature_cache, "LARGEST_BYTES", 0)
    options = {"bytes_limit": None}
    memory = joblib.Memory(tmp_path / "cache", verbose=0, backend_options=options)
    counted(memory).fit(varied(9)).transform(varied(9))
    assert files(tmp_path / "cache")


def test_a_wrong_limit_is_refused_before_anything_is_computed(tmp_path, n_computed):
    options = {"bytes_limit": "50 gigs"}
    memory = joblib.Memory(tmp_path / "cache", verbose=0, backend_options=options)
    with pytest.raises(ValueError, match="50 gigs"):
        counted(memory).fit(varied(9)).transform(varied(9))
    assert n_computed() == 0


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
