"""The same numbers as featomic, an independent implementation in Rust."""

import numpy as np
import pytest
from ase.data import atomic_numbers
from systems import rattled_salt, triclinic

from sklode import DensityProjector, LongRangePotential, PowerSpectrum

featomic = pytest.importorskip("featomic", reason="featomic has no wheel for this platform")
from featomic.clebsch_gordan import PowerSpectrum as Products  # noqa: E402

RADIUS, N_MAX, L_MAX, SMEARING, K_CUTOFF = 2.5, 4, 3, 1.1, 4.0
CUTOFF, WIDTH, DENSITY_SMEARING = 4.0, 0.5, 0.4
STRUCTURES = {
    "salt": rattled_salt(),
    "two species": triclinic("C3O3", 5, 7.0),
    "three species": triclinic("C3O2H2", 1, 6.0),
}
over_structures = pytest.mark.parametrize(
    "atoms", [pytest.param(a, id=name) for name, a in STRUCTURES.items()]
)


def radial(n_max, **more):
    return {"type": "Gto", "max_radial": n_max - 1, **more}


def tensor_product(l_max, radial):
    return {
        "type": "TensorProduct",
        "max_angular": l_max,
        "spline_accuracy": None,
        "radial": radial,
    }


def potential_hypers(exponent, center=1.0):
    return {
        "density": {
            "type": "SmearedPowerLaw",
            "smearing": SMEARING,
            "exponent": exponent,
            "center_atom_weight": center,
        },
        "k_cutoff": K_CUTOFF,
        "basis": tensor_product(L_MAX, radial(N_MAX, radius=RADIUS)),
    }


def density_hypers(center=1.0):
    smoothing = {"type": "ShiftedCosine", "width": WIDTH}
    return {
        "cutoff": {"radius": CUTOFF, "smoothing": smoothing},
        "density": {
            "type": "Gaussian",
            "width": DENSITY_SMEARING,
            "center_atom_weight": center,
        },
        "basis": tensor_product(L_MAX, radial(N_MAX)),
    }


def potential(exponent, **parameters):
    return LongRangePotential(
        exponent=exponent,
        cutoff=RADIUS,
        n_max=N_MAX,
        l_max=L_MAX,
        smearing=SMEARING,
        radial_basis="gto",
        k_cutoff=K_CUTOFF,
        **{"include_center": True, **parameters},
    )


def density(**parameters):
    return DensityProjector(
        CUTOFF,
        n_max=N_MAX,
        l_max=L_MAX,
        smearing=DENSITY_SMEARING,
        cutoff_width=WIDTH,
        **parameters,
    )


def their_coefficients(calculator, atoms):
    """Columns by (species, n, l, m), each over all atoms."""
    columns = {}
    for key, block in calculator.compute([atoms]).items():
        l, species = int(key["o3_lambda"]), int(key["neighbor_type"])
        rows = block.samples.column("atom")
        for m, n in np.ndindex(2 * l + 1, block.values.shape[2]):
            column = columns.setdefault((species, n, l, m - l), np.zeros(len(atoms)))
            column[rows] = block.values[:, m, n]
    return columns


def their_spectrum(descriptor, n_atoms):
    """Columns by (species_1, n_1, species_2, n_2, l) of blocks with any names for these."""
    columns = {}
    for key, block in descriptor.items():
        rows = block.samples.column("atom")
        names = block.properties.names
        for position, entry in enumerate(block.properties):
            field = {name: int(entry[name]) for name in names}
            if "l" not in field:
                field["l"] = int(key["l"])
            where = {**field, **{name: int(key[name]) for name in key.names if name != "l"}}
            index = tuple(
                where[name] for name in ("neighbor_1_type", "n_1", "neighbor_2_type", "n_2", "l")
            )
            columns.setdefault(index, np.zeros(n_atoms))[rows] = block.values[:, position]
    return columns


def our_columns(model, atoms, fields):
    rows = np.asarray(model.fit([atoms]).transform_atoms([atoms]))
    table = model.feature_table_
    index = [
        tuple(atomic_numbers.get(entry[f], entry[f]) for f in fields)
        for entry in table.to_dict("records")
    ]
    assert len(set(index)) == rows.shape[1]
    return dict(zip(index, rows.T, strict=True))


def assert_equal_columns(ours, theirs, accuracy):
    """All columns agree to a fraction of the largest; what they leave out is zero."""
    assert set(theirs) <= set(ours)
    scale = max(np.abs(column).max() for column in theirs.values())
    for index, column in ours.items():
        expected = theirs.get(index, np.zeros_like(column))
        error = np.abs(column - expected).max() / scale
        assert error <= accuracy, index


