"""Slabs and wires: potentials against sums over images, and what they do not depend on."""

import numpy as np
import pytest
from accuracy import row_errors
from ase import Atoms
from ase.build import fcc111, molecule
from scipy.spatial.transform import Rotation
from scipy.special import beta, gammainc

from sklode import DensityProjector, LongRangePotential, MultipoleFeatures, PowerSpectrum
from sklode.potentials import TabulatedPotential, Yukawa

SLAB, WIRE = [True, True, False], [True, False, False]
POINT = 1e-3  # cutoff of a basis that sees the potential at the atom alone, in angstrom


def neutral(pbc, third=(0.3, -0.2, 1.0), seed=0):
    """Four charges with a dipole across, in a cell whose other vectors mean nothing."""
    rng = np.random.default_rng(seed)
    positions = rng.uniform(0, 1, (4, 3)) * [5.0, 6.0 if pbc[1] else 3.0, 3.0]
    second = [0.8, 6.0, 0.0] if pbc[1] else [0.5, 1.0, 0.2]
    atoms = Atoms("NaClNaCl", positions, cell=[[5.0, 0.0, 0.0], second, third], pbc=pbc)
    atoms.set_array("q", np.array([1.0, -1.0, 1.0, -1.0]))
    return atoms


def potentials(atoms, points, exponent, cutoff=POINT):
    """Potential of smearing 1 at points, by a ghost without a charge at each."""
    ghosts = Atoms("X" * len(points), points)
    ghosts.set_array("q", np.zeros(len(points)))
    options = {"charges": "q", "tol": 1e-11, "include_center": True, "invariants": None}
    model = LongRangePotential(exponent, cutoff, 1, 0, radial_basis="monomial", **options)
    one = cutoff**1.5 / np.sqrt(3.0) * np.sqrt(4.0 * np.pi)  # coefficient of a constant
    rows = model.fit([atoms]).transform_atoms([atoms + ghosts])
    return rows[len(atoms) :, 0] / one


def smeared(r, exponent):
    values, near = r**-exponent, r < 9
    values[near] *= gammainc(0.5 * exponent, 0.5 * r[near] ** 2)
    return values


def sum_over_images(atoms, point, exponent, n_images):
    """Of all images up to so many cells away in each direction."""
    steps = np.arange(-n_images, n_images + 1)
    grids = np.meshgrid(*[steps if along else [0] for along in atoms.pbc], indexing="ij")
    shifts = np.stack([grid.ravel() for grid in grids], axis=1) @ atoms.cell.array
    each = zip(atoms.positions, atoms.arrays["q"], strict=True)
    return sum(
        q * smeared(np.linalg.norm(point - r - shifts, axis=1), exponent).sum() for r, q in each
    )


@pytest.mark.parametrize(("exponent", "accuracy"), [(1, 1e-7), (2, 1e-9), (3, 1e-9), (6, 1e-9)])
@pytest.mark.parametrize(("pbc", "sizes"), [(SLAB, (121, 364, 1093)), (WIRE, (1822, 5467, 16402))])
def test_sums_over_images(pbc, sizes, exponent, accuracy):
    """Extrapolated from three of 2 n + 1 cells, each three times as long as the one before."""
    atoms, point = neutral(pbc), np.array([1.7, 2.2, 1.0])
    first, second, third = (sum_over_images(atoms, point, exponent, n) for n in sizes)
    before, last = first - second, second - third
    limit = third - last**2 / (before - last) if abs(before - last) > 1e-13 else third
    # means over two small balls
    near, nearer = (potentials(atoms, point[None], exponent, size)[0] for size in (0.02, 0.01))
    found = (4 * nearer - near) / 3
    assert abs(found - limit) < accuracy * abs(limit)


