"""How much work is done, counted rather than timed: k-vectors, pairs, products, transforms, calls.

A limit is what the code needs today and a little more: whoever goes beyond it should know why.
"""

import os
import platform
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import scipy.fft
from ase import Atoms
from ase.build import bulk, molecule

import sklode
from sklode import AtomisticRidgeCV, DensityProjector, LongRangePotential, PowerSpectrum
from sklode.physics.invariants import power_spectrum as invariants
from sklode.physics.mesh.values import MeshSum
from sklode.physics.pairs import pair_sum
from sklode.physics.pairs import values as pair_expansion
from sklode.physics.waves import values as plane_wave_sum
from sklode.projection.expansion import Expansion

LODE = {
    "cutoff": 5.0, "n_max": 5, "l_max": 3, "smearing": 1.0, "radial_basis": "gto",
    "include_center": True, "invariants": None,
}  # fmt: skip
K_CUTOFF = 1.2 * np.pi
N_COLUMNS = 16 * 5


def salt(n_atoms, seed=0):
    """Na and Cl on a jittered cubic grid, 0.1 atoms per cubic angstrom."""
    rng = np.random.default_rng(seed)
    length = (10.0 * n_atoms) ** (1 / 3)
    sites = int(np.ceil(round(n_atoms ** (1 / 3), 9)))
    grid = np.indices([sites] * 3).reshape(3, -1).T[:n_atoms] + 0.5
    positions = grid * length / sites + rng.normal(0.0, 0.2, (n_atoms, 3))
    return Atoms("NaCl" * (n_atoms // 2), positions, cell=[length] * 3, pbc=True)


@pytest.fixture
def spheres(monkeypatch):
    """Numbers of k-vectors, rows and columns of every sum by matrix products."""
    seen, original = [], plane_wave_sum.add_plane_waves

    def counted(sums, positions, weights, sphere, kernels):
        rows, columns = weights.size, sum(len(kernel) for kernel in kernels)
        seen.append((len(sphere), rows, columns))
        original(sums, positions, weights, sphere, kernels)

    monkeypatch.setattr(plane_wave_sum, "add_plane_waves", counted)
    return seen


def transformed(transformer, structures):
    return transformer.fit(structures).transform(structures)


def test_products_are_those_of_the_formula(spheres):
    atoms = salt(216)
    transformed(LongRangePotential(k_cutoff=K_CUTOFF, **LODE), [atoms])
    ((n_vectors, rows, columns),) = spheres
    half = atoms.get_volume() * K_CUTOFF**3 / (12 * np.pi**2)
    assert n_vectors == pytest.approx(half, rel=0.05)
    assert rows == 2 * len(atoms)
    assert columns == N_COLUMNS


@pytest.mark.parametrize(("tol", "limit"), [(1e-3, 950), (1e-6, 2500), (1e-9, 4700)])
def test_a_tolerance_needs_so_many_vectors(spheres, tol, limit):
    transformed(LongRangePotential(tol=tol, method="direct", **LODE), [salt(216)])
    assert sum(n_vectors for n_vectors, *_ in spheres) <= limit


def test_frames_of_one_cell_share_one_sum(spheres, monkeypatch):
    frames = [salt(64, seed) for seed in range(12)]
    evaluated, original = [], plane_wave_sum.PlaneWaveSum._kernels

    def counted(self, chosen, *args):
        evaluated.append(len(chosen))
        return original(self, chosen, *args)

    monkeypatch.setattr(plane_wave_sum.PlaneWaveSum, "_kernels", counted)
    transformed(LongRangePotential(k_cutoff=K_CUTOFF, tol=1.1e-6, **LODE), frames)
    assert len(spheres) == 1
    assert evaluated == [1]


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"tol": 4e-4}, 9),
        ({"tol": 1e-6}, 12),
        ({"tol": 1e-6, "exponent": (1, 3, 6)}, 17),
        ({"tol": 1e-6, "radial_basis": "monomial", "n_max": 1}, 4),
    ],
)
def test_few_transforms_serve_all_coefficients(monkeypatch, options, limit):
    n_fields, original = [], scipy.fft.irfftn

    def counted(spectra, *args, **kwargs):
        n_fields.append(len(spectra))
        return original(spectra, *args, **kwargs)

    monkeypatch.setattr(scipy.fft, "irfftn", counted)
    transformed(LongRangePotential(**{**LODE, "method": "nufft", **options}), [salt(1000)])
    assert sum(n_fields) <= 2 * limit  # two elements


