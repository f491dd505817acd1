"""Binding curves as scikit-learn's displays."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from sklode import InteractionFeatures, LongRangePotential
from sklode.datasets import load_s22x5
from sklode.plotting import BindingCurveDisplay

mpl.use("Agg")


@pytest.fixture
def axes():
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_one_line_and_one_set_of_points_a_group_sorted_by_separation(axes):
    display = BindingCurveDisplay.from_predictions(
        [3.0, 1.0, 2.0, 9.0],
        [3.1, 1.1, 2.1, 9.1],
        distance=[3, 1, 2, 1],
        groups=["a", "a", "a", "b"],
        ax=axes,
    )
    assert display.ax_ is axes
    assert display.figure_ is axes.figure
    assert len(display.lines_) == len(display.points_) == 2
    np.testing.assert_array_equal(display.lines_[0].get_xydata(), [[1, 1.1], [2, 2.1], [3, 3.1]])
    np.testing.assert_array_equal(display.points_[1].get_offsets(), [[1, 9.0]])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]


def test_a_named_model_has_one_entry_in_the_legend(axes):
    for name in ("one", "two"):
        BindingCurveDisplay.from_predictions(
            [1.0, 2.0], [1.0, 2.0], distance=[1, 2], groups=[0, 1], ax=axes, name=name
        )
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "two"]


def test_from_estimator_reads_separations_and_groups_from_info(axes):
    data = load_s22x5()
    structures, energies = data.data[:10], data.target[:10]
    model = make_pipeline(InteractionFeatures(LongRangePotential(6)), Ridge())
    model.fit(structures, energies)
    display = BindingCurveDisplay.from_estimator(
        model, structures, energies, distance="distance", groups="dimer", ax=axes
    )
    np.testing.assert_array_equal(display.y_pred, model.predict(structures))
    assert [line.get_label() for line in display.lines_] == ["Ammonia_dimer", "Water_dimer"]


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match=r"lengths \[2, 3, 2\]"):
        BindingCurveDisplay.from_predictions([1, 2], [1, 2, 3], distance=[1, 2])


@pytest.mark.parametrize("key", ["distance", "groups"])
def test_a_key_that_a_structure_lacks_is_named(key):
    data = load_s22x5().data[:2]
    del data[1].info["dimer"]
    given = {"distance": "distance", "groups": "dimer"} | {key: "dimer"}
    with pytest.raises(ValueError, match=r"X\[1\] \(H6N2\): has no key 'dimer'; it has \['dist"):
        BindingCurveDisplay.from_estimator(None, data, [1.0, 2.0], **given)


@pytest.mark.parametrize("wrong", ["distance", "y_true", "y_pred"])
def test_what_are_no_numbers_is_named(axes, wrong):
    given = {"distance": [1, 2], "y_true": [1, 2], "y_pred": [1, 2]} | {wrong: ["a", "b"]}
    with pytest.raises(ValueError, match=f"{wrong} must be numbers"):
        BindingCurveDisplay(**given).plot(axes)