@pytest.mark.parametrize("exponent", [0.5, 1, 1.5, 2, 3, 6, Yukawa(0.2), (1, 6)])
@pytest.mark.parametrize("pbc", [SLAB, WIRE])
@pytest.mark.parametrize("options", [{}, {"exterior": True}, {"dtype": "float32"}], ids=str)
def test_what_rows_do_not_depend_on(exponent, pbc, options):
    """Third vectors, shifts, which of the vectors repeat, and orientation."""
    atoms = neutral(pbc)
    model = LongRangePotential(exponent, 2.5, 2, 2, **options).fit([atoms])
    rows, limit = model.transform_atoms([atoms]), 2e-6
    limit = (2e-5 if "dtype" in options else 1e-7) * np.abs(rows).max()
    others = [neutral(pbc, third) for third in [(0, 0, 0), (3, 1, 0.01), (0, 0, 80), (0, 0, -9)]]
    moved = atoms.copy()
    moved.positions += [400.0, -300.0, 1000.0]
    moved.positions += np.arange(4)[:, None] * atoms.cell[0]
    exchanged = atoms.copy()
    exchanged.set_cell(atoms.cell.array[[2, 0, 1]])
    exchanged.pbc = atoms.pbc[[2, 0, 1]]
    turned = atoms.copy()
    matrix = -Rotation.random(None, 1).as_matrix()
    turned.set_cell(atoms.cell.array @ matrix)
    turned.positions = atoms.positions @ matrix
    for other in [*others, moved, exchanged, turned]:
        np.testing.assert_allclose(model.transform_atoms([other]), rows, rtol=0, atol=limit)


@pytest.mark.parametrize("repeats", [(2, 1, 1), (1, 3, 1)])
@pytest.mark.parametrize("field", [LongRangePotential, MultipoleFeatures])
def test_repeated_slabs(field, repeats):
    atoms = neutral(SLAB, third=(0, 0, 9))
    model = field((1, 2, 3), l_max=2, tol=1e-9).fit([atoms])
    copies = np.prod(repeats)
    rows = np.concatenate([model.transform_atoms([atoms])] * copies)
    found = model.transform_atoms([atoms.repeat(repeats)])
    np.testing.assert_allclose(found, rows, rtol=0, atol=1e-7 * np.abs(rows).max())


def test_a_molecule_is_the_limit_of_a_wide_slab():
    water = molecule("H2O")
    slab = water.copy()
    slab.set_cell([70.0, 70.0, 0.0])
    slab.pbc = SLAB
    model = LongRangePotential(6, cutoff=3.0, l_max=2, tol=1e-9, smearing=2.0).fit([water])
    rows = model.transform_atoms([slab, water])
    np.testing.assert_allclose(rows[:3], rows[3:], rtol=0, atol=1e-6 * np.abs(rows).max())


@pytest.mark.parametrize("pbc", [SLAB, WIRE])
def test_much_vacuum_for_steep_potentials(pbc):
    atoms = neutral(pbc, third=(0, 0, 300.0 if pbc == SLAB else 90.0))
    if pbc == WIRE:
        atoms.cell[1] = [0, 90.0, 0]
    padded = atoms.copy()
    padded.pbc = True
    model = LongRangePotential(6, cutoff=3.0, l_max=2, tol=1e-9).fit([atoms])
    rows, expected = model.transform_atoms([atoms]), model.transform_atoms([padded])
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-6 * np.abs(rows).max())


def test_the_dipole_correction_of_three_dimensions():
    """Yeh and Berkowitz: beside its field 4 pi M / V, a padded cell is a slab for p = 1."""
    atoms = neutral(SLAB, third=(0, 0, 30.0))
    padded = atoms.copy()
    padded.pbc = True
    points = np.random.default_rng(1).uniform(0, 5, (6, 3))
    differences = potentials(atoms, points, 1) - potentials(padded, points, 1)
    dipole = atoms.arrays["q"] @ atoms.positions[:, 2]
    slope = 4.0 * np.pi * dipole / padded.get_volume()
    rest = differences - slope * points[:, 2]
    assert np.ptp(rest) < 1e-6 * np.ptp(differences)


