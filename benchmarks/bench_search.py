"""A search over features and ridges: StructureSearchCV beside scikit-learn's GridSearchCV.

300 dimers in groups, 5 folds of whole groups, and a grid of 20 settings of the far field (5
exponents, 4 smearings), 4 weights of the local block and 5 penalties: 400 candidates. GridSearchCV
describes all structures anew for each candidate and fold. It is timed on two of the 20 settings,
beside StructureSearchCV on the same two, whose scores must agree to 1e-8; the time of the whole
grid is ten times that, and said to be so. BENCHMARK_THREADS is the n_jobs of both.
"""

import harness  # before numpy

# isort: split

from functools import partial

import numpy as np
import records
import systems
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from sklode import (
    BlockScaler,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    PowerSpectrum,
)
from sklode.model_selection import StructureSearchCV

SPECIES = ["C", "H", "N", "O"]  # of all folds alike, as GridSearchCV needs it
EXPONENTS, SMEARINGS = [1, 2, 3, 4, 6], [0.7, 1.0, 1.4, 2.0]
PART = [1, 6], [1.0]  # a tenth of them
WEIGHTS = [{"local": weight} for weight in (0.03, 0.1, 0.3, 1.0)]
ALPHAS = np.logspace(-3, 1, 5)
FAR = "features__far__interactionfeatures__transformer__right"


def model():
    """Local and far features side by side, and a ridge."""
    rho = DensityProjector(cutoff=3.0, n_max=4, l_max=3, species=SPECIES)
    far = PowerSpectrum(rho, LongRangePotential(species=SPECIES))
    blocks = [
        (name, make_pipeline(InteractionFeatures(features), BlockScaler()))
        for name, features in (("local", PowerSpectrum(rho)), ("far", far))
    ]
    return Pipeline([("features", FeatureUnion(blocks)), ("ridge", Ridge(fit_intercept=False))])


def search(kind, exponents, smearings):
    """A search of this kind, not fitted; only the scores are computed."""
    grid = {
        f"{FAR}__exponent": exponents,
        f"{FAR}__smearing": smearings,
        "features__transformer_weights": WEIGHTS,
        "ridge__alpha": ALPHAS,
    }
    options = {"scoring": "neg_root_mean_squared_error", "n_jobs": harness.THREADS}
    return kind(model(), grid, cv=GroupKFold(5), refit=False, **options)


def fit(structures, kind, exponents, smearings):
    """The search, ready to be timed."""
    energies = np.array([systems.attraction(atoms) for atoms in structures])
    groups = [atoms.get_chemical_formula() for atoms in structures]
    searching = search(kind, exponents, smearings)
    return partial(searching.fit, structures, energies, groups=groups)


def compare_part(benchmark, structures):
    """Both on a part of the grid: the same scores, then the times."""
    kinds = {"sklode, StructureSearchCV": StructureSearchCV, "GridSearchCV": GridSearchCV}
    prepared = {
        name: partial(fit, kind=kind, exponents=PART[0], smearings=PART[1])
        for name, kind in kinds.items()
    }
    ours, theirs = (
        prepare(structures)().cv_results_["mean_test_score"] for prepare in prepared.values()
    )
    deviation = records.agreement(ours, theirs, 1e-8, "scores of GridSearchCV")
    cases = [
        harness.Case(
            name,
            prepare,
            deviation,
            parameters="2 of 20 settings",
            rounds=1,
            warm_up=False,
            memory=False,
        )
        for name, prepare in prepared.items()
    ]
    return benchmark.compare("dimers, part of the grid", structures, cases)


def main():
    benchmark = harness.Benchmark("search", __doc__)
    structures = systems.stretched_dimers(40 if benchmark.quick else 300)
    exponents, smearings = PART if benchmark.quick else (EXPONENTS, SMEARINGS)
    part = compare_part(benchmark, structures)
    prepare = partial(fit, kind=StructureSearchCV, exponents=exponents, smearings=smearings)
    settings = len(exponents) * len(smearings)
    case = harness.Case(
        "sklode, StructureSearchCV",
        prepare,
        parameters=f"{settings} settings",
        rounds=1,
        warm_up=False,
    )
    (row,) = benchmark.compare("dimers, whole grid", structures, [case])
    seconds = part[1]["seconds_median"] * settings / 2
    print(
        f"\nGridSearchCV on the whole grid, extrapolated from the part: {seconds:.0f} s, ", end=""
    )
    print(f"{seconds / row['seconds_median']:.0f} times that of StructureSearchCV")
    benchmark.save()


if __name__ == "__main__":
    main()
