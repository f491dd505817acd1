"""Ridge regression of energies, forces and stresses."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    ShuffleSplit,
)
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from toy import (
    ELEMENTS,
    PairSums,
    WithoutBackpropagation,
    cluster,
    finite_gradients,
    finite_strain_gradients,
    true_energy,
    true_forces,
    true_stress,
)
from toy_world import (
    CRYSTALS,
    EXACT,
    GROUPS,
    NEW,
    OTHER,
    RNG,
    F,
    S,
    X,
    Y,
    bare,
    model,
    rows_by_hand,
)

from sklode import BlockScaler, DensityProjector
from sklode.inputs.targets import read_targets


def assert_true(fitted, rtol=1e-4):
    """Energies, forces and stresses of new structures are right."""
    energies = [true_energy(atoms) for atoms in NEW]
    np.testing.assert_allclose(fitted.predict(NEW), energies, rtol=rtol)
    for forces, atoms in zip(fitted.predict_forces(NEW), NEW, strict=True):
        np.testing.assert_allclose(forces, true_forces(atoms), atol=rtol)
    stresses = [true_stress(atoms) for atoms in NEW[::2]]
    np.testing.assert_allclose(fitted.predict_stress(NEW[::2]), stresses, atol=rtol)


# what is learnt


@pytest.mark.parametrize("targets", ["energies", "forces", "all", "calculators"])
def test_learns_a_linear_world(targets):
    arguments = {
        "energies": {"y": Y},
        "forces": {"y": Y, "forces": F},
        "all": {"y": Y, "forces": F, "stresses": S},
        "calculators": {},
    }[targets]
    structures = X if targets == "calculators" else bare(X)
    fitted = model().fit(structures, **arguments)
    assert_true(fitted)
    expected = {"H": ELEMENTS[1], "C": ELEMENTS[6], "O": ELEMENTS[8]}
    assert fitted.baseline_ == pytest.approx(expected, rel=1e-4)


def test_forces_without_energies():
    fitted = model().fit(bare(X), forces=F)
    for forces, atoms in zip(fitted.predict_forces(NEW), NEW, strict=True):
        np.testing.assert_allclose(forces, true_forces(atoms), atol=1e-4)
    assert set(fitted.baseline_.values()) == {0.0}
    assert fitted.n_rows_ == {"energy": 0, "forces": sum(f.size for f in F), "stress": 0}


def test_stresses_alone():
    fitted = model(force_weight=0.0).fit(CRYSTALS, y=[None] * len(CRYSTALS), stresses=S[1::2])
    np.testing.assert_allclose(
        fitted.predict_stress(NEW[::2]), [true_stress(a) for a in NEW[::2]], atol=1e-4
    )


def test_what_is_missing_is_left_out():
    """None, calculators without forces, and structures without calculator."""
    forces = [None if k % 3 == 0 else f for k, f in enumerate(F)]
    given = model(OTHER, 0.1).fit(bare(X), [None, *Y[1:]], forces=forces)
    read = bare(X)
    for k, atoms in enumerate(read):
        results = {"energy": Y[k]} if k else {}
        results |= {"forces": F[k]} if k % 3 else {}
        if results:
            atoms.calc = SinglePointCalculator(atoms, **results)
    np.testing.assert_allclose(model(OTHER, 0.1).fit(read).coef_, given.coef_, rtol=1e-12)


def test_calculators_that_compute():
    structures = [molecule("H2O"), molecule("CH4")]
    for atoms in structures:
        atoms.calc = LennardJones(sigma=1.0)
    targets = read_targets(structures)
    np.testing.assert_allclose(targets.energies[0], structures[0].get_potential_energy())
    np.testing.assert_allclose(targets.forces[1], structures[1].get_forces())
    assert targets.stresses == [None, None]


def test_given_energies_leave_calculators_alone():
    """Differences to the calculators can be learnt."""
    fitted = model(baseline=False).fit(X, np.zeros(len(X)))
    assert fitted.n_rows_ == {"energy": len(X), "forces": 0, "stress": 0}
    assert not fitted.coef_.any()


@pytest.mark.parametrize("per_atom", [False, True])
def test_objective_is_the_documented_one(per_atom):
    sample = RNG.uniform(0.5, 2.0, len(X))
    fitted = model(OTHER, 0.2, force_weight=0.3, stress_weight=2.0, energy_per_atom=per_atom).fit(
        X, Y, forces=F, stresses=S, sample_weight=sample
    )
    weights = {"sample": sample, "force": 0.3, "stress": 2.0, "per_atom": per_atom}
    design, targets = rows_by_hand(fitted, X, Y, F, S, weights)
    penalty = np.zeros((6, design.shape[1]))
    penalty[:, :6] = np.sqrt(0.2) * np.eye(6)
    design, targets = np.vstack([design, penalty]), np.concatenate([targets, np.zeros(6)])
    expected = np.linalg.lstsq(design, targets, rcond=None)[0]
    np.testing.assert_allclose(fitted.coef_ * fitted.scale_, expected[:6], rtol=1e-8)
    np.testing.assert_allclose(list(fitted.baseline_.values()), expected[6:], rtol=1e-8)


def test_is_ridge_for_energies():
    """Without baseline and scaling, scikit-learn's ridge on the same features."""
    fitted = model(OTHER, 0.3, baseline=False, floor=None).fit(bare(X), Y)
    features = OTHER.fit(X).transform(X)
    np.testing.assert_allclose(
        fitted.coef_, Ridge(0.3, fit_intercept=False).fit(features, Y).coef_, rtol=1e-9
    )


