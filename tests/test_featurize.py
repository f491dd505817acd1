"""Features written to disk: what is in them, from any source, for any reader."""

import gzip
import sys

import numpy as np
import pandas as pd
import polars
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.db import connect
from ase.io import write
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import SGDRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from written import DENSITY, NAMES, labelled

import sklode
from sklode import BlockScaler, Composition, DensityProjector, LongRangePotential
from sklode.streaming import FeatureDataset, Source

pytest.importorskip("pyarrow", reason="needs the extra io")

UNION = make_union(DENSITY, LongRangePotential(cutoff=2.0, l_max=1, smearing=2.0, tol=1e-3))


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


class TestRows:
    @pytest.mark.parametrize("transformer", [DENSITY, UNION, make_pipeline(DENSITY)])
    def test_those_of_transform(self, transformer, many, tmp_path):
        transformer = clone(transformer)
        dataset = sklode.featurize(transformer, many, tmp_path, batch_atoms=100)
        frame, names = dataset.read(), list(transformer.fit(many).get_feature_names_out())
        assert dataset.n_parts > 5
        assert list(frame.columns) == ["structure", "formula", "n_atoms", "energy", *names]
        assert dataset.feature_names == names
        rows = transformer.transform(many)
        np.testing.assert_allclose(frame[names], rows, rtol=1e-13, atol=1e-13)
        assert_array_equal(frame["structure"], np.arange(200))
        assert list(frame["formula"]) == [atoms.get_chemical_formula() for atoms in many]
        assert_array_equal(frame["energy"], -0.5 * np.arange(200))

    @pytest.mark.parametrize("transformer", [DENSITY, UNION])
    def test_of_atoms(self, transformer, many, tmp_path):
        dataset = sklode.featurize(transformer, many[:40], tmp_path, level="atom", batch_atoms=50)
        frame = dataset.read()
        transformer = clone(transformer).fit(many[:40])
        branches = [t for _, t in getattr(transformer, "transformer_list", [("", transformer)])]
        rows = np.hstack([branch.transform_atoms(many[:40]) for branch in branches])
        np.testing.assert_allclose(frame[dataset.feature_names], rows, rtol=1e-13, atol=1e-13)
        assert list(frame["symbol"]) == [s for atoms in many[:40] for s in atoms.symbols]
        assert_array_equal(frame["atom"], np.concatenate([range(len(a)) for a in many[:40]]))
        assert_array_equal(frame["structure"], np.repeat(range(40), [len(a) for a in many[:40]]))

    @pytest.mark.slow
    def test_workers_change_nothing(self, xyz, undisturbed, tmp_path):
        given = {"batch_atoms": 40, "info_keys": ["number"]}
        two = sklode.featurize(DENSITY, xyz, tmp_path / "two", n_jobs=2, **given)
        pd.testing.assert_frame_equal(two.read(), undisturbed)
        with parallel_config("threading", n_jobs=2):
            threads = sklode.featurize(DENSITY, xyz, tmp_path / "threads", **given)
        pd.testing.assert_frame_equal(threads.read(), undisturbed)

    def test_single_precision_and_frames(self, many, tmp_path):
        single = DensityProjector(cutoff=3.0, n_max=2, l_max=1, dtype="float32").fit(many)
        single.set_output(transform="pandas")
        frame = sklode.featurize(single, many[:5], tmp_path).read()
        assert set(frame.dtypes.iloc[4:]) == {np.dtype("float32")}
        assert_array_equal(frame.iloc[:, 4:], single.transform(many[:5]))

    def test_what_is_not_finite_is_refused(self, many, tmp_path):
        class Broken(Composition):
            def transform(self, X):
                rows = super().transform(X)
                return np.where(rows == 4, np.nan, rows)

        with pytest.raises(ValueError, match=r"X\[1\] \(CH4\): its features are not finite"):
            sklode.featurize(Broken().fit(many), many[:5], tmp_path)


