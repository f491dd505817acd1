"""Splits of binding curves from near to far."""

import numpy as np
import pytest
from ase import Atoms
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from sklode import InteractionFeatures, LongRangePotential
from sklode.datasets import load_s22x5
from sklode.model_selection import NearToFarSplit


def pair(r, curve="a", **info):
    atoms = Atoms("HeNe", [[0, 0, 0], [0, 0, r]], info={"distance": r, "curve": curve, **info})
    atoms.set_array("fragment", np.array([0, 1]))
    return atoms


@pytest.fixture
def curves():
    """Two curves of ten points, the second at twice the distances, in mixed order."""
    frames = [pair(1.0 + i, "a") for i in range(10)] + [pair(2.0 + 2 * i, "b") for i in range(10)]
    order = np.random.default_rng(0).permutation(20)
    return [frames[i] for i in order]


def test_every_cut_trains_on_the_near_part_of_every_curve(curves):
    splits = NearToFarSplit(4, curve="curve", near_share=0.4)
    assert splits.get_n_splits() == 4
    for share, (train, test) in zip((0.4, 0.55, 0.7, 0.85), splits.split(curves), strict=True):
        assert sorted([*train, *test]) == list(range(20))
        for name in "ab":
            near = [curves[i].info["distance"] for i in train if curves[i].info["curve"] == name]
            far = [curves[i].info["distance"] for i in test if curves[i].info["curve"] == name]
            assert len(near) == round(10 * share)
            assert max(near) < min(far)


def test_without_curve_all_structures_are_one(curves):
    ((train, test),) = NearToFarSplit(1, near_share=0.5).split(curves)
    near, far = ([curves[i].info["distance"] for i in part] for part in (train, test))
    assert max(near) < min(far)


def test_groups_are_curves_where_no_key_names_them(curves):
    names = [atoms.info["curve"] for atoms in curves]
    by_key = NearToFarSplit(2, curve="curve").split(curves)
    for (train, test), (a, b) in zip(
        by_key, NearToFarSplit(2).split(curves, groups=names), strict=True
    ):
        np.testing.assert_array_equal(train, a)
        np.testing.assert_array_equal(test, b)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(NearToFarSplit(2).split(curves, groups=names[:-1]))


def test_equal_distances_stay_together():
    frames = [pair(r) for r in (1.0, 2.0, 2.0, 2.0, 3.0)]
    ((train, test),) = NearToFarSplit(1, near_share=0.4).split(frames)
    assert (list(train), list(test)) == ([0, 1, 2, 3], [4])
    frames = [pair(r) for r in (1.0, 2.0, 2.0)]  # the last point is never in the training part
    ((train, test),) = NearToFarSplit(1, near_share=0.9).split(frames)
    assert (list(train), list(test)) == ([0], [1, 2])


def test_distance_of_the_centres_of_mass():
    frames = [pair(r) for r in (3.0, 1.0, 2.0)]
    for atoms in frames:
        atoms.info = {}
    frames[0].set_cell([0, 0, 3.5])
    frames[0].pbc = (False, False, True)  # its nearest images are 0.5 apart
    ((train, test),) = NearToFarSplit(1, distance=None, near_share=0.6).split(frames)
    assert (list(train), list(test)) == ([0, 1], [2])


def test_tests_outside_of_what_a_local_model_sees(curves):
    splits = NearToFarSplit(2, curve="curve", near_share=0.4, outside=9.5)
    for train, test in splits.split(curves):
        assert min(curves[i].info["distance"] for i in test) > 9.5
        assert not set(train) & set(test)
    # the middle is in neither part
    assert len(train) + len(test) < 20
    with pytest.raises(ValueError, match="more than outside=40 angstrom apart"):
        list(NearToFarSplit(2, curve="curve", outside=40.0).split(curves))


def test_inside_of_nested_searches(curves):
    """A search inside a cross-validation cuts X; the distances travel with the structures."""
    y = np.array([atoms.info["distance"] ** -6 for atoms in curves])
    features = InteractionFeatures(LongRangePotential(6, l_max=0, species=["He", "Ne"]))
    search = GridSearchCV(
        make_pipeline(features, Ridge()),
        {"ridge__alpha": [1e-8, 1e-4]},
        cv=NearToFarSplit(2, curve="curve", near_share=0.4),
    )
    scores = cross_val_score(search, curves, y, cv=NearToFarSplit(2, curve="curve"))
    assert scores.shape == (2,)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"distance": "r"}, r"X\[0\] \(HeNe\): has no key 'r' in atoms.info, which `distance`"),
        ({"curve": "name"}, r"X\[0\] \(HeNe\): has no key 'name' in atoms.info, which `curve`"),
        ({"distance": "word"}, r"X\[0\] \(HeNe\): the distance atoms.info\['word'\] must be"),
        ({"n_splits": 4, "curve": "curve"}, "1 of 2 curves have fewer points than there are cuts"),
        ({"n_splits": 0}, "n_splits must be a whole number"),
        ({"near_share": 1.0}, "near_share must be a number between 0 and 1"),
        ({"outside": -1.0}, "outside must be a distance"),
        ({"distance": "same"}, "every curve has one distance only"),
        ({"outside": 1.0, "fragments": "nothing"}, r"X\[0\] \(HeNe\): has no per-atom array"),
    ],
)
def test_bad_input(parameters, message):
    frames = [pair(1.0 + i, "aaaaabbb"[i], word="far", same=1.0) for i in range(8)]
    with pytest.raises(ValueError, match=message):
        list(NearToFarSplit(**parameters).split(frames))


def test_s22x5_at_the_separations_of_the_readme():
    data = load_s22x5()
    for atoms, group in zip(data.data, data.groups, strict=True):
        atoms.info["dimer"] = group
    splits = NearToFarSplit(1, curve="dimer", near_share=0.6)
    ((train, test),) = splits.split(data.data)
    assert set(data.distance[train]) == {0.9, 1.0, 1.2}
    assert set(data.distance[test]) == {1.5, 2.0}
