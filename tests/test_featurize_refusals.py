"""Folders that featurize goes on with, or not, and what it says."""

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