class TestSources:
    """Anything that ASE reads, lazily."""

    def frame(self, source, folder):
        return sklode.featurize(DENSITY, source, folder, batch_atoms=40).read()

    @pytest.fixture
    def expected(self, many, tmp_path):
        return self.frame(many, tmp_path / "expected")

    @pytest.mark.parametrize("name", ["a.xyz", "a.xyz.gz", "a.extxyz.bz2", "a.traj"])
    def test_files(self, name, many, expected, tmp_path):
        write(tmp_path / name, many)
        pd.testing.assert_frame_equal(self.frame(tmp_path / name, tmp_path / "o"), expected)

    def test_database(self, many, expected, tmp_path, monkeypatch):
        monkeypatch.setattr("sklode.physics.blocks.DATABASE_ROWS", 7)
        with connect(tmp_path / "a.db") as database:
            for atoms in many:
                database.write(atoms, number=atoms.info["number"])
        options = {"batch_atoms": 40, "info_keys": ["number"]}
        dataset = sklode.featurize(DENSITY, tmp_path / "a.db", tmp_path / "o", **options)
        frame = dataset.read()
        assert_array_equal(frame.pop("number"), np.arange(200))
        pd.testing.assert_frame_equal(frame, expected)

    def test_pattern(self, many, expected, tmp_path):
        write(tmp_path / "1.xyz", many[:70])
        write(tmp_path / "2.traj", many[70:90])
        write(tmp_path / "3.xyz.gz", many[90:])
        pd.testing.assert_frame_equal(self.frame(f"{tmp_path}/[123].*", tmp_path / "o"), expected)
        paths = [tmp_path / "1.xyz", str(tmp_path / "2.traj"), tmp_path / "3.xyz.gz"]
        pd.testing.assert_frame_equal(self.frame(paths, tmp_path / "p"), expected)

    def test_iterators(self, many, expected, tmp_path):
        fitted = clone(DENSITY).fit(many)
        dataset = sklode.featurize(fitted, iter(many), tmp_path / "o", batch_atoms=40)
        pd.testing.assert_frame_equal(dataset.read(), expected)
        pd.testing.assert_frame_equal(self.frame(lambda: iter(many), tmp_path / "p"), expected)
        pd.testing.assert_frame_equal(self.frame(pd.Series(many), tmp_path / "q"), expected)

    def test_an_iterator_that_moves_the_same_atoms(self, tmp_path):
        """As a simulation does, while they are read ahead."""

        def steps():
            atoms = bulk("Cu").repeat(2)
            atoms.calc = EMT()
            for _ in range(30):
                atoms.positions[0] += 0.01
                atoms.get_potential_energy()
                yield atoms

        copies = [atoms.copy() for atoms in steps()]
        fitted = clone(DENSITY).fit(copies)
        frame = sklode.featurize(fitted, steps(), tmp_path, batch_atoms=16).read()
        batches = [fitted.transform(copies[i : i + 2]) for i in range(0, 30, 2)]  # of 16 atoms
        assert_array_equal(frame.iloc[:, 4:], np.concatenate(batches))
        assert frame["energy"].nunique() == 30

    def test_read_lazily_and_ahead(self, many, tmp_path):
        """When the first of many files appears, some structures are read, but far from all."""
        read = []

        def source():
            for atoms in many * 5:
                read.append(atoms)
                yield atoms

        class Noting(Composition):
            def transform(self, X):
                seen.append(len(read))
                return super().transform(X)

        seen = []
        sklode.featurize(Noting().fit(many), source, tmp_path, batch_atoms=40)
        per_batch = 10
        assert len(seen) > 80
        ahead_of_work = np.array(seen) - per_batch * np.arange(len(seen))
        assert ahead_of_work.max() < 10 * per_batch
        assert seen[0] < 1000

    @pytest.mark.parametrize(
        ("source", "error", "match"),
        [
            ("nowhere.xyz", FileNotFoundError, "nowhere.xyz: there is no such file"),
            ("*.nothing", FileNotFoundError, "no such file"),
            (".", IsADirectoryError, r"is a folder; give a file, or a pattern such as .*\*\.xyz"),
            (molecule("H2O"), TypeError, "A source of structures is the path of a file"),
            (7, TypeError, "got int"),
            ([], ValueError, "at least one structure"),
            (lambda: iter([]), ValueError, "no structure"),
            (lambda: iter([1]), TypeError, r"X\[0\] is of type int"),
        ],
    )
    def test_refused(self, source, error, match, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(error, match=match):
            sklode.featurize(DENSITY, source, tmp_path / "o")

    def test_source_is_read_as_often_as_wanted(self, xyz):
        source = Source(xyz)
        assert len(list(source)) == len(list(source)) == 200
        assert source.can_repeat
        assert not Source(iter([])).can_repeat


class TestTransformers:
    def test_elements_come_from_all_structures(self, many, tmp_path):
        """A transformer that is not fitted is fitted to the elements of the whole source."""
        transformer = Composition()
        dataset = sklode.featurize(transformer, many, tmp_path)
        assert dataset.feature_names == list(Composition().fit(many).get_feature_names_out())
        assert not hasattr(transformer, "species_")

    def test_a_fitted_one_is_taken_as_it_is(self, many, tmp_path):
        fitted = make_pipeline(clone(DENSITY), StandardScaler()).fit(many[:50])
        rows = sklode.featurize(fitted, many, tmp_path).read().iloc[:, 4:]
        np.testing.assert_allclose(rows, fitted.transform(many), rtol=1e-12, atol=1e-12)

    def test_refused(self, many, tmp_path):
        with pytest.raises(ValueError, match="Fit it to a sample that has all elements"):
            sklode.featurize(make_pipeline(DENSITY, BlockScaler()), many, tmp_path)
        with pytest.raises(ValueError, match="an iterator can be read only once"):
            sklode.featurize(DENSITY, iter(many), tmp_path)
        pipeline = make_pipeline(clone(DENSITY), StandardScaler()).fit(many)
        with pytest.raises(TypeError, match=r'level="atom" needs a transformer of sklode'):
            sklode.featurize(pipeline, many, tmp_path, level="atom")
        with pytest.raises(TypeError, match="transformer must have transform and"):
            sklode.featurize("density", many, tmp_path)
        assert list(tmp_path.iterdir()) == []


class TestReaders:
    """Programs that know nothing of this package."""

    @pytest.fixture
    def folder(self, many, tmp_path):
        sklode.featurize(DENSITY, many, tmp_path, batch_atoms=100, info_keys=["number"])
        return tmp_path

    def test_pandas(self, folder):
        pd.testing.assert_frame_equal(pd.read_parquet(folder), FeatureDataset(folder).read())

    def test_polars(self, folder):
        expected = FeatureDataset(folder).read()
        frame = polars.read_parquet(folder)
        assert frame.columns == list(expected.columns)
        assert_array_equal(frame.select(expected.columns[4:]).to_numpy(), expected.iloc[:, 4:])

    def test_duckdb(self, folder):
        duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
        (found,) = duckdb.sql(
            f"select sum(number), count(distinct formula), min(energy) from '{folder}/*.parquet'"
        ).fetchall()
        assert found == (sum(range(200)), len(NAMES), -99.5)

    def test_dask(self, folder):
        frames = pytest.importorskip("dask.dataframe", reason="dask[dataframe] is not installed")
        expected = FeatureDataset(folder).read()
        frame = frames.read_parquet(folder)
        assert frame.npartitions > 1
        assert_array_equal(frame.compute().iloc[:, 4:], expected.iloc[:, 4:])

    def test_metadata(self, folder):
        import pyarrow.parquet

        dataset = FeatureDataset(folder)
        assert dataset.settings["transformer"]["cutoff"] == 3.0
        assert dataset.settings["transformer"]["class"].endswith("DensityProjector")
        assert dataset.settings["units"] == {"length": "angstrom", "energy": "eV"}
        schema = pyarrow.parquet.read_schema(folder / "part-000000.parquet")
        assert schema.field("energy").metadata == {b"unit": b"eV"}
        assert "200 structures, complete" in repr(dataset)

    def test_partial_fit(self, folder):
        """scikit-learn's own estimators on the parts, as docs/large_data.rst has it."""
        dataset, model = FeatureDataset(folder), SGDRegressor(random_state=0)
        for frame in dataset.parts():
            model.partial_fit(frame[dataset.feature_names], frame["energy"])
        assert model.t_ == 201


class TestInfo:
    def test_types(self, tmp_path):
        values = {
            "whole": 3, "real": 0.5, "text": "a", "yes": True, "array": np.arange(3), "rare": None
        }  # fmt: skip
        structures = [molecule("H2O") for _ in range(9)]
        for atoms in structures:
            atoms.info.update(values)
        structures[4].info["rare"] = 1
        structures[5].info["real"] = 2
        frame = sklode.featurize(Composition(), structures, tmp_path, info_keys=[*values]).read()
        assert list(frame["whole"]) == [3] * 9
        assert frame["real"].dtype == float
        assert frame["yes"].dtype == bool
        assert frame["array"][0] == "[0, 1, 2]"
        assert frame["rare"].notna().sum() == 1

    def test_a_later_value_of_another_type(self, many, tmp_path):
        other = [atoms.copy() for atoms in many]
        other[150].info["number"] = 0.5
        options = {"info_keys": ["number"], "batch_atoms": 40}
        with pytest.raises(ValueError, match=r"X\[150\] \(.*\): its info\['number'\] is 0.5"):
            sklode.featurize(DENSITY, other, tmp_path, **options)
        dataset = sklode.featurize(DENSITY, other, tmp_path, on_error="skip", **options)
        assert list(dataset.skipped["structure"]) == [150]
        assert_array_equal(dataset.read()["number"], [n for n in range(200) if n != 150])

    def test_refused(self, many, tmp_path):
        with pytest.raises(ValueError, match=r"structures has atoms.info\['nothing'\]"):
            sklode.featurize(DENSITY, many, tmp_path, info_keys=["nothing"])
        with pytest.raises(ValueError, match="'energy' is the name of another column"):
            sklode.featurize(DENSITY, many, tmp_path, info_keys=["energy"])
        with pytest.raises(TypeError, match="must be a list of keys"):
            sklode.featurize(DENSITY, many, tmp_path, info_keys="number")


def test_without_pyarrow(many, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "sklode\[io\]"'):
        sklode.featurize(DENSITY, many, tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_compressed_positions_tell_how_far(many, tmp_path):
    path = tmp_path / "a.xyz.gz"
    with gzip.open(path, "wt") as file:
        write(file, many * 10, format="extxyz")
    source = Source(path)
    found = [source.fraction for _ in source.records()]
    assert found == sorted(found)
    assert found[-1] == 1.0
    assert found[0] < 0.6