def charged(symbols, positions, cell, pbc):
    atoms = Atoms(symbols, positions, cell=cell, pbc=pbc)
    atoms.set_array("q", np.ones(len(atoms)))
    return atoms


def test_a_charged_plate():
    """Potential -2 pi |z| q / A without a constant, and its field on both sides."""
    plate = charged("H", np.zeros((1, 3)), [2.0, 2.5, 0.0], SLAB)
    points = np.array([[0.3, 0.7, z] for z in (9.0, 20.0, -9.0)])
    found = potentials(plate, points, 1)
    np.testing.assert_allclose(found, -2 * np.pi * np.abs(points[:, 2]) / 5.0, rtol=1e-9)
    ghosts = Atoms("X" * 3, points)
    ghosts.set_array("q", np.zeros(3))
    far = MultipoleFeatures(1, l_max=2, charges="q", tol=1e-10).fit([plate])
    fields = far.field([plate + ghosts], np.zeros((1, 3)))[0][1:, 0, 0, 0]
    expected = np.outer([1, 1, -1], [0, 0, 2 * np.pi / 5.0])
    np.testing.assert_allclose(fields, expected, rtol=0, atol=1e-8)


def test_charged_plates_add_up():
    single = charged("H", np.zeros((1, 3)), [2.0, 2.5, 0.0], SLAB)
    other = single.copy()
    other.positions[:, 2] = 30.0
    other.arrays["q"][:] = -1.0
    points = np.array([[0.3, 0.7, z] for z in (-8.0, 8.0, 15.0, 40.0)])
    both = potentials(single + other, points, 1)
    alone = potentials(single, points, 1) + potentials(other, points, 1)
    np.testing.assert_allclose(both, alone, rtol=0, atol=1e-9 * np.abs(alone).max())
    fields = -np.diff(both[1:3]) / np.diff(points[1:3, 2])
    np.testing.assert_allclose(fields, 4 * np.pi / 5.0, rtol=1e-9)


@pytest.mark.parametrize("exponent", [1, 1.5, 3])
def test_a_charged_line(exponent):
    """-2 log(r / cutoff) for p = 1; else the integral along the line."""
    line = charged("H", np.zeros((1, 3)), [2.0, 0.0, 0.0], WIRE)
    points = np.array([[0.3, 0.0, 9.0], [0.3, 12.0, 16.0]])
    r = np.linalg.norm(points[:, 1:], axis=1)
    expected = -2.0 * np.log(r / POINT) / 2.0
    if exponent > 1:
        expected = 0.5 * beta(0.5, 0.5 * (exponent - 1)) * r ** (1 - exponent)
    np.testing.assert_allclose(potentials(line, points, exponent), expected, rtol=1e-7)


def test_models_of_neutral_structures_do_not_see_the_constant():
    """Of two equal compositions; here that of p = 2, which vanishes at the cutoff."""
    thin, thick = neutral(SLAB), neutral(SLAB)
    thick.positions[:, 2] *= 1.7
    differences = []
    for cutoff in (2.0, 4.0):
        model = LongRangePotential(2, cutoff, 1, 0, tol=1e-10, include_center=True)
        model.set_params(radial_basis="monomial", invariants=None)
        sodium, chlorine = np.split(model.fit([thin]).transform([thin, thick]), 2, axis=1)
        differences.append((sodium - chlorine) / cutoff**1.5)
        assert not np.allclose(sodium, differences[0][0], rtol=0.1)
    # potentials in balls of different sizes are not the same, but close beside the constant
    np.testing.assert_allclose(differences[0], differences[1], atol=0.5)