@pytest.mark.parametrize(("tol", "order", "points"), [(4e-4, 9, 36**3), (1e-6, 12, 54**3)])
def test_a_tolerance_needs_such_a_mesh(tol, order, points):
    with mock.patch.object(MeshSum, "__call__", autospec=True) as meshed:
        meshed.side_effect = RuntimeError
        with pytest.raises(RuntimeError):
            transformed(LongRangePotential(tol=tol, method="nufft", **LODE), [salt(1000)])
    plan = meshed.call_args.args[2]
    assert plan.mesh.order <= order
    assert np.prod(plan.mesh.shape) <= points


def test_pairs_are_those_within_the_cutoff_and_nothing_is_padded(monkeypatch):
    atoms = salt(216)
    listed, products = [], []
    search, sums = pair_sum.pairs_within, pair_expansion._sum_groups

    def searched(structures, cutoff, n_threads):
        pairs = search(structures, cutoff, n_threads)
        listed.append(len(pairs))
        return pairs

    def summed(harmonics, *args):
        products.append(len(harmonics))
        return sums(harmonics, *args)

    monkeypatch.setattr(pair_sum, "pairs_within", searched)
    monkeypatch.setattr(pair_expansion, "_sum_groups", summed)
    transformed(DensityProjector(cutoff=4.0), [atoms])
    cells = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    images = (cells @ atoms.cell[:])[:, None] + atoms.positions
    distances = np.linalg.norm(images[None] - atoms.positions[:, None, None], axis=3)
    assert sum(listed) == sum(products) == np.sum((distances < 4.0) & (distances > 0))


def test_only_elements_that_a_structure_has_are_multiplied(monkeypatch):
    rho = DensityProjector(n_max=3, l_max=2, species=["H", "C", "N", "O", "Na", "Cl"])
    widths, products = [], invariants._products

    def watched(left, right, *args):
        widths.extend(of_degree.shape[2] for of_degree in left)
        return products(left, right, *args)

    monkeypatch.setattr(invariants, "_products", watched)
    frames = [molecule(name) for name in ("H2O", "CH4", "H2O", "CO2", "CH4")]
    for method in ("transform", "transform_atoms"):
        widths.clear()
        getattr(rho.fit(frames), method)(frames)
        assert set(widths) == {2 * 3}
        # those of the same elements, and here of the same size, in one product a degree
        assert len(widths) == 3 * 3


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries keep other amounts")
def test_temporary_arrays_need_no_new_pages():
    code = """
import resource
from test_work import DensityProjector, salt
frames = [salt(216, seed) for seed in range(10)]
rho = DensityProjector(n_max=8, l_max=6).fit(frames)
pages = []
for _ in range(4):
    rho.transform(frames)
    pages.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(pages[3] - pages[2])
"""
    command = [sys.executable, "-c", code]
    # dask's workers, and so processes that have started them, have settings of their own
    usual = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        command, cwd=Path(__file__).parent, env=usual, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 500


def calls(function):
    """Python functions entered and functions of extensions called."""
    count = [0]

    def profile(frame, event, argument):
        count[0] += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count[0]


@pytest.mark.parametrize(
    ("transformer", "limit"),
    [
        (DensityProjector(cutoff=3.0), 60),
        (LongRangePotential(), 45),
        (PowerSpectrum(DensityProjector(cutoff=3.0), LongRangePotential(6)), 80),
    ],
    ids=["density", "potential", "product"],
)
def test_a_molecule_more_costs_few_calls(transformer, limit):
    molecules = [
        Atoms("OH2", [[0, 0, 0], [0.1 * i % 1, 0.8, 0.5], [0.8, 0, 0.5]]) for i in range(60)
    ]
    fitted = transformer.fit(molecules)
    fitted.transform(molecules)
    few, many = (calls(lambda n=n: fitted.transform(molecules[:n])) for n in (20, 60))
    assert (many - few) / 40 <= limit


