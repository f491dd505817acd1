"""Work that would not fit into memory is refused before it begins, or done in another way."""

import gc
import tracemalloc

import numpy as np
import pytest
from ase import Atoms

from sklode import DensityProjector, LongRangePotential, MultipoleFeatures

RNG = np.random.default_rng(0)
CRYSTAL = Atoms("Na4Cl4", RNG.random((8, 3)) * 12, cell=[12] * 3, pbc=True)
MOLECULE = Atoms("Na4Cl4", RNG.random((8, 3)) * 12)
BOTH = pytest.mark.parametrize("atoms", [CRYSTAL, MOLECULE], ids=["crystal", "molecule"])
MEGABYTE = 2**20


def megabytes(work):
    """What some work allocates at most, in an environment that is warm."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / MEGABYTE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("smearing", [0.1, 0.05])
@pytest.mark.parametrize("exponent", [1, 3, 6])
def test_sharp_potentials_in_a_cell(exponent, smearing):
    model = LongRangePotential(exponent, smearing=smearing, tol=1e-6).fit([CRYSTAL])
    assert megabytes(lambda: model.transform([CRYSTAL])) < 300


def test_sharp_potentials_are_those_of_all_their_waves():
    """Once as a wide potential and pairs, once by 3 million k-vectors."""
    parameters = {"exponent": 6, "smearing": 0.12, "cutoff": 2.0, "l_max": 1, "invariants": None}
    atoms = Atoms("Na2Cl2", RNG.random((4, 3)) * 5, cell=[5] * 3, pbc=True)
    split = LongRangePotential(**parameters, tol=1e-7).fit([atoms]).transform_atoms([atoms])
    waves = LongRangePotential(**parameters, k_cutoff=62.0).fit([atoms]).transform_atoms([atoms])
    np.testing.assert_allclose(split, waves, rtol=0, atol=1e-7 * np.abs(waves).max())


@BOTH
@pytest.mark.parametrize(
    "estimator",
    [
        LongRangePotential(1, smearing=1e-9),
        LongRangePotential(6, smearing=1e-9),
        LongRangePotential(1, cutoff=1e5, exterior=True),
        DensityProjector(smearing=1e-9),
        DensityProjector(cutoff=1e5),
    ],
)
def test_lengths_that_tables_do_not_resolve(estimator, atoms):
    """Both are named, and what is allowed."""
    with pytest.raises(ValueError, match=r"smearing=\S+ .*cutoff=\S+ .* at least \S+ angstrom"):
        estimator.fit([atoms]).transform([atoms])


@pytest.mark.parametrize(
    ("estimator", "match"),
    [
        (LongRangePotential(1, k_cutoff=1e3), r"k-vectors up to 1e\+03.* 12 x 12 x 12 .*k_cutoff"),
        (LongRangePotential(0, smearing=0.02), r"k-vectors .* larger smearing"),
        (LongRangePotential(1, k_cutoff=1e3, method="nufft"), r"Waves .*smaller k_cutoff"),
        (MultipoleFeatures(1, cutoff=1e5), r"8 atoms .*pairs .* smaller cutoff"),
    ],
)
def test_waves_and_pairs_that_no_memory_holds(estimator, match):
    with pytest.raises(ValueError, match=match):
        estimator.fit([CRYSTAL]).transform([CRYSTAL])


def test_pairs_of_many_isolated_atoms():
    atoms = Atoms("H20000", np.arange(60000.0).reshape(-1, 3))
    with pytest.raises(ValueError, match=r"20000 atoms has so many pairs"):
        LongRangePotential().fit([atoms]).transform([atoms])


def gas(n_atoms, pbc):
    """Atoms on a distorted cubic grid, 0.1 per cubic angstrom."""
    sites = int(np.ceil(n_atoms ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(sites)] * 3), axis=-1).reshape(-1, 3)[:n_atoms]
    positions = 2.15 * grid + np.random.default_rng(0).normal(0, 0.1, (n_atoms, 3))
    return Atoms("NaCl" * (n_atoms // 2), positions, cell=[2.15 * sites] * 3, pbc=pbc)


@pytest.mark.parametrize("pbc", [True, False, [True, True, False]])
def test_large_structures_with_few_neighbors(pbc):
    """Whose atoms are too many for all of their pairs."""
    X = [gas(20000, pbc)]
    rows = DensityProjector(cutoff=3.0, n_max=1, l_max=0).fit(X).transform(X)
    assert np.all(np.isfinite(rows))
    with pytest.raises(ValueError, match=r"20000 atoms has so many pairs within 60 angstrom"):
        DensityProjector(cutoff=60.0, n_max=1, l_max=0, smearing=1.0).fit(X).transform(X)


def test_large_cells_with_pairs_in_their_far_field():
    X = [gas(20000, True)]
    model = LongRangePotential(1, exterior=True, l_max=0, tol=1e-3).fit(X)
    assert np.all(np.isfinite(model.transform(X)))


def test_nothing_of_the_pairs_outlives_a_call():
    """Sums are kept from one call to the next, lists of pairs are not."""
    X = [gas(2000, True)]
    model = LongRangePotential(1, exterior=True, l_max=0, tol=1.3e-3).fit(X)
    model.backpropagate(X, np.ones((1, len(model.get_feature_names_out()))))
    gc.collect()
    tracemalloc.start()
    model.backpropagate(X, np.ones((1, len(model.get_feature_names_out()))))
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    n_pairs = 2000 * 0.1 * 4 / 3 * np.pi * 5.0**3  # at least, of 40 bytes
    assert held < 0.1 * 40 * n_pairs