@pytest.mark.parametrize("pbc", [SLAB, WIRE])
@pytest.mark.parametrize("method", ["direct", "nufft"])
def test_tolerance(pbc, method):
    """Random structures, exponents from 0.5 to 12, smearings from 0.3 to 3."""
    rng = np.random.default_rng(sum(pbc))
    for trial in range(8):
        n_atoms, exponent = int(rng.integers(1, 9)), float(rng.uniform(0.5, 12))
        smearing, lengths = float(10 ** rng.uniform(-0.52, 0.48)), rng.uniform(3, 9, 3)
        cell = np.diag(lengths) @ (np.eye(3) + 0.2 * rng.uniform(-1, 1, (3, 3)))
        positions = rng.uniform(0, 1, (n_atoms, 3)) @ cell
        atoms = Atoms(rng.choice(["H", "O"], n_atoms), positions, cell=cell, pbc=pbc)
        options = {"cutoff": 3.0, "n_max": 2, "l_max": 3, "smearing": smearing, "invariants": None}
        exact = LongRangePotential(exponent, tol=1e-11, **options).fit([atoms])
        rows = exact.transform_atoms([atoms])
        for tol in (1e-3, 1e-6):
            model = LongRangePotential(exponent, tol=tol, method=method, **options).fit([atoms])
            errors = np.abs(model.transform_atoms([atoms]) - rows)
            assert (errors <= row_errors(model, atoms)).all(), (trial, tol, exponent, smearing)


@pytest.mark.parametrize("pbc", [SLAB, WIRE])
@pytest.mark.parametrize("length", [12.0, 30.0])
@pytest.mark.parametrize("field", [LongRangePotential, MultipoleFeatures])
def test_tolerance_where_charges_cancel(field, length, pbc):
    """The far field of the images of an octupole is small beside that of each of its charges."""
    methane = molecule("CH4", cell=[length] * 3, pbc=pbc)
    methane.set_array("q", np.where(methane.numbers == 6, -0.4, 0.1))
    options = {"cutoff": 3.0, "l_max": 2, "charges": "q", "invariants": None}
    options |= {"exterior": True} if field is LongRangePotential else {}

    def rows(tol):
        return field(1, tol=tol, **options).fit([methane]).transform_atoms([methane])

    expected = rows(1e-12)
    for tol in (1e-3, 1e-6):
        assert np.abs(rows(tol) - expected).max() < tol * np.abs(expected).max()


SHIFTS = [s * size for size in (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-10) for s in (1, -1)]


@pytest.mark.parametrize(("pbc", "d"), [(SLAB, 2), (WIRE, 1)])
class TestExponentsNearTheNumberOfDirections:
    """Where a constant grows, as 1 / (p - d), that neutral structures do not have."""

    @staticmethod
    def rows(pbc, exponent, tol, **options):
        model = LongRangePotential(exponent, charges="q", invariants=None, tol=tol, **options)
        return model.fit([neutral(pbc)]).transform_atoms([neutral(pbc)])

    def test_continuity(self, pbc, d):
        """Rows change with p as they do for larger changes of it, linearly."""
        expected, slope = self.rows(pbc, d, 1e-9), self.rows(pbc, d + 0.01, 1e-9)
        slope = np.abs(slope - expected).max() / 0.01
        for shift in SHIFTS[2:]:
            allowed = 1.5 * slope * abs(shift) + 2e-9 * np.abs(expected).max()
            found = self.rows(pbc, d + shift, 1e-9)
            np.testing.assert_allclose(found, expected, rtol=0, atol=allowed)

    @pytest.mark.parametrize("options", [{}, {"exterior": True}, {"method": "nufft"}], ids=str)
    def test_tolerance(self, pbc, d, options):
        for shift in SHIFTS:
            expected = self.rows(pbc, d + shift, 1e-11, **options | {"method": "direct"})
            for tol in (1e-3, 1e-6):
                error = np.abs(self.rows(pbc, d + shift, tol, **options) - expected).max()
                assert error < tol * np.abs(expected).max(), (shift, tol)

    @pytest.mark.parametrize("shift", [0.0, 1e-1, -1e-2, 1e-3, -1e-4])
    def test_strain(self, pbc, d, shift):
        """Of charges that do not cancel: the constant is the same in a longer box."""
        atoms = neutral(pbc)
        atoms.arrays["q"][0] += 0.5
        options = {"charges": "q", "invariants": "radial_spectrum", "tol": 1e-10}
        model = LongRangePotential(d + shift, **options).fit([atoms])
        (found,) = model.transform_strain_gradients([atoms])
        for a, b in np.ndindex(3, 3):
            steps, moved = (1e-4, -1e-4), []
            for step in steps:
                deformation = np.eye(3)
                deformation[a, b] += step
                other = atoms.copy()
                other.set_cell(atoms.cell.array @ deformation)
                other.positions = atoms.positions @ deformation
                moved.append(other)
            high, low = model.transform(moved)
            slopes, limit = (high - low) / 2e-4, 1e-6 * np.abs(found).max()
            np.testing.assert_allclose(found[a, b], slopes, rtol=0, atol=limit)

    def test_weak_screening(self, pbc, d):
        """Which has the large constant, too."""
        expected = self.rows(pbc, Yukawa(1e-3), 1e-11)
        for tol in (1e-3, 1e-6):
            error = np.abs(self.rows(pbc, Yukawa(1e-3), tol) - expected).max()
            assert error < tol * np.abs(expected).max()


