"""Rows that are kept: searches, workers, several processes, and a parameter like others."""

import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from estimators import density, potential
from joblib.externals.loky import get_reusable_executor
from kept_rows import EDITED_LAW, counted, edited, files, varied
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import FeatureUnion, Pipeline

from sklode import (
    AtomisticRidgeCV,
    InteractionFeatures,
    LongRangePotential,
    PowerSpectrum,
)


def search(memory, n_jobs, **grid):
    """A search over the smearings of either branch of a union, called first and second."""
    branches = [("first", counted(memory)), ("second", counted(memory, smearing=0.5))]
    model = Pipeline([("union", FeatureUnion(branches)), ("ridge", Ridge())])
    grid = {f"union__{name}__smearing": values for name, values in grid.items()}
    return GridSearchCV(model, grid | {"ridge__alpha": [0.1, 1.0]}, cv=KFold(3), n_jobs=n_jobs)


@pytest.fixture(scope="module", autouse=True)
def fresh_workers():
    """Worker processes that begin after they can know where to note what they compute."""
    get_reusable_executor().shutdown()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_over_the_other_branch_computes_nothing_again(memory, n_computed, n_jobs):
    X = varied(9)
    y = np.array([atoms.get_distance(0, 1) ** 2 for atoms in X])
    search(memory, n_jobs, first=[0.3, 0.4]).fit(X, y)
    # each of three settings once; two workers that come to it at once do not wait for each other
    assert 3 * 9 <= n_computed() <= 3 * 9 * n_jobs
    found = search(memory, n_jobs, second=[0.3, 0.4, 0.5]).fit(X, y)
    assert n_computed() == 0
    plain = search(None, 1, second=[0.3, 0.4, 0.5]).fit(X, y)
    assert n_computed() == 3 * 2 * 2 * 3 * 9 + 2 * 9  # smearings, alphas, branches, folds; refit
    scores = [s.cv_results_["mean_test_score"] for s in (found, plain)]
    np.testing.assert_allclose(*scores, rtol=1e-6)


def test_workers_compute_what_is_missing(memory, n_computed):
    structures = varied(400)  # more than one chunk
    rows = counted(memory, n_jobs=2).fit(structures).transform(structures)
    assert n_computed() == len(structures)
    assert np.array_equal(rows, counted(memory).fit(structures).transform(structures))
    assert n_computed() == 0


def test_complexes_and_their_fragments_are_kept(s22x5_small, memory, n_computed):
    dimers = s22x5_small.data[:10]
    interaction = InteractionFeatures(counted(memory))
    rows = interaction.fit_transform(dimers)
    assert n_computed() <= 3 * len(dimers)
    assert np.array_equal(InteractionFeatures(counted(memory)).fit_transform(dimers), rows)
    assert n_computed() == 0


def test_fits_of_energies_use_it(structures, memory, n_computed):
    y = np.arange(float(len(structures)))
    for n_new in (len(structures), 0):
        AtomisticRidgeCV(counted(memory), alphas=[1.0]).fit(structures, y).predict(structures)
        assert n_computed() == n_new


TWO = """
import sys
import numpy as np
from ase.build import molecule
from sklode import LongRangePotential
from sklode.potentials import InversePowerLaw
{law}
def moved(number):
    atoms = molecule("H2O")
    atoms.positions[0, 2] += 0.001 * number
    return atoms
seed, memory = int(sys.argv[1]), sys.argv[2]
plain = LongRangePotential(Edited(), l_max=1).fit([moved(0)])
cached = LongRangePotential(Edited(), l_max=1, memory=memory).fit([moved(0)])
rng = np.random.default_rng(seed)
for _ in range(60):
    X = [moved(number) for number in rng.integers(0, 300, rng.integers(1, 40))]
    assert abs(cached.transform(X) - plain.transform(X)).max() < 1e-12
"""


def test_two_processes_at_once_and_a_third_one(memory, monkeypatch):
    program = TWO.format(law=EDITED_LAW.format(6))
    command, seeds = [sys.executable, "-W", "error", "-c", program], (1, 2)
    running = [
        subprocess.Popen([*command, str(seed), memory], stderr=subprocess.PIPE, text=True)
        for seed in seeds
    ]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    drawn = [np.random.default_rng(seed) for seed in seeds]
    drawn = [rng.integers(0, 300, rng.integers(1, 40)) for rng in drawn for _ in range(60)]
    known = [varied(300)[number] for number in np.unique(np.concatenate(drawn))]
    cached = LongRangePotential(edited(EDITED_LAW, 6)(), l_max=1, memory=memory).fit(known)
    monkeypatch.setattr(LongRangePotential, "compute_rows", None)
    assert cached.transform(known).shape == (len(known), cached.n_features_out)
    assert len(files(memory)) < 10  # small ones were put together
    assert not list(Path(memory).rglob("*.part"))


@pytest.mark.parametrize("kind", [str, Path, lambda path: joblib.Memory(path, verbose=0)])
def test_estimators_are_copied_and_stored(structures, memory, kind):
    spectrum = PowerSpectrum(density(), potential(), memory=kind(memory))
    spectrum.set_output(transform="pandas").fit(structures)
    frame = spectrum.transform(structures)
    stored = skops.io.dumps(spectrum)
    copies = [
        clone(spectrum).fit(structures),
        pickle.loads(pickle.dumps(spectrum)),
        skops.io.loads(stored, trusted=skops.io.get_untrusted_types(data=stored)),
    ]
    for copy in copies:
        assert copy.transform(structures).equals(frame)
        assert "memory" in copy.get_params()
    assert len(files(memory)) == 1


@pytest.mark.parametrize("wrong", [True, 3, b"cache"])
def test_wrong_kinds_are_refused(structures, wrong):
    with pytest.raises(ValueError, match="'memory' parameter of DensityProjector"):
        density(memory=wrong).fit(structures)


def test_only_folders_are_taken(structures, tmp_path):
    memory = joblib.Memory(tmp_path, verbose=0)
    memory.backend = "s3"
    with pytest.raises(ValueError, match="a folder"):
        density(memory=memory).fit(structures).transform(structures)


def test_models_without_the_parameter_still_work(structures):
    transformer = density().fit(structures)
    del transformer.memory
    assert len(transformer.transform(structures)) == len(structures)


def test_nothing_is_written_without_it(structures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    density().fit(structures).transform(structures)
    assert not list(tmp_path.iterdir())
