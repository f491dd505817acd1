"""Small smearings in large cells: a wide k-sum and pairs give the same potential, sooner."""

import numpy as np
import pytest
from ase import Atoms

from sklode import LongRangePotential
from sklode.physics.fields import potential as potential_expansion
from sklode.physics.waves import values as plane_wave_sum


def dilute(seed, n_atoms=8, length=14.0):
    rng = np.random.default_rng(seed)
    cell = length * np.eye(3) + rng.uniform(-1.0, 1.0, (3, 3))
    positions = 4.0 * rng.random((n_atoms, 3)) + 10.0 * rng.random(3)
    return Atoms(rng.choice(["H", "C", "O"], n_atoms), positions=positions, cell=cell, pbc=True)


@pytest.fixture
def n_k_vectors(monkeypatch):
    """Lists the number of k-vectors of every sum."""
    counts, original = [], plane_wave_sum.add_plane_waves

    def counted(sums, positions, weights, sphere, kernels):
        counts.append(len(sphere))
        original(sums, positions, weights, sphere, kernels)

    monkeypatch.setattr(plane_wave_sum, "add_plane_waves", counted)
    return counts


@pytest.mark.parametrize("include_center", [False, True])
@pytest.mark.parametrize(
    ("exponent", "basis"),
    [(0.5, "monomial"), (1, "gto"), (2, "monomial"), (3, "gto"), (4.5, "monomial"), (6, "gto")],
)
@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_tolerance_holds_and_k_vectors_are_few(exponent, basis, include_center, tol, n_k_vectors):
    atoms = dilute(seed=round(10 * exponent))
    options = {
        "cutoff": 2.5, "n_max": 2, "l_max": 3, "smearing": 0.5, "radial_basis": basis,
        "include_center": include_center, "invariants": None, "method": "direct",
    }  # fmt: skip
    lode = LongRangePotential(exponent, tol=tol, **options).fit([atoms])
    found = lode.transform_atoms([atoms])
    exact = LongRangePotential(exponent, k_cutoff=19.0, **options).fit([atoms])
    exact = exact.transform_atoms([atoms])
    species = lode.feature_table_["species"].to_numpy()
    for element in np.unique(species):
        columns = species == element
        scale = np.abs(exact[:, columns]).max()
        assert np.abs(found - exact)[:, columns].max() <= tol * scale
    if exponent <= 2 or tol > 1e-6:  # tables of steeper potentials do not resolve distant atoms
        assert max(n_k_vectors[:-1]) < 0.05 * n_k_vectors[-1]


def test_several_exponents_and_mixed_cells(n_k_vectors):
    X = [dilute(1), dilute(2, n_atoms=3, length=20.0), dilute(3, n_atoms=12, length=5.0)]
    options = {"smearing": 0.6, "invariants": None, "tol": 1e-8}
    together = LongRangePotential((1, 6), **options).fit(X).transform_atoms(X)
    apart = [LongRangePotential(p, **options).fit(X).transform_atoms(X) for p in (1, 6)]
    np.testing.assert_allclose(together, np.hstack(apart), atol=1e-8 * np.abs(together).max())


def test_a_density_is_never_split(monkeypatch):
    splits, original = [], potential_expansion._Potential.periodic_sum

    def noted(self, split):
        splits.append(split)
        return original(self, split)

    monkeypatch.setattr(potential_expansion._Potential, "periodic_sum", noted)
    atoms = dilute(5, length=10.0)
    LongRangePotential((0, 1), smearing=0.5, tol=1.1e-3).fit([atoms]).transform([atoms])
    assert splits == [None]