@pytest.mark.parametrize("exponent", [3, 12])
@pytest.mark.parametrize("field", [LongRangePotential, MultipoleFeatures])
@pytest.mark.parametrize("cell", [(300.0, 1.0, 1.0), (60.0, 70.0, 1.0)])
def test_tolerance_of_sparse_structures(cell, field, exponent):
    """Whose far field is that of images farther away than any box is long."""
    atoms = Atoms("OH", [[0, 0, 0], [0.3, 0.2, 1.0]], cell=cell, pbc=SLAB if cell[1] > 1 else WIRE)
    options = {"cutoff": 3.0, "n_max": 1, "l_max": 2, "invariants": None}
    options |= {"exterior": True} if field is LongRangePotential else {}
    coarse, fine = (
        field(exponent, tol=tol, **options).fit([atoms]).transform_atoms([atoms])
        for tol in (1e-5, 1e-9)
    )
    assert np.abs(coarse - fine).max() < 1e-5 * np.abs(fine).max()


@pytest.mark.parametrize("pbc", [[True] * 3, SLAB, WIRE])
@pytest.mark.parametrize("length", [30.0, 60.0])
def test_distant_images_by_steep_potentials(length, pbc):
    """Beside whose near field they are less than rounding; as sums over images."""
    atoms = Atoms(
        "OH", [[0, 0, 0], [0.3, 0.2, 1.0]], cell=length * np.array([1, 1.2, 1.1]), pbc=pbc
    )
    images = atoms.repeat([5 if along else 1 for along in pbc])
    images.pbc = False
    middle = 2 * (len(images) // 4)
    model = LongRangePotential(12, 3.0, 1, 2, exterior=True, invariants=None).fit([atoms])
    rows, expected = model.transform_atoms([atoms]), model.transform_atoms([images])
    expected = expected[middle : middle + 2]  # those 3 cells away add 3^-12 each
    np.testing.assert_allclose(rows, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("bump", [0.0, 1.0])
def test_tables_and_densities_are_sums_over_neighbours(bump):
    """Potentials that end need no window."""
    atoms = neutral(SLAB, third=(0, 0, 9.0))
    r = np.linspace(0, 6, 31)
    table = TabulatedPotential(r, bump * np.cos(np.pi * r / 12) ** 4 + (1 - bump) * np.exp(-(r**2)))
    model = LongRangePotential(table, cutoff=3.0, l_max=2, invariants=None, tol=1e-9).fit([atoms])
    wide = atoms.repeat((9, 9, 1))
    wide.pbc = False
    middle = slice(4 * 40, 4 * 41)
    found, expected = model.transform_atoms([atoms]), model.transform_atoms([wide])[middle]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7 * np.abs(expected).max())


def test_a_wire_whose_waves_all_run_across():
    """Turned, so that what they have along the wire is zero but for rounding."""
    atoms = neutral(WIRE)
    turned = atoms.copy()
    matrix = Rotation.random(None, 3).as_matrix()
    turned.set_cell(atoms.cell.array @ matrix)
    turned.positions = atoms.positions @ matrix
    model = LongRangePotential(1, cutoff=3.0, smearing=6.0, l_max=2, tol=1e-6).fit([atoms])
    rows, expected = model.transform_atoms([turned]), model.transform_atoms([atoms])
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_potentials_of_slabs_by_torch_pme():
    """Which has vacuum and a correction for p = 1; of neutral slabs, but for a constant."""
    torch = pytest.importorskip("torch", reason="needs the extra bench")
    torchpme = pytest.importorskip("torchpme", reason="needs the extra bench")
    vesin = pytest.importorskip("vesin")
    atoms = neutral(SLAB, third=(0.0, 0.0, 40.0))
    pairs = vesin.NeighborList(cutoff=9.0, full_list=False)
    first, second, distances = pairs.compute(atoms.positions, atoms.cell.array, True, "ijd")
    calculator = torchpme.EwaldCalculator(
        torchpme.CoulombPotential(smearing=1.2), lr_wavelength=0.6
    ).to(dtype=torch.float64)
    halves = calculator(
        torch.tensor(atoms.arrays["q"])[:, None],
        torch.tensor(atoms.cell.array),
        torch.tensor(atoms.positions),
        torch.tensor(np.stack([first, second], axis=1).astype(np.int64)),
        torch.tensor(distances),
        periodic=torch.tensor(SLAB),
    )
    expected = 2.0 * halves[:, 0].numpy()
    options = {"charges": "q", "cutoff": 0.5, "cutoff_width": 0.1, "invariants": None}
    model = MultipoleFeatures(1, l_max=0, tol=1e-9, **options).fit([atoms])
    found = model.transform_atoms([atoms])[:, 0] * np.sqrt(4.0 * np.pi)
    differences = found - expected
    assert np.ptp(differences) < 1e-6 * np.ptp(found)


def test_a_flat_layer_and_a_straight_wire():
    flat = Atoms("C2", [[0, 0, 0], [1.2, 0.7, 0]], cell=[2.4, 2.1, 0], pbc=SLAB)
    straight = Atoms("C2", [[0, 0, 0], [1.3, 0, 0]], cell=[2.6, 0, 0], pbc=WIRE)
    model = PowerSpectrum(DensityProjector(), LongRangePotential((1, 6)))
    rows, gradients = model.fit([flat, straight]).transform_with_gradients([flat, straight])
    assert np.isfinite(rows).all()
    assert all(np.isfinite(g).all() for g in gradients)


class TestBadInput:
    @pytest.mark.parametrize("field", [LongRangePotential, MultipoleFeatures])
    @pytest.mark.parametrize(
        "cell", [[[5, 0, 0], [0, 0, 0], [0, 0, 9]], [[5, 0, 0], [10, 0, 0], [0, 0, 9]]]
    )
    def test_periodic_vectors_that_span_nothing(self, field, cell):
        X = [molecule("H2O"), Atoms("H", cell=cell, pbc=SLAB)]
        with pytest.raises(ValueError, match=r"X\[1\] \(H\).*pbc = \[True, True, False\].*no area"):
            field().fit(X)

    def test_a_wire_without_length(self):
        with pytest.raises(ValueError, match=r"X\[0\] \(H\).*no length"):
            LongRangePotential().fit([Atoms("H", pbc=WIRE)])


def test_repeats_of_a_metal_surface():
    slab = fcc111("Cu", (2, 2, 3), vacuum=8.0)
    rows = LongRangePotential(6).fit_transform([slab, slab.repeat((2, 1, 1))])
    np.testing.assert_allclose(2 * rows[0], rows[1], rtol=1e-6)
