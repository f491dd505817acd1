"""Features written to disk: the same whatever happens on the way."""

import errno
import os
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase.build import molecule
from ase.io import write
from numpy.testing import assert_array_equal
from processes import killed, python
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from written import DENSITY, labelled

import sklode
from sklode import Composition, DensityProjector, LongRangePotential
from sklode.parquet import parts, run
from sklode.streaming import FeatureDataset, batches

pytest.importorskip("pyarrow", reason="needs the extra io")


@pytest.fixture(scope="module")
def many():
    return [labelled(number) for number in range(200)]


@pytest.fixture(scope="module")
def xyz(many, tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "many.xyz"
    write(path, many)
    return path


@pytest.fixture(scope="module")
def undisturbed(xyz, tmp_path_factory):
    """What an undisturbed run gives."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return sklode.featurize(DENSITY, xyz, folder, batch_atoms=40, info_keys=["number"]).read()


class TestResume:
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
    @pytest.mark.parametrize(
        "seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))]
    )
    @pytest.mark.slow
    def test_killed_at_random_moments(self, seed, xyz, undisturbed, tmp_path):
        n_kills, n_states = killed("featurize", seed, xyz, tmp_path)
        assert n_kills > 3, "nothing was killed in the middle"
        assert n_states > 3, "no run got further than the one before"
        pd.testing.assert_frame_equal(FeatureDataset(tmp_path).read(), undisturbed)
        assert not list(tmp_path.glob(".*"))

    def options(self):
        return {"batch_atoms": 40, "info_keys": ["number"]}

    def test_what_is_there_is_not_computed_again(self, xyz, undisturbed, tmp_path):
        dataset = sklode.featurize(DENSITY, xyz, tmp_path, **self.options())
        times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        lost = [tmp_path / "part-000003.parquet", tmp_path / "part-000007.parquet"]
        for path in lost:
            path.unlink()
        assert not FeatureDataset(tmp_path).complete
        dataset = sklode.featurize(DENSITY, xyz, tmp_path, **self.options())
        pd.testing.assert_frame_equal(dataset.read(), undisturbed)
        changed = {path for path in times if path.stat().st_mtime_ns != times[path]}
        assert changed == set(lost)

    def test_a_damaged_part_is_made_again(self, xyz, undisturbed, tmp_path):
        sklode.featurize(DENSITY, xyz, tmp_path, **self.options())
        path = tmp_path / "part-000002.parquet"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(ValueError, match=r"part-000002.parquet is damaged. Remove it"):
            FeatureDataset(tmp_path).read()
        dataset = sklode.featurize(DENSITY, xyz, tmp_path, **self.options())
        pd.testing.assert_frame_equal(dataset.read(), undisturbed)

    def test_moved_source(self, xyz, tmp_path):
        """The contents count, not names and times."""
        sklode.featurize(DENSITY, xyz, tmp_path / "o", **self.options())
        moved = tmp_path / "moved.xyz"
        moved.write_bytes(xyz.read_bytes())
        before = (tmp_path / "o" / "part-000000.parquet").stat().st_mtime_ns
        sklode.featurize(DENSITY, moved, tmp_path / "o", **self.options())
        assert (tmp_path / "o" / "part-000000.parquet").stat().st_mtime_ns == before

    @pytest.mark.parametrize("keep", [3, 100])
    def test_another_source_is_refused(self, keep, many, xyz, tmp_path):
        """One that differs at the end, in the middle, or in an energy."""
        folder = tmp_path / "o"
        sklode.featurize(DENSITY, many, folder, batch_atoms=40)
        for path in sorted(folder.iterdir())[keep:]:
            path.unlink()
        moved = [atoms.copy() for atoms in many]
        moved[7].positions[0, 0] += 1e-6
        relabelled = [*many[:8], labelled(8), *many[9:]]
        relabelled[8].calc.results["energy"] = 0.25
        for other in (moved, relabelled, many[:10], many[1:]):
            before = {path: path.read_bytes() for path in folder.iterdir()}
            with pytest.raises(ValueError, match="was made from other structures"):
                sklode.featurize(clone(DENSITY).fit(many), other, folder, batch_atoms=40)
            assert {path: path.read_bytes() for path in folder.iterdir()} == before

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (
                {"transformer": DensityProjector(cutoff=4.0, n_max=2, l_max=1)},
                r"cutoff=3.0, not 4.0",
            ),
            ({"transformer": Composition()}, "transformer="),
            ({"level": "atom"}, "level='structure', not 'atom'"),
            ({"batch_atoms": 41}, "batch_atoms=40, not 41"),
            ({"info_keys": []}, "info_keys"),
        ],
    )
    def test_other_parameters_are_refused(self, change, match, many, tmp_path):
        given = {"transformer": DENSITY, "source": many, **self.options()}
        sklode.featurize(destination=tmp_path, **given)
        for path in sorted(tmp_path.iterdir())[2:]:
            path.unlink()
        with pytest.raises(ValueError, match=match):
            sklode.featurize(destination=tmp_path, **given | change)

    @pytest.mark.parametrize("complete", [True, False])
    @pytest.mark.parametrize("fitted", [True, False])
    def test_other_code_is_refused(self, fitted, complete, many, xyz, tmp_path, monkeypatch):
        transformer = Scaled().fit(many) if fitted else Scaled()
        sklode.featurize(transformer, xyz, tmp_path, **self.options())
        if not complete:
            (tmp_path / "part-000002.parquet").unlink()
        monkeypatch.setattr(Scaled, "BY", 2.0)
        with pytest.raises(ValueError, match="same parameters whose code was another"):
            sklode.featurize(transformer, xyz, tmp_path, **self.options())

    def test_another_version_adds_no_rows(self, xyz, tmp_path, monkeypatch):
        """Rows of one folder come from one version; a complete folder stays what it is."""
        sklode.featurize(DENSITY, xyz, tmp_path, **self.options())
        monkeypatch.setattr(run, "_version", lambda: "1000.0")
        sklode.featurize(DENSITY, xyz, tmp_path, **self.options())
        (tmp_path / "part-000002.parquet").unlink()
        with pytest.raises(ValueError, match=r"with sklode .*, and this is 1000.0, whose rows"):
            sklode.featurize(DENSITY, xyz, tmp_path, **self.options())

    def test_the_same_parameters_fitted_otherwise_are_refused(self, many, tmp_path):
        def fitted(X):
            return make_pipeline(species, StandardScaler()).fit(X)

        species = clone(DENSITY).set_params(species=["H", "C", "N", "O"])
        sklode.featurize(fitted(many), many, tmp_path)
        sklode.featurize(fitted(many), many, tmp_path)
        with pytest.raises(ValueError, match="fitted to other structures"):
            sklode.featurize(fitted(many[:100]), many, tmp_path)

    def test_workers_may_differ(self, many, tmp_path):
        """How something is computed is no parameter of what it is."""
        sklode.featurize(DENSITY, many, tmp_path)
        other = DensityProjector(cutoff=3.0, n_max=2, l_max=1, n_jobs=2)
        assert sklode.featurize(other, many, tmp_path).complete

    def test_without_resume(self, many, tmp_path):
        sklode.featurize(DENSITY, many[:5], tmp_path, resume=False)
        with pytest.raises(FileExistsError, match="holds features already"):
            sklode.featurize(DENSITY, many[:5], tmp_path, resume=False)

    def test_folders_of_others_are_left_alone(self, many, tmp_path):
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(FileExistsError, match=r"holds other things \(notes.txt\)"):
            sklode.featurize(DENSITY, many, tmp_path)
        with pytest.raises(FileExistsError, match="is a file; give a folder"):
            sklode.featurize(DENSITY, many, tmp_path / "notes.txt")
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        pd.DataFrame({"a": [1]}).to_parquet(foreign / "part-000000.parquet")
        with pytest.raises(ValueError, match="was not written by sklode"):
            sklode.featurize(DENSITY, many, foreign)
        with pytest.raises(FileNotFoundError, match="holds no features"):
            FeatureDataset(tmp_path / "nowhere")

    def test_two_at_once(self, many, tmp_path):
        pytest.importorskip("fcntl", reason="needs locks of files")
        with parts.alone_in(tmp_path), pytest.raises(RuntimeError, match="Another process"):
            sklode.featurize(DENSITY, many, tmp_path)


class TestErrors:
    @pytest.fixture
    def broken(self, many):
        """Structures 3, 90 and 91 cannot be described."""
        structures = [atoms.copy() for atoms in many]
        structures[3].positions[0, 0] = np.nan
        structures[90].symbols[0] = "Au"
        structures[91] = structures[91][:0]
        return structures

    def test_raised(self, broken, many, tmp_path):
        fitted = clone(DENSITY).fit(many)
        with pytest.raises(ValueError, match=r"X\[3\] \(H3N\): position of atom 0 .*skip"):
            sklode.featurize(fitted, broken, tmp_path, batch_atoms=40)
        assert list(tmp_path.iterdir()) == []
        broken[3] = many[3]
        with pytest.raises(ValueError, match=r"X\[90\] .*contains Au.*holds \d\d structures"):
            sklode.featurize(fitted, broken, tmp_path, batch_atoms=40)
        broken[90:92] = many[90:92]
        expected = sklode.featurize(fitted, broken, tmp_path / "whole", batch_atoms=40).read()
        for path in (tmp_path / "whole").iterdir():
            path.unlink()
        (tmp_path / "whole").rmdir()
        dataset = sklode.featurize(fitted, broken, tmp_path, batch_atoms=40)
        pd.testing.assert_frame_equal(dataset.read(), expected)

    @pytest.mark.parametrize("batch_atoms", [40, 1])
    def test_skipped(self, batch_atoms, broken, many, tmp_path):
        fitted = clone(DENSITY).fit(many)
        options = {"batch_atoms": batch_atoms, "on_error": "skip"}
        dataset = sklode.featurize(fitted, broken, tmp_path, **options)
        skipped, frame = dataset.skipped, dataset.read()
        assert list(skipped["structure"]) == [3, 90, 91]
        assert skipped["reason"][0].startswith("X[3] (H3N): position of atom 0 is [ ")
        assert skipped["formula"][1] == broken[90].get_chemical_formula()
        assert "Au" in skipped["reason"][1]
        assert "has no atoms" in skipped["reason"][2]
        good = [n for n in range(200) if n not in (3, 90, 91)]
        assert_array_equal(frame["structure"], good)
        rows = fitted.transform([broken[n] for n in good])
        np.testing.assert_allclose(frame.iloc[:, 4:], rows, rtol=1e-13, atol=1e-13)

    def test_nothing_can_be_described(self, tmp_path):
        potential = LongRangePotential(charges="charge", species=["H", "O"])
        water = molecule("H2O")
        water.set_array("charge", np.ones(3))
        potential.fit([water])
        with pytest.raises(ValueError, match="None of the 9 structures can be described"):
            sklode.featurize(potential, [molecule("H2O")] * 9, tmp_path, on_error="skip")

    @pytest.mark.parametrize("ending", ["xyz", "xyz.gz", "traj"])
    def test_truncated_file(self, ending, many, tmp_path):
        path, folder = tmp_path / f"a.{ending}", tmp_path / "o"
        write(path, many)
        whole = path.read_bytes()
        fitted = clone(DENSITY).fit(many)
        expected = sklode.featurize(fitted, path, tmp_path / "whole", batch_atoms=40).read()
        path.write_bytes(whole[: int(0.6 * len(whole))])
        if ending == "traj":  # its index is at the end
            with pytest.raises(ValueError, match=r"a.traj cannot be read from X\[\d+\] on"):
                sklode.featurize(fitted, path, folder, batch_atoms=40)
            return
        with pytest.raises(ValueError, match=r"X\[1\d\d\] .*holds \d+ structures in \d+ files"):
            sklode.featurize(fitted, path, folder, batch_atoms=40)
        usable = FeatureDataset(folder).read()
        pd.testing.assert_frame_equal(usable, expected[: len(usable)])
        assert len(usable) > 90
        path.write_bytes(whole)
        dataset = sklode.featurize(fitted, path, folder, batch_atoms=40)
        pd.testing.assert_frame_equal(dataset.read(), expected)

    def test_truncated_file_skipped(self, many, tmp_path):
        path = tmp_path / "a.xyz"
        write(path, many)
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
        dataset = sklode.featurize(DENSITY, path, tmp_path / "o", on_error="skip")
        assert list(dataset.skipped["structure"]) == [199]
        assert "the file ends after" in dataset.skipped["reason"][0]
        assert len(dataset.read()) == 199

    def test_a_wrong_line_is_one_structure(self, many, tmp_path):
        path = tmp_path / "a.xyz"
        write(path, many)
        lines = path.read_text().splitlines(keepends=True)
        lines[3] = lines[3].replace("H ", "Q ")
        path.write_text("".join(lines))
        dataset = sklode.featurize(DENSITY, path, tmp_path / "o", on_error="skip")
        (reason,) = dataset.skipped["reason"]
        assert "X[0] of a.xyz (from line 1 on): line 4" in reason
        assert "'Q' is no element" in reason
        assert_array_equal(dataset.read()["structure"], np.arange(1, 200))

    def test_full_disk(self, many, tmp_path, monkeypatch):
        calls = []

        def fsync(descriptor):
            calls.append(descriptor)
            if len(calls) > 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(parts.os, "fsync", fsync)
            with pytest.raises(OSError, match="disk is full") as caught:
                sklode.featurize(DENSITY, many, tmp_path, batch_atoms=40)
        assert caught.value.errno == errno.ENOSPC
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == [f"part-00000{n}.parquet" for n in range(3)]
        assert len(FeatureDataset(tmp_path).read()) > 20
        assert sklode.featurize(DENSITY, many, tmp_path, batch_atoms=40).n_structures == 200

    def test_a_disk_that_is_really_full(self, many, tmp_path):
        folder = tmp_path / "small"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
        try:
            mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        except OSError:
            mounted = False
        if not mounted:
            pytest.skip("file systems in memory need the rights of root")
        try:
            with pytest.raises(OSError, match="disk is full"):
                sklode.featurize(DENSITY, many, folder, batch_atoms=20)
            usable = FeatureDataset(folder)
            assert 10 < usable.n_structures == len(usable.read()) < 200
            assert not list(folder.glob(".*"))
        finally:
            subprocess.run(["umount", str(folder)], check=True)

    def test_a_vanished_worker(self, many, tmp_path):
        fitted = Deadly(parent=os.getpid()).fit(many)
        with pytest.raises(RuntimeError, match=r"worker process was killed.*Call featurize again"):
            sklode.featurize(fitted, many, tmp_path, batch_atoms=40, n_jobs=2)
        done = FeatureDataset(tmp_path).n_structures if list(tmp_path.iterdir()) else 0
        assert done < 200
        dataset = sklode.featurize(fitted, many, tmp_path, batch_atoms=40)
        assert dataset.complete
        assert dataset.n_structures == 200

    @pytest.mark.parametrize(
        "wrong", [{"level": "atoms"}, {"on_error": "ignore"}, {"batch_atoms": 0}]
    )
    def test_wrong_choices(self, wrong, many, tmp_path):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            sklode.featurize(DENSITY, many, tmp_path / "o", **wrong)
        assert not (tmp_path / "o").exists()


class Deadly(Composition):
    """Kills the worker that has the structure number 100."""

    def __init__(self, parent=0):
        super().__init__()
        self.parent = parent

    def transform(self, X):
        if os.getpid() != self.parent and any(atoms.info["number"] == 100 for atoms in X):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().transform(X)


class Scaled(Composition):
    """Composition times a number."""

    BY = 1.0

    def transform(self, X):
        return self.BY * super().transform(X)


def test_reading_ahead_stops_with_its_reader():
    def endless():
        number = 0
        while True:
            taken.append(number)
            yield number
            number += 1

    taken = []
    reader = batches.ahead(endless(), 3)
    assert [next(reader) for _ in range(5)] == [0, 1, 2, 3, 4]
    reader.close()
    n_taken = len(taken)
    assert n_taken <= 10


def test_progress_has_rate_and_time_left(xyz, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sklode.execution.progress.PATIENCE", 0.0)
    monkeypatch.setattr("sklode.execution.progress.somebody_looks", lambda: True)
    monkeypatch.setenv("TQDM_MININTERVAL", "0")
    sklode.featurize(DENSITY, xyz, tmp_path / "o", batch_atoms=40)
    shown = capsys.readouterr().err
    assert "DensityProjector" in shown
    assert "structure/s" in shown
    found = re.findall(r"(\d+)/(\d+) \[\d\d:\d\d<\d\d:\d\d", shown)
    assert found, shown
    assert all(int(done) <= int(total) <= 210 for done, total in found)


PEAK = """
import sys
from pathlib import Path
from ase.build import molecule
import sklode

def molecules():
    for _ in range(int(sys.argv[1])):
        yield molecule("C6H6")

transformer = sklode.DensityProjector(cutoff=3.0, n_max=4, l_max=3)
sklode.featurize(transformer, molecules, sys.argv[2], batch_atoms=2400)
status = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.slow
def test_memory_stays_flat(tmp_path):
    """With 15 times as many structures, which would take 15 MB for each thousand in memory."""
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc")
    few, many = (python(PEAK, number, tmp_path / str(number)) for number in (600, 9000))
    assert int(many) - int(few) < 20_000, "kB"