def test_sample_weight_counts_structures():
    repeats = np.arange(len(X)) % 3
    weighted = model(OTHER, 0.1).fit(X, sample_weight=repeats)
    many = [atoms for atoms, n in zip(X, repeats, strict=True) for _ in range(n)]
    repeated = model(OTHER, 0.1).fit(many)
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8)
    assert weighted.n_rows_["energy"] == np.count_nonzero(repeats)


def test_rotation_of_the_structures_does_not_matter():
    turned = bare(X)
    for atoms in turned:
        atoms.rotate(40, (1, 2, 3), rotate_cell=True)
    noisy = np.random.default_rng(1).normal(scale=0.1, size=(len(X), 3, 3))
    tensors = [None if s is None else n + n.T for s, n in zip(S, noisy, strict=True)]
    rotation = Atoms("H3", np.eye(3))  # its rows become those of the rotation
    rotation.rotate(40, (1, 2, 3))
    R = rotation.positions
    turned_tensors = [None if t is None else R.T @ t @ R for t in tensors]
    one = model(OTHER, 0.1).fit(bare(X), Y, stresses=tensors)
    other = model(OTHER, 0.1).fit(turned, Y, stresses=turned_tensors)
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-7)


def test_weights_shift_the_compromise():
    """Targets that contradict each other: the heavier ones win."""
    wrong = [2.0 * f for f in F]
    errors = [
        model(alphas=1e-6, force_weight=w).fit(bare(X), Y, forces=wrong).score(X, Y)
        for w in (1e-3, 1.0, 1e3)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_weight_0_ignores_forces_and_stresses():
    ignoring = model(OTHER, 0.1, force_weight=0, stress_weight=0).fit(X)
    np.testing.assert_allclose(ignoring.coef_, model(OTHER, 0.1).fit(X, Y).coef_, rtol=1e-12)


# baseline and scales


def test_unseen_elements_have_baseline_0():
    fitted = model().fit(X)
    neon = Atoms("Ne", [[0, 0, 0]])
    assert fitted.predict([neon])[0] == 0.0
    assert fitted.predict([neon], return_std=True)[1][0] == np.inf


def test_undetermined_baseline_has_the_smallest_norm():
    waters = [molecule("H2O") for _ in range(4)]
    for k, atoms in enumerate(waters):
        atoms.positions *= 1 + 0.01 * k
    fitted = model().fit(waters, [-15.0] * 4)
    assert fitted.baseline_ == pytest.approx({"H": -6.0, "O": -3.0}, rel=1e-4)
    errors = fitted.predict([waters[0], molecule("H2O2")], return_std=True)[1]
    assert errors[0] < errors[1] == np.inf


def test_no_baseline():
    fitted = model(baseline=False).fit(X, Y)
    assert fitted.baseline_ == {}
    expected = fitted.features_.transform(NEW) @ fitted.coef_
    np.testing.assert_allclose(fitted.predict(NEW), expected)


def test_blocks_of_a_union_are_scaled_by_themselves():
    small = clone(EXACT).set_params(factor=1e-6)
    fitted = model(make_union(small, OTHER), 0.1).fit(X)
    same = model(make_union(EXACT, OTHER), 0.1).fit(X)
    np.testing.assert_allclose(fitted.predict(NEW), same.predict(NEW), rtol=1e-8)
    one, other = BlockScaler(), BlockScaler()
    expected = [
        *one.fit(EXACT.fit(X).transform(X)).scale_,
        *other.fit(OTHER.fit(X).transform(X)).scale_,
    ]
    np.testing.assert_allclose(same.scale_, expected)


def test_scalers_of_the_user_stay():
    """The same model whether its blocks are scaled outside or inside."""
    inside = model(make_union(EXACT, OTHER), 0.1).fit(X)
    branches = [make_pipeline(EXACT, BlockScaler()), make_pipeline(OTHER, BlockScaler())]
    outside = model(make_union(*branches), 0.1).fit(X)
    np.testing.assert_allclose(outside.predict(NEW), inside.predict(NEW), rtol=1e-9)
    assert (outside.scale_ == 1).all()
    whole = model(make_pipeline(make_union(EXACT, OTHER), StandardScaler()), 0.1).fit(X)
    assert (whole.scale_ == 1).all()


def test_weights_of_the_union_act():
    def union(weight):
        weights = {"b": weight}
        return FeatureUnion([("a", EXACT), ("b", OTHER)], transformer_weights=weights)

    strong, weak, none = (model(union(w), 0.1).fit(X) for w in (1.0, 1e-3, 0.0))
    plain = model(make_union(EXACT, OTHER), 0.1).fit(X)
    np.testing.assert_allclose(strong.predict(NEW), plain.predict(NEW), rtol=1e-9)
    alone = model(EXACT, 0.1).fit(X)
    np.testing.assert_allclose(none.predict(NEW), alone.predict(NEW), rtol=1e-9)
    np.testing.assert_allclose(weak.predict(NEW), alone.predict(NEW), rtol=1e-3)
    for fitted in (strong, weak, none):
        for forces, atoms in zip(fitted.predict_forces(NEW), NEW, strict=True):
            expected = -finite_gradients(lambda a, m=fitted: m.predict([a])[0], atoms)
            np.testing.assert_allclose(forces, expected, atol=1e-6)


# derivatives


@pytest.mark.parametrize("features", [EXACT, WithoutBackpropagation((0.6, 1.1))])
def test_forces_and_stresses_are_derivatives_of_the_energy(features):
    fitted = model(features, 0.1).fit(X)
    for atoms, forces in zip(NEW, fitted.predict_forces(NEW), strict=True):
        expected = -finite_gradients(lambda a: fitted.predict([a])[0], atoms)
        np.testing.assert_allclose(forces, expected, atol=1e-7)
    for atoms, stress in zip(NEW[::2], fitted.predict_stress(NEW[::2]), strict=True):
        virial = finite_strain_gradients(lambda a: fitted.predict([a])[0], atoms)
        expected = (virial / atoms.cell.volume)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        np.testing.assert_allclose(stress, expected, atol=1e-7)


# alphas and cross-validation


MANY = tuple(np.linspace(0.4, 1.0, 120))  # more features than rows of six structures
ALPHAS = np.array([1e-4, 1e-2, 1.0])


@pytest.mark.parametrize("widths", [(0.5, 0.9, 1.4), MANY])
@pytest.mark.parametrize("grouped", [False, True])
def test_left_out_errors_are_those_of_refits(widths, grouped):
    """More rows than features, and fewer (with many widths)."""
    features = PairSums(widths=widths)
    groups = GROUPS[:6] if grouped else None
    fitted = model(features, ALPHAS, floor=None).fit(
        bare(X[:6]), Y[:6], forces=F[:6], groups=groups
    )
    labels = GROUPS[:6] if grouped else np.arange(6)
    for k, alpha in enumerate(ALPHAS):
        energies, forces = [], []
        for label in np.unique(labels):
            rest = np.flatnonzero(labels != label)
            left = np.flatnonzero(labels == label)
            refit = model(features, alpha, floor=None).fit(
                [bare(X)[i] for i in rest], Y[rest], forces=[F[i] for i in rest]
            )
            atoms = [X[i] for i in left]
            energies += list((refit.predict(atoms) - Y[left]) / [len(a) for a in atoms])
            for i, f in zip(left, refit.predict_forces(atoms), strict=True):
                forces += list((f - F[i]).ravel())
        results = fitted.cv_results_
        rmse = [np.sqrt(np.mean(np.square(e))) for e in (energies, forces)]
        np.testing.assert_allclose(results["rmse_energy_per_atom"][k], rmse[0], rtol=1e-5)
        np.testing.assert_allclose(results["rmse_forces"][k], rmse[1], rtol=1e-5)
    assert fitted.alpha_ == ALPHAS[results["objective"].argmin()]
    assert list(results["alpha"]) == list(ALPHAS)
    assert "rmse_stress" not in results


def test_left_out_stresses_are_in_physical_units():
    fitted = model(OTHER, 1e-2, stress_weight=0.5).fit(CRYSTALS)
    squares = []
    for i, atoms in enumerate(CRYSTALS):
        refit = model(OTHER, 1e-2, stress_weight=0.5, floor=None)
        refit.set_params(features=make_pipeline(OTHER, Fixed(fitted.scale_)))
        refit.fit([a for j, a in enumerate(CRYSTALS) if j != i])
        error = refit.predict_stress([atoms])[0] - true_stress(atoms)
        squares.append(error**2)
    np.testing.assert_allclose(
        fitted.cv_results_["rmse_stress"], np.sqrt(np.mean(squares)), rtol=1e-6
    )


class Fixed(BlockScaler):
    """The scales of another fit."""

    def __init__(self, scale=None):
        self.scale = scale

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        self.scale_ = self.scale
        return self

    def transform(self, X):
        return X / self.scale_


@pytest.mark.parametrize(
    ("cv", "same"),
    [
        (LeaveOneGroupOut(), None),
        (6, GroupKFold(6)),
        (list(GroupKFold(3).split(X, None, GROUPS)), GroupKFold(3)),
    ],
)
def test_splitters(cv, same):
    one = model(OTHER, ALPHAS, cv=cv).fit(X, groups=GROUPS)
    other = model(OTHER, ALPHAS, cv=same).fit(X, groups=GROUPS)
    for key, values in one.cv_results_.items():
        np.testing.assert_allclose(values, other.cv_results_[key], rtol=1e-6)


@pytest.mark.parametrize("cv", [3, KFold(4, shuffle=True, random_state=0), ShuffleSplit(3)])
def test_splitters_without_groups(cv):
    fitted = model(EXACT, ALPHAS, cv=cv).fit(X)
    assert fitted.cv_results_["rmse_forces"][0] < 1e-3
    assert fitted.alpha_ == 1e-4


def test_a_single_structure():
    fitted = model(alphas=1e-6).fit(X[:1])
    assert list(fitted.cv_results_) == ["alpha"]
    assert np.isnan(fitted.noise_)
    with pytest.raises(ValueError, match="at least two structures"):
        model(alphas=[1e-6, 1.0]).fit(X[:1])


def test_larger_alpha_of_equals():
    assert model(alphas=[1.0, 3.0, 2.0], baseline=False).fit(X, np.zeros(len(X))).alpha_ == 3.0


def test_rows_computed_again_or_kept(monkeypatch):
    kept = model(OTHER, ALPHAS).fit(X)
    monkeypatch.setattr("sklode.physics.blocks.CACHED_EQUATION_BYTES", 0)
    monkeypatch.setattr("sklode.physics.blocks.EQUATION_BYTES", 8 * 6 * 40)  # 40 rows
    again = model(OTHER, ALPHAS).fit(X)
    np.testing.assert_allclose(again.coef_, kept.coef_, rtol=1e-9)
    for key, values in again.cv_results_.items():
        np.testing.assert_allclose(values, kept.cv_results_[key], rtol=1e-8)


def test_gradients_come_in_small_batches(monkeypatch):
    largest = []

    class Counting(PairSums):
        def transform_gradients(self, X):
            largest.append(sum(len(atoms) for atoms in X))
            return super().transform_gradients(X)

    monkeypatch.setattr("sklode.physics.blocks.CACHED_EQUATION_BYTES", 0)
    monkeypatch.setattr("sklode.physics.blocks.EQUATION_BYTES", 8 * 4 * 60)  # 60 rows
    model(Counting((0.7, 1.2)), ALPHAS).fit(X)
    assert max(largest) <= 2 * 20


# uncertainty


def test_uncertainty_covers_the_errors():
    """Noisy energies of a linear world: as many errors within 1 and 2 sigma as there should be."""
    rng = np.random.default_rng(3)
    train = [cluster(rng, int(n)) for n in rng.integers(2, 7, 120)]
    test = [cluster(rng, int(n)) for n in rng.integers(2, 9, 400)]
    noise = 0.05
    y = np.array([true_energy(a) for a in train]) + noise * rng.normal(size=len(train))
    truth = np.array([true_energy(a) for a in test]) + noise * rng.normal(size=len(test))
    fitted = model(PairSums(np.linspace(0.4, 1.6, 6)), np.logspace(-8, 0, 9)).fit(train, y)
    predicted, errors = fitted.predict(test, return_std=True)
    scores = abs(truth - predicted) / errors
    assert 0.60 < np.mean(scores < 1) < 0.77
    assert 0.91 < np.mean(scores < 2) < 0.985
    assert fitted.noise_ == pytest.approx(noise, rel=0.15)


@pytest.mark.parametrize("widths", [(0.7, 1.2), MANY])
def test_uncertainty_grows_away_from_the_data(widths):
    fitted = model(PairSums(widths), 1e-4).fit(X)
    dense = Atoms("C20", np.random.default_rng(0).normal(scale=0.8, size=(20, 3)))
    _, errors = fitted.predict([X[0], dense], return_std=True)
    assert errors[1] > 3 * errors[0] >= 0


def test_uncertainty_per_atom_grows_with_the_structure():
    fitted = model(OTHER, 1e-2, energy_per_atom=True).fit(X, Y)
    far = [Atoms(f"C{n}", [[0, 0, 50.0 * k] for k in range(n)]) for n in (1, 10)]
    errors = fitted.predict(far, return_std=True)[1]
    assert errors[1] == pytest.approx(10 * errors[0])


def test_forces_of_projectors():
    features = make_union(DensityProjector(cutoff=3.0, n_max=2, l_max=1), EXACT)
    fitted = model(features, 1e-4).fit(X)
    for atoms, forces in zip(NEW, fitted.predict_forces(NEW), strict=True):
        expected = -finite_gradients(lambda a: fitted.predict([a])[0], atoms)
        np.testing.assert_allclose(forces, expected, atol=1e-5 * max(1, abs(expected).max()))
    for atoms, stress in zip(NEW[::2], fitted.predict_stress(NEW[::2]), strict=True):
        virial = finite_strain_gradients(lambda a: fitted.predict([a])[0], atoms)
        expected = (virial / atoms.cell.volume)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        np.testing.assert_allclose(stress, expected, atol=1e-5 * max(1, abs(expected).max()))
