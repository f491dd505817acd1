"""Many small cells summed at once, against one by one."""

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

from sklode import LongRangePotential
from sklode.physics.system.kvectors import half_spheres
from sklode.physics.waves.small_cells import add_waves_of_small_cells
from sklode.physics.waves.values import add_plane_waves

LODE = {"cutoff": 3.0, "n_max": 2, "l_max": 2, "smearing": 0.8, "invariants": None}


@given(
    n_structures=st.integers(1, 40),
    n_atoms=st.integers(1, 9),
    n_channels=st.integers(1, 3),
    widths=st.sampled_from([(3, 2), (1, 0), (18, 30)]),
    k_cutoff=st.sampled_from([0.1, 1.0, 3.0]),
    dtype=st.sampled_from(["float64", "float32"]),
    acting=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_sums_are_those_of_each_cell(
    n_structures, n_atoms, n_channels, widths, k_cutoff, dtype, acting, seed
):
    rng = np.random.default_rng(seed)
    cells = np.eye(3) * rng.uniform(2.0, 8.0, (n_structures, 1, 1))
    cells += rng.uniform(-0.5, 0.5, cells.shape)
    spheres = half_spheres(cells, [k_cutoff] * n_structures)
    kernels = [[rng.normal(size=(n, len(s))).astype(dtype) for n in widths] for s in spheres]
    positions = rng.uniform(-9.0, 9.0, (n_structures, n_atoms, 3))
    weights = rng.normal(size=(n_structures, n_atoms, n_channels))
    weights *= rng.random((n_structures, 1, n_channels)) < acting
    together, each = (
        [np.ones((n_channels, n_structures * n_atoms, n), dtype) for n in widths] for _ in range(2)
    )
    add_waves_of_small_cells(together, positions, weights, spheres, kernels)
    for i, cell in enumerate(zip(spheres, kernels, strict=True)):
        mine = [part[:, i * n_atoms : (i + 1) * n_atoms] for part in each]
        add_plane_waves(mine, positions[i : i + 1], weights[i : i + 1], *cell)
    largest = max(1.0, *(np.abs(part).max(initial=0.0) for part in each))
    for found, expected in zip(together, each, strict=True):
        accuracy = 1e-12 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(found, expected, rtol=0, atol=accuracy * largest)


@pytest.mark.parametrize("options", [{}, {"tol": 1e-3}, {"k_cutoff": 3.0}, {"exponent": [1, 6]}])
def test_a_batch_of_any_cells_has_the_rows_of_its_frames(options):
    rng = np.random.default_rng(0)
    frames = []
    for number in range(30):
        n_atoms = (2, 3, 3, 60)[number % 4]
        cell = (2.0 + 5.0 * rng.random()) * np.eye(3) + rng.uniform(-0.4, 0.4, (3, 3))
        frames.append(
            Atoms("H" * n_atoms, scaled_positions=rng.random((n_atoms, 3)), cell=cell, pbc=True)
        )
    frames[5].set_cell(frames[1].cell)
    frames[6].set_cell([1.0, 2.0, 90.0])  # thin
    lode = LongRangePotential(**{**LODE, "exponent": 1, **options}).fit(frames)
    together = lode.transform(frames)
    each = np.concatenate([lode.transform([frame]) for frame in frames])
    np.testing.assert_allclose(together, each, rtol=0, atol=1e-5 * np.abs(each).max())
    if "tol" not in options:
        np.testing.assert_allclose(together, each, rtol=0, atol=1e-11 * np.abs(each).max())
