"""Binding curves, parity, errors and error bars as scikit-learn's displays."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from toy import PairSums, cluster, crystal, with_results

from sklode import AtomisticRidgeCV, InteractionFeatures, LongRangePotential
from sklode.datasets import load_s22x5
from sklode.plotting import (
    BindingCurveDisplay,
    DistanceErrorDisplay,
    ErrorBarDisplay,
    ParityDisplay,
)

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


RNG = np.random.default_rng(0)
X = [with_results(maker(RNG, n)) for n in (3, 4, 5, 6) for maker in (cluster, crystal)]
ENERGIES = np.array([atoms.get_potential_energy() for atoms in X])


@pytest.fixture(scope="module")
def model():
    return AtomisticRidgeCV(PairSums((0.6, 1.1)), [1e-4]).fit(X)


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_parity_of_energies_lays_models_over_each_other(axes):
    first = ParityDisplay.from_predictions([1.0, 2.0], [1.0, 2.2], ax=axes, name="one")
    ParityDisplay.from_predictions([5.0, 6.0], [5.0, 7.0], ax=axes, name="two")
    assert first.ax_ is axes
    np.testing.assert_array_equal(first.points_.get_offsets(), [[1.0, 1.0], [2.0, 2.2]])
    assert legend(axes) == [
        "one: RMSE 0.141, MAE 0.1 eV",
        "two: RMSE 0.707, MAE 0.5 eV",
    ]
    assert len(axes.lines) == 1  # one diagonal
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_xlim()[0] < 1.0
    assert axes.get_xlim()[1] > 7.0


def test_parity_of_all_components_of_forces(axes, model):
    display = ParityDisplay.from_estimator(model, X, quantity="forces", ax=axes)
    reference = np.concatenate([atoms.get_forces().ravel() for atoms in X])
    predicted = np.concatenate([forces.ravel() for forces in model.predict_forces(X)])
    np.testing.assert_array_equal(
        display.points_.get_offsets(), np.stack([reference, predicted], 1)
    )
    assert legend(axes)[0].startswith("RMSE 0.")
    assert legend(axes)[0].endswith("eV/Å")
    assert axes.get_xlabel() == "reference force component (eV/Å)"


def test_parity_per_atom(axes, model):
    display = ParityDisplay.from_estimator(model, X, quantity="energy_per_atom", ax=axes)
    sizes = [len(atoms) for atoms in X]
    expected = np.stack([ENERGIES / sizes, model.predict(X) / sizes], 1)
    np.testing.assert_allclose(display.points_.get_offsets(), expected, rtol=1e-12)
    given = ParityDisplay.from_estimator(model, X, ENERGIES, quantity="energy_per_atom", ax=axes)
    np.testing.assert_array_equal(given.points_.get_offsets(), display.points_.get_offsets())


def test_parity_of_one_point_has_a_size(axes):
    ParityDisplay.from_predictions([2.0], [2.0], ax=axes)
    assert axes.get_xlim() == (1.0, 3.0)


def test_parity_names_what_is_missing(model):
    bare = [X[0], X[1].copy()]
    name = bare[1].get_chemical_formula()
    with pytest.raises(ValueError, match=rf"X\[1\] \({name}\): has no calculator with forces"):
        ParityDisplay.from_estimator(model, bare, quantity="forces")
    with pytest.raises(ValueError, match=rf"X\[1\] \({name}\): has no calculator with an energy"):
        ParityDisplay.from_estimator(model, bare)
    with pytest.raises(ValueError, match=r"equal shapes; y_true\[1\] has \(2, 3\), y_pred"):
        ParityDisplay.from_predictions(
            [np.zeros((1, 3)), np.zeros((2, 3))], [np.zeros((1, 3))] * 2, quantity="forces"
        )
    with pytest.raises(ValueError, match=r"quantity must be one of .*; got 'force'"):
        ParityDisplay.from_predictions([1.0], [1.0], quantity="force")


def test_errors_against_distance_in_bins(axes):
    distance = np.repeat([1.0, 3.0, 2.0], [2, 1, 3])
    errors = np.array([0.3, -0.4, 2.0, 1.0, 1.0, -1.0])
    display = DistanceErrorDisplay.from_predictions(
        np.zeros(6), errors, distance=distance, ax=axes, name="local"
    )
    np.testing.assert_allclose(
        display.line_.get_xydata(), [[1.0, np.sqrt(0.125)], [2.0, 1.0], [3.0, 2.0]]
    )
    np.testing.assert_array_equal(
        display.points_.get_offsets(), np.stack([distance, np.abs(errors)], 1)
    )
    assert axes.get_yscale() == "log"
    assert legend(axes) == ["local"]


@pytest.mark.parametrize("n_bins", [1, 3, 10])
def test_bins_hold_about_equally_many_and_all(axes, n_bins):
    rng = np.random.default_rng(1)
    distance, errors = rng.exponential(size=100), rng.normal(size=100)
    display = DistanceErrorDisplay.from_predictions(
        np.zeros(100), errors, distance=distance, n_bins=n_bins, ax=axes
    )
    places, sizes = display.line_.get_data()
    assert len(places) == n_bins
    parts = np.array_split(np.argsort(distance), n_bins)
    if 100 % n_bins == 0:
        np.testing.assert_allclose(places, [distance[part].mean() for part in parts])
        expected = [np.sqrt(np.mean(errors[part] ** 2)) for part in parts]
        np.testing.assert_allclose(sizes, expected)


def test_errors_against_distance_from_info(axes, model):
    structures = [atoms.copy() for atoms in X]
    for number, atoms in enumerate(structures):
        atoms.info["gap"] = float(number)
    display = DistanceErrorDisplay.from_estimator(
        model, structures, ENERGIES, distance="gap", ax=axes
    )
    errors = np.abs(model.predict(X) - ENERGIES)
    np.testing.assert_array_equal(display.points_.get_offsets(), np.stack([range(8), errors], 1))
    del structures[3].info["gap"]
    with pytest.raises(ValueError, match=r"X\[3\] .*has no key 'gap'"):
        DistanceErrorDisplay.from_estimator(model, structures, ENERGIES, distance="gap")


def test_right_error_bars_are_on_the_diagonal(axes):
    rng = np.random.default_rng(0)
    bars = rng.uniform(0.01, 0.1, size=4000)
    display = ErrorBarDisplay.from_predictions(np.ones(4000), rng.normal(1, bars), bars, ax=axes)
    places, sizes = display.line_.get_data()
    np.testing.assert_allclose(sizes, places, rtol=0.12)
    assert float(legend(axes)[0].removeprefix("RMS of error / bar: ")) == pytest.approx(1, abs=0.03)
    ErrorBarDisplay.from_predictions(
        np.ones(4000), rng.normal(1, bars), bars / 2, ax=axes, name="too short"
    )
    ratio = float(legend(axes)[1].removeprefix("too short: RMS of error / bar: "))
    assert ratio == pytest.approx(2, abs=0.06)
    assert len(axes.lines) == 3  # of both, and one diagonal


def test_coverage_is_the_share_of_errors_inside(axes):
    rng = np.random.default_rng(0)
    errors, bars = rng.normal(size=500), np.ones(500)
    display = ErrorBarDisplay.from_predictions(
        np.zeros(500), errors, bars, kind="coverage", ax=axes
    )
    expected, observed = display.line_.get_data()
    for width, share in ((1.0, 0.6827), (2.0, 0.9545)):  # standard deviations of a normal law
        inside = np.mean(np.abs(errors) <= width)
        assert observed[np.searchsorted(expected, share) - 1] == pytest.approx(inside, abs=1e-3)
    np.testing.assert_allclose(observed, expected, atol=0.05)
    assert display.points_ is None


def test_error_bars_of_an_estimator(axes, model):
    display = ErrorBarDisplay.from_estimator(model, X, ax=axes)
    energies, bars = model.predict(X, return_std=True)
    np.testing.assert_array_equal(
        display.points_.get_offsets(), np.stack([bars, np.abs(energies - ENERGIES)], 1)
    )


def test_error_bars_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match=r"y_std must be finite; 1 of 2 .* y_std\[1\] = inf"):
        ErrorBarDisplay.from_predictions([1, 2], [1, 2], [1.0, np.inf])
    with pytest.raises(ValueError, match=r"must be positive; got y_std\[0\] = 0"):
        ErrorBarDisplay.from_predictions([1, 2], [1, 2], [0.0, 1.0])
    with pytest.raises(ValueError, match="kind must be 'size' or 'coverage'; got 'bars'"):
        ErrorBarDisplay.from_predictions([1, 2], [1, 2], [1.0, 1.0], kind="bars")
    with pytest.raises(ValueError, match=r"y_true, y_pred and y_std .* \[2, 2, 1\]"):
        ErrorBarDisplay.from_predictions([1, 2], [1, 2], [1.0])
    with pytest.raises(ValueError, match="n_bins must be a positive integer; got 0"):
        ErrorBarDisplay.from_predictions([1, 2], [1, 2], [1.0, 1.0], n_bins=0)


def test_nothing_to_draw():
    """One message for all displays, whichever way they are made."""
    message = "is empty: there is nothing to draw"
    for draw in (
        lambda: BindingCurveDisplay.from_predictions([], [], distance=[]),
        lambda: DistanceErrorDisplay.from_predictions([], [], distance=[]),
        lambda: ErrorBarDisplay.from_predictions([], [], []),
        lambda: ErrorBarDisplay(y_true=[], y_pred=[], y_std=[]).plot(kind="coverage"),
        lambda: ParityDisplay.from_predictions([], []),
        lambda: ParityDisplay.from_predictions([], [], quantity="forces"),
    ):
        with pytest.raises(ValueError, match=message):
            draw()