@pytest.mark.parametrize(
    ("transformer", "limit"),
    [
        (DensityProjector(), 1384),
        (LongRangePotential(), 1364),
        (PowerSpectrum(DensityProjector(), LongRangePotential()), 2095),
    ],
    ids=["density", "potential", "product"],
)
def test_a_step_of_a_simulation_costs_few_calls(transformer, limit):
    water = [molecule("H2O")]
    fitted = transformer.fit(water)
    fitted.transform(water)
    assert calls(lambda: fitted.transform(water)) <= limit


def own_calls(function):
    """How often functions of sklode are entered, comprehensions apart, and in how many files."""
    counts, root = Counter(), str(Path(sklode.__file__).parent)

    def profile(frame, event, argument):
        code = frame.f_code
        own = code.co_filename.startswith(root) and not code.co_name.startswith("<")
        counts[code.co_filename] += event == "call" and own

    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(None)
    return sum(counts.values()), sum(count > 0 for count in counts.values())


def rock_salt(n_structures):
    crystals = [bulk("NaCl", "rocksalt", 5.64, cubic=True) for _ in range(n_structures)]
    for seed, atoms in enumerate(crystals):
        atoms.rattle(0.05, seed=seed)
    return crystals


def test_a_row_needs_few_functions():
    X = rock_salt(1)
    rho_v = PowerSpectrum(DensityProjector(), LongRangePotential()).fit(X)
    rho_v.transform(X)
    n_calls, n_files = own_calls(lambda: rho_v.transform(X))
    assert n_calls <= 218
    assert n_files <= 36


def test_a_fit_with_forces_needs_few_functions(monkeypatch):
    """Features are computed once, with their derivatives."""
    X, rng = rock_salt(6), np.random.default_rng(0)
    targets = {
        "forces": [rng.normal(size=(len(atoms), 3)) for atoms in X],
        "stresses": 0.01 * rng.normal(size=(6, 6)),
    }
    model = AtomisticRidgeCV(PowerSpectrum(DensityProjector(), LongRangePotential()))
    y = rng.normal(size=6)
    model.fit(X, y, **targets)
    n_calls, _ = own_calls(lambda: model.fit(X, y, **targets))
    assert n_calls <= 1379
    described, original = [], Expansion.coefficients

    def counted(self):
        described.append(len(self.batch.structures))
        return original(self)

    monkeypatch.setattr(Expansion, "coefficients", counted)
    model.fit(X, y, **targets)
    assert described == [6, 6]  # once for each of both fields


@pytest.mark.parametrize(
    ("cells", "n_atoms", "accuracy", "limit"),
    [
        ("one", 8, {"k_cutoff": K_CUTOFF}, 85),
        ("one", 8, {"tol": 4e-4}, 100),
        ("many", 8, {"k_cutoff": K_CUTOFF}, 120),
        ("many", 16, {"tol": 4e-4}, 170),
        ("many", 16, {"tol": 1e-6, "exponent": [1, 3, 6]}, 235),
        ("many", 64, {"tol": 4e-4}, 350),
    ],
)
def test_a_periodic_frame_more_costs_few_calls(cells, n_atoms, accuracy, limit):
    frames = [salt(n_atoms, seed) for seed in range(60)]
    if cells == "many":
        for i, atoms in enumerate(frames):
            atoms.set_cell(atoms.cell[:] * (1 + 0.001 * i), scale_atoms=True)
    lode = LongRangePotential(**accuracy, **LODE).fit(frames)
    lode.transform(frames)
    few, many = (calls(lambda n=n: lode.transform(frames[:n])) for n in (20, 60))
    assert (many - few) / 40 <= limit