def accuracy_of(exponent):
    """Even powers need the complementary error function, which featomic has to 1e-10 only."""
    return 1e-8 if exponent % 2 == 0 else 1e-9


@over_structures
@pytest.mark.parametrize("include_center", [True, False])
@pytest.mark.parametrize("exponent", range(7))
def test_coefficients_of_the_potential(exponent, include_center, atoms):
    model = potential(exponent, include_center=include_center, invariants=None)
    ours = our_columns(model, atoms, ("species", "n", "l", "m"))
    hypers = potential_hypers(exponent, float(include_center))
    theirs = their_coefficients(featomic.LodeSphericalExpansion(**hypers), atoms)
    assert set(ours) == set(theirs)
    assert_equal_columns(ours, theirs, accuracy_of(exponent))


@over_structures
@pytest.mark.parametrize("include_center", [True, False])
def test_coefficients_of_the_density(include_center, atoms):
    model = density(include_center=include_center, invariants=None)
    ours = our_columns(model, atoms, ("species", "n", "l", "m"))
    calculator = featomic.SphericalExpansion(**density_hypers(float(include_center)))
    assert_equal_columns(ours, their_coefficients(calculator, atoms), 1e-9)


PAIR_FIELDS = ("species_1", "n_1", "species_2", "n_2", "l")


def once_each(columns):
    """One of each unordered pair of (species, n), unlike ones times sqrt(2)."""
    return {
        index: column * (1.0 if index[:2] == index[2:4] else np.sqrt(2.0))
        for index, column in columns.items()
        if index[:2] <= index[2:4]
    }


@over_structures
@pytest.mark.parametrize("field", ["density", 0, 1, 3, 4, 6])
def test_power_spectrum_of_one_field(field, atoms):
    if field == "density":
        model, calculator = density(), featomic.SphericalExpansion(**density_hypers())
        accuracy = 1e-9
    else:
        model = potential(field)
        calculator = featomic.LodeSphericalExpansion(**potential_hypers(field))
        accuracy = accuracy_of(field)
    theirs = once_each(their_spectrum(Products(calculator).compute([atoms]), len(atoms)))
    ours = our_columns(model, atoms, PAIR_FIELDS)
    assert set(ours) == set(theirs)
    assert_equal_columns(ours, theirs, accuracy)
    assert_equal_columns(our_columns(PowerSpectrum(model), atoms, PAIR_FIELDS), theirs, accuracy)


@over_structures
@pytest.mark.parametrize("exponent", [1, 2, 3, 5, 6])
def test_power_spectrum_of_density_and_potential(exponent, atoms):
    ours = our_columns(PowerSpectrum(density(), potential(exponent)), atoms, PAIR_FIELDS)
    products = Products(
        featomic.SphericalExpansion(**density_hypers()),
        featomic.LodeSphericalExpansion(**potential_hypers(exponent)),
    )
    theirs = their_spectrum(products.compute([atoms]), len(atoms))
    assert set(ours) == set(theirs)
    assert_equal_columns(ours, theirs, accuracy_of(exponent))


@over_structures
def test_power_spectrum_of_two_potentials(atoms):
    ours = our_columns(PowerSpectrum(potential(1), potential(3)), atoms, PAIR_FIELDS)
    calculators = [featomic.LodeSphericalExpansion(**potential_hypers(p)) for p in (1, 3)]
    theirs = their_spectrum(Products(*calculators).compute([atoms]), len(atoms))
    assert set(ours) == set(theirs)
    assert_equal_columns(ours, theirs, 1e-9)


@over_structures
def test_soap_power_spectrum(atoms):
    ours = our_columns(density(), atoms, PAIR_FIELDS)
    calculator = featomic.SoapPowerSpectrum(**density_hypers())
    # theirs too has unlike species once, times sqrt(2), but both orders of n of like ones
    theirs = {
        index: column * (np.sqrt(2.0) if index[0] == index[2] and index[1] < index[3] else 1.0)
        for index, column in their_spectrum(calculator.compute([atoms]), len(atoms)).items()
        if index[:2] <= index[2:4]
    }
    assert_equal_columns(ours, theirs, 1e-9)


def test_isolated_structures_have_the_same_density():
    atoms = triclinic("C3O2H2", 1, 4.0)
    atoms.pbc = False
    atoms.cell = None
    ours = our_columns(density(invariants=None), atoms, ("species", "n", "l", "m"))
    calculator = featomic.SphericalExpansion(**density_hypers())
    assert_equal_columns(ours, their_coefficients(calculator, atoms), 1e-9)
