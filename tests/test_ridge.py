"""The linear algebra of the ridge against scikit-learn and against refits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import BayesianRidge, Ridge

from sklode.fitting.column_scales import column_scale
from sklode.ridge.left_out import Fold, InMemory, Streamed, cross_validate
from sklode.ridge.normal_equations import NormalEquations, Rows, stack
from sklode.ridge.solvers import Baseline, DualRidge, PrimalRidge

ALPHAS = np.array([1e-3, 0.1, 10.0])


def make_rows(rng, owners, n_features, n_baseline=0, kind=0):
    m = len(owners)
    counts = rng.integers(0, 4, (m, n_baseline)).astype(float) if kind == 0 else 0.0
    return Rows(
        rng.normal(size=(m, n_features)),
        rng.normal(size=m) + 3.0,
        np.array(np.broadcast_to(counts, (m, n_baseline))),
        np.array(owners),
        np.full(m, kind),
        rng.uniform(0.5, 2.0, m),
    )


class Stream:
    """Rows without counts, all at hand, in small batches."""

    rows_per_batch = 7

    def __init__(self, rows, n_structures):
        self._rows = rows
        self.sizes = np.bincount(rows.owners, minlength=n_structures)

    def load(self, structures):
        pass

    def batches(self, structures):
        return np.array_split(structures, max(1, len(structures) // 2))

    def __call__(self, structures):
        return stack([self._rows.take(self._rows.owners == s) for s in structures])


def problem(seed=0, n_structures=12, n_features=6, n_baseline=2, per_structure=3):
    """Energies of all structures but one, several other rows of most."""
    rng = np.random.default_rng(seed)
    energies = make_rows(rng, np.arange(1, n_structures), n_features, n_baseline)
    owners = np.repeat(np.arange(n_structures - 1), per_structure)
    others = make_rows(rng, owners, n_features, n_baseline, kind=1)
    return energies, Stream(others, n_structures)


def brute(rows, alpha):
    """Coefficients and baseline by an augmented least-squares problem, centred on nothing."""
    n_features, n_baseline = rows.matrix.shape[1], rows.counts.shape[1]
    design = np.hstack([rows.matrix, rows.counts])
    penalty = np.hstack([np.sqrt(alpha) * np.eye(n_features), np.zeros((n_features, n_baseline))])
    targets = np.concatenate([rows.targets, np.zeros(n_features)])
    solution = np.linalg.lstsq(np.vstack([design, penalty]), targets, rcond=None)[0]
    return solution[:n_features], solution[n_features:]


def all_rows(energies, stream):
    return stack([energies, stream(np.arange(len(stream.sizes)))])


@pytest.fixture(params=["primal", "dual"])
def kind(request):
    return {"primal": Streamed, "dual": InMemory}[request.param]


@pytest.mark.parametrize("n_features", [6, 100])
def test_agrees_with_sklearn(kind, n_features):
    energies, stream = problem(n_features=n_features, n_baseline=0)
    rows = all_rows(energies, stream)
    coefficients, baselines = kind(energies, stream).solution.coefficients(ALPHAS)
    assert baselines.shape == (3, 0)
    for alpha, mine in zip(ALPHAS, coefficients, strict=True):
        expected = Ridge(alpha, fit_intercept=False).fit(rows.matrix, rows.targets).coef_
        np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-10)


def test_baseline_of_ones_is_the_intercept(kind):
    rng = np.random.default_rng(0)
    rows = make_rows(rng, np.arange(20), 5)
    rows = Rows(rows.matrix, rows.targets, np.ones((20, 1)), *[rows.owners] * 2, rows.weights)
    stream = Stream(rows.take(slice(0)), 20)
    coefficients, baselines = kind(rows, stream).solution.coefficients(0.3)
    expected = Ridge(0.3).fit(rows.matrix, rows.targets)
    np.testing.assert_allclose(coefficients[0], expected.coef_, rtol=1e-10)
    np.testing.assert_allclose(baselines[0], expected.intercept_, rtol=1e-10)


@pytest.mark.parametrize("n_features", [6, 100])
def test_joint_baseline_is_not_penalised(kind, n_features):
    energies, stream = problem(n_features=n_features)
    solution = kind(energies, stream).solution
    for k, alpha in enumerate(ALPHAS):
        coefficients, baseline = brute(all_rows(energies, stream), alpha)
        np.testing.assert_allclose(solution.coefficients(ALPHAS)[0][k], coefficients, atol=1e-10)
        np.testing.assert_allclose(solution.coefficients(ALPHAS)[1][k], baseline, atol=1e-10)


def test_undetermined_baseline_has_the_smallest_norm(kind):
    energies, stream = problem()
    counts = energies.counts @ np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]])  # one of three known
    energies = Rows(
        energies.matrix, energies.targets, counts, energies.owners, energies.kinds, energies.weights
    )
    others = stream(np.arange(12))
    others = Rows(
        others.matrix,
        others.targets,
        np.zeros((len(others), 3)),
        *[others.owners] * 2,
        others.weights,
    )
    baseline = kind(energies, Stream(others, 12)).solution.coefficients(0.1)[1][0]
    np.testing.assert_allclose(baseline[1], 2 * baseline[0])
    assert abs(baseline[2]) < 1e-12


def expected_residuals(energies, stream, fold, alpha):
    """Of fits without the fold, in the order energies, others, by structure."""
    rows = all_rows(energies, stream)
    mine = np.isin(rows.owners, fold)
    coefficients, baseline = brute(rows.take(~mine), alpha)
    left = rows.take(mine)
    return left, left.targets - left.matrix @ coefficients - left.counts @ baseline


@pytest.mark.parametrize("n_features", [4, 30, 100])
@pytest.mark.parametrize("fold", [[0], [3], [11], [2, 5], [0, 4, 6, 7, 9]])
def test_leaving_out_is_exact(kind, n_features, fold):
    """4: refits in the primal; 30: the closed form; all rows of a structure leave together."""
    energies, stream = problem(n_features=n_features)
    at_home = (kind is InMemory) == (n_features == 100)  # more features than rows
    tolerance = 1e-10 if at_home else 1e-8
    rows, residuals, variances = kind(energies, stream).left_out(np.array(fold), ALPHAS)
    for k, alpha in enumerate(ALPHAS):
        left, expected = expected_residuals(energies, stream, fold, alpha)
        np.testing.assert_array_equal(rows.owners[rows.kinds == 0], left.owners[left.kinds == 0])
        np.testing.assert_allclose(residuals[k], expected, rtol=1e-10, atol=tolerance)
    assert (variances >= 1.0).all()


def test_a_fold_costs_what_its_own_rows_cost(monkeypatch):
    """Else leaving out each of n structures would cost n^2."""
    energies, stream = problem(n_features=4)
    ridge = Streamed(energies, stream)
    seen = []
    monkeypatch.setattr(PrimalRidge, "__init__", lambda *rows: pytest.fail("a fit to all others"))
    monkeypatch.setattr(Stream, "__call__", _noted(Stream.__call__, seen))
    ridge.left_out(np.array([2, 5]), ALPHAS)
    assert set(np.concatenate(seen)) == {2, 5}


def _noted(method, seen):
    return lambda self, structures: (seen.append(structures), method(self, structures))[1]


def test_primal_and_dual_agree():
    energies, stream = problem(n_features=40)
    one, other = Streamed(energies, stream), InMemory(energies, stream)
    rng = np.random.default_rng(1)
    new, counts = rng.normal(size=(5, 40)), rng.normal(size=(5, 2))
    np.testing.assert_allclose(
        one.solution.leverages(new, counts, ALPHAS),
        other.solution.leverages(new, counts, ALPHAS),
        rtol=1e-8,
    )
    for fold in ([1], [2, 3]):
        for a, b in zip(
            one.left_out(np.array(fold), ALPHAS)[1:],
            other.left_out(np.array(fold), ALPHAS)[1:],
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=1e-8)


def test_baseline_that_needs_a_structure(kind):
    """An element in a single structure: without it, its energy is 0."""
    energies, stream = problem(n_features=30)
    energies.counts[:, 1] = 0.0
    energies.counts[4, 1] = 2.0
    fold = energies.owners[[4]]
    _, residuals, _ = kind(energies, stream).left_out(fold, ALPHAS)
    for k, alpha in enumerate(ALPHAS):
        _, expected = expected_residuals(energies, stream, fold, alpha)
        np.testing.assert_allclose(residuals[k], expected, rtol=1e-8)


def test_energies_that_the_rest_does_not_determine_do_not_count(kind):
    energies, stream = problem(n_features=30)
    energies.counts[:, 1] = 0.0
    energies.counts[4, 1] = 2.0
    energies.targets[4] += 1e6
    folds = [Fold(np.array([s]), np.array([s])) for s in range(12)]
    tally = cross_validate(kind(energies, stream), stream, folds, ALPHAS, 2)
    assert tally.counts.tolist() == [10, 33]
    assert tally.objective().max() < 100
    only = [Fold(energies.owners[[4]], energies.owners[[4]])]
    none = Stream(stream(np.arange(12)).take(slice(0)), 12)
    tally = cross_validate(kind(energies, none), none, only, ALPHAS, 2)
    assert tally.counts.tolist() == [1, 0]  # better than nothing
    assert np.isnan(tally.noise()).all()


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    n_structures=st.integers(3, 8),
    n_features=st.integers(1, 25),
    n_baseline=st.integers(0, 3),
    fold=st.integers(0, 2),
)
def test_leaving_out_any_structure(seed, n_structures, n_features, n_baseline, fold):
    energies, stream = problem(seed, n_structures, n_features, n_baseline, per_structure=2)
    for solver in (Streamed, InMemory):
        _, residuals, _ = solver(energies, stream).left_out(np.array([fold]), ALPHAS[1:])
        for k, alpha in enumerate(ALPHAS[1:]):
            _, expected = expected_residuals(energies, stream, [fold], alpha)
            np.testing.assert_allclose(residuals[k], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n_features", [4, 30, 100])
def test_variances_are_those_of_the_posterior(kind, n_features):
    """1 + the leverage in a fit without the rows, also from the closed form."""
    energies, stream = problem(n_features=n_features)
    fold = np.array([5])
    rows = all_rows(energies, stream)
    mine = np.isin(rows.owners, fold)
    _, _, variances = kind(energies, stream).left_out(fold, ALPHAS)
    rest, left = rows.take(~mine), rows.take(mine)
    n_baseline = rows.counts.shape[1]
    design = np.hstack([rest.matrix, rest.counts])
    new = np.hstack([left.matrix, left.counts])
    for k, alpha in enumerate(ALPHAS):
        penalty = np.diag([alpha] * n_features + [0.0] * n_baseline)
        covariance = np.linalg.inv(design.T @ design + penalty)
        expected = 1.0 + np.einsum("rf,fg,rg->r", new, covariance, new)
        np.testing.assert_allclose(variances[k], expected, rtol=1e-7)


def test_leverages_are_those_of_bayesian_ridge(kind):
    rng = np.random.default_rng(0)
    rows = make_rows(rng, np.arange(30), 4)
    bayes = BayesianRidge(fit_intercept=False).fit(rows.matrix, rows.targets)
    new = rng.normal(size=(6, 4))
    _, expected = bayes.predict(new, return_std=True)
    # its posterior is that before the last update of its two precisions; hence the tolerance
    ridge = kind(rows, Stream(rows.take(slice(0)), 30)).solution
    leverages = ridge.leverages(new, np.zeros((6, 0)), bayes.lambda_ / bayes.alpha_)[0]
    np.testing.assert_allclose(np.sqrt((1 + leverages) / bayes.alpha_), expected, rtol=1e-3)


@pytest.mark.parametrize("n_features", [4, 30, 100])
def test_cross_validation_sums_up_the_folds(kind, n_features):
    energies, stream = problem(n_features=n_features)
    folds = [Fold(np.array([0, 1, 2]), np.array([1, 2])), Fold(np.array([2, 7]), np.array([2, 7]))]
    tally = cross_validate(kind(energies, stream), stream, folds, ALPHAS, 3)
    for k, alpha in enumerate(ALPHAS):
        squares, errors = [], []
        for fold in folds:
            left, residuals = expected_residuals(energies, stream, fold.left_out, alpha)
            tested = np.isin(left.owners, fold.tested)
            squares += list(residuals[tested] ** 2)
            chosen = tested & (left.kinds == 1)
            errors += list((residuals[chosen] / left.weights[chosen]) ** 2)
        np.testing.assert_allclose(tally.objective()[k], np.sqrt(np.mean(squares)), rtol=1e-9)
        np.testing.assert_allclose(tally.errors(1)[k], np.sqrt(np.mean(errors)), rtol=1e-9)
    assert tally.counts.tolist() == [4, 12, 0]


@pytest.mark.parametrize("size", [0.1, 3.0])
def test_noise_is_found(kind, size):
    rng = np.random.default_rng(0)
    rows = make_rows(rng, np.arange(400), 20)
    targets = rows.matrix @ rng.normal(size=20) + size * rng.normal(size=400)
    rows = Rows(rows.matrix, targets, rows.counts, rows.owners, rows.kinds, rows.weights)
    stream = Stream(rows.take(slice(0)), 400)
    folds = [Fold(f, f) for f in np.arange(400).reshape(-1, 4)]
    tally = cross_validate(kind(rows, stream), stream, folds, np.array([size**2]), 1)
    np.testing.assert_allclose(tally.noise(), size, rtol=0.1)


def test_tiny_alphas_act_as_rounding_errors(kind):
    energies, stream = problem(n_features=30)
    solution = kind(energies, stream).solution
    limit = solution.effective(0.0)
    assert 0 < limit[0] < 1e-12 * solution.values.max()
    np.testing.assert_array_equal(solution.coefficients(1e-300)[0], solution.coefficients(limit)[0])


def test_normal_equations_in_batches():
    rng = np.random.default_rng(0)
    matrix, targets = rng.normal(size=(30, 4)), rng.normal(size=30)
    batches = NormalEquations(4)
    for part in np.array_split(np.arange(30), 4):
        batches.add(matrix[part], targets[part])
    values, vectors = batches.eigen()
    np.testing.assert_allclose(
        vectors * values @ vectors.T, matrix.T @ matrix, rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(batches.moments, matrix.T @ targets, rtol=1e-12)
    rest = batches.minus(NormalEquations(4).add(matrix[:10], targets[:10]))
    np.testing.assert_allclose(rest.moments, matrix[10:].T @ targets[10:], rtol=1e-10)
    values, vectors = rest.eigen()
    expected = matrix[10:].T @ matrix[10:]
    np.testing.assert_allclose(vectors * values @ vectors.T, expected, rtol=1e-10, atol=1e-10)


def test_input_is_not_changed(kind):
    energies, stream = problem()
    before = energies.matrix.copy(), energies.targets.copy()
    kind(energies, stream).left_out(np.array([2]), ALPHAS)
    np.testing.assert_array_equal(energies.matrix, before[0])
    np.testing.assert_array_equal(energies.targets, before[1])


def test_baseline_without_columns_or_rows():
    for shape in [(5, 0), (0, 3), (0, 0)]:
        baseline = Baseline.of(np.zeros(shape))
        assert baseline.project_out(np.ones((shape[0], 2))).shape == (shape[0], 2)
        assert baseline.inverse.shape == shape[::-1]
        assert baseline.determined_without(np.arange(0))


def test_baseline_of_zeros():
    baseline = Baseline.of(np.zeros((4, 2)))
    assert baseline.basis.shape == (4, 0)
    assert not baseline.inverse.any()


def test_column_scale():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(20, 3)) * [10.0, 1.0, 1e-5]
    ones = np.ones(20)
    rms = np.sqrt((matrix**2).mean(axis=0))
    expected = [rms[0], rms[1], 0.01 * rms[0]]
    np.testing.assert_allclose(column_scale(matrix, ones, 0.01), expected)
    np.testing.assert_allclose(column_scale(np.tile(matrix, (2, 1)), np.ones(40), 0.01), expected)
    once = column_scale(np.vstack([matrix, matrix[:3]]), np.ones(23), 0.0)
    twice = np.where(np.arange(20) < 3, 2.0, 1.0)
    np.testing.assert_allclose(column_scale(matrix, twice, 0.0), once)
    assert column_scale(np.zeros((3, 2)), np.ones(3), 0.01).tolist() == [1, 1]
    assert column_scale(matrix, np.zeros(20), 0.01).tolist() == [1, 1, 1]
    assert column_scale(np.zeros((3, 0)), np.ones(3), 0.01).shape == (0,)


def test_dual_directions_are_orthonormal():
    energies, stream = problem(n_features=100)
    vectors = DualRidge(all_rows(energies, stream)).solution.vectors
    assert vectors.shape == (100, 11 + 33 - 2)  # rows less baseline columns
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(42), atol=1e-9)
