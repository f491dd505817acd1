"""Folders that featurize goes on with, or not, and what it says."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from written import DENSITY, labelled

import sklode
from sklode import Composition, DensityProjector, LongRangePotential, PowerSpectrum

pytest.importorskip("pyarrow", reason="needs the extra io")


@pytest.fixture
def few():
    return [labelled(number) for number in range(20)]


def union(cutoff=4.0, exponent=1):
    local = DensityProjector(cutoff=cutoff, n_max=2, l_max=1)
    return FeatureUnion([("local", local), ("far", LongRangePotential(exponent, l_max=1))])


class TestWhatDiffers:
    """The message names the parameter, wherever it is, with both values."""

    @pytest.mark.parametrize(
        ("one", "other", "match"),
        [
            (union(), union(cutoff=5.0), "made with local: cutoff=4.0, not 5.0. Give"),
            (union(), union(exponent=3), "made with far: exponent=1, not 3. Give"),
            (
                make_pipeline(union()),
                make_pipeline(union(cutoff=5.0)),
                "made with featureunion: local: cutoff=4.0, not 5.0. Give",
            ),
            (
                PowerSpectrum(DENSITY),
                PowerSpectrum(clone(DENSITY).set_params(n_max=3)),
                "made with left: n_max=2, not 3. Give",
            ),
            (
                make_pipeline(DENSITY),
                make_pipeline(DENSITY, StandardScaler()),
                "made with steps=",
            ),
            (
                clone(DENSITY).set_params(species=["H", "C", "N", "O"]),
                clone(DENSITY).set_params(species=["H", "C", "N", "S"]),
                r"made with species\[3\]='O', not 'S'. Give",
            ),
            (DENSITY, Composition(), "made with transformer='?sklode.density.DensityProjector"),
        ],
    )
    def test_parameters(self, one, other, match, few, tmp_path):
        sklode.featurize(clone(one).fit(few), few, tmp_path)
        with pytest.raises(ValueError, match=match):
            sklode.featurize(other, few, tmp_path)


class TestFolders:
    def test_hidden_files_are_no_concern(self, few, tmp_path):
        (tmp_path / ".DS_Store").write_bytes(b"of a Mac")
        (tmp_path / "._part-000000.parquet").write_bytes(b"of a Mac")
        assert sklode.featurize(DENSITY, few, tmp_path).complete
        assert sklode.featurize(DENSITY, few, tmp_path).n_structures == 20

    @pytest.mark.parametrize("n_lost", [0, 1])
    def test_one_that_lacks_structures(self, n_lost, few, tmp_path):
        """Whether it is complete or not, who asks for errors gets them."""
        few[3].positions[0] = np.nan
        fitted, options = clone(DENSITY).fit(few[4:]), {"batch_atoms": 20}
        sklode.featurize(fitted, few, tmp_path, on_error="skip", **options)
        for path in sorted(tmp_path.iterdir())[-1:] * n_lost:
            path.unlink()
        match = r"part-000000.parquet lacks structures: X\[3\] .*on_error=.skip.*remove this file"
        with pytest.raises(ValueError, match=match):
            sklode.featurize(fitted, few, tmp_path, **options)
        dataset = sklode.featurize(fitted, few, tmp_path, on_error="skip", **options)
        assert list(dataset.skipped["structure"]) == [3]

    def test_batch_atoms_of_numpy(self, few, tmp_path):
        dataset = sklode.featurize(DENSITY, few, tmp_path, batch_atoms=np.int64(20))
        assert dataset.settings["batch_atoms"] == 20


class TestStructures:
    @pytest.mark.parametrize("energy", [np.nan, np.inf, np.float32("nan")])
    def test_an_energy_that_is_not_finite(self, energy, few, tmp_path):
        """Features do not need it."""
        few[3].calc.results["energy"] = energy
        frame = sklode.featurize(DENSITY, few, tmp_path).read()
        assert list(np.flatnonzero(frame["energy"].isna())) == [3]
        assert frame["energy"][4] == -2.0

    @pytest.mark.parametrize("n_bad", [1, 9])
    def test_bad_ones_first(self, n_bad, few, tmp_path):
        """The first batch with rows decides on the columns."""
        fitted = clone(DENSITY).fit(few)
        expected = fitted.transform(few[n_bad:])
        for atoms in few[:n_bad]:
            atoms.positions[0] = np.nan
        options = {"batch_atoms": 1, "on_error": "skip", "info_keys": ["number"]}
        dataset = sklode.featurize(fitted, few, tmp_path, **options)
        assert dataset.complete
        assert list(dataset.skipped["structure"]) == list(range(n_bad))
        frame = dataset.read()
        assert list(frame["number"]) == list(range(n_bad, 20))
        np.testing.assert_allclose(frame[dataset.feature_names], expected, rtol=1e-13, atol=1e-13)
