"""Position gradients of power spectra beside featomic's, added up over the atoms of a structure."""

import numpy as np
import pytest
from ase.data import atomic_numbers
from systems import triclinic

from sklode import DensityProjector, LongRangePotential, PowerSpectrum

featomic = pytest.importorskip("featomic")
invariants = pytest.importorskip("featomic.clebsch_gordan")

DENSITY = {"n_max": 3, "l_max": 2, "cutoff": 3.0, "smearing": 0.4}
FAR = {"n_max": 2, "l_max": 2, "cutoff": 2.0, "smearing": 1.2}
K_CUTOFF = 3.0


def gto(n_max, l_max, **radius):
    return {
        "type": "TensorProduct",
        "max_angular": l_max,
        "radial": {"type": "Gto", "max_radial": n_max - 1, **radius},
        "spline_accuracy": None,
    }


def local():
    return featomic.SphericalExpansion(
        cutoff={"radius": DENSITY["cutoff"], "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
        density={"type": "Gaussian", "width": DENSITY["smearing"]},
        basis=gto(DENSITY["n_max"], DENSITY["l_max"]),
    )


def far():
    return featomic.LodeSphericalExpansion(
        density={"type": "SmearedPowerLaw", "smearing": FAR["smearing"], "exponent": 1},
        k_cutoff=K_CUTOFF,
        basis=gto(FAR["n_max"], FAR["l_max"], radius=FAR["cutoff"]),
    )


def summed(descriptor, table, n_atoms):
    """Gradients of the row of the structure, in the columns of the table."""
    gradients = np.zeros((n_atoms, 3, len(table)))
    fields = ["family", "l", "species_1", "n_1", "species_2", "n_2"]
    for block in descriptor.blocks():
        order = {tuple(map(int, row)): i for i, row in enumerate(block.properties.values)}
        gradient = block.gradient("positions")
        atoms = gradient.samples.column("atom")
        values = gradient.values.reshape(len(atoms), 3, -1)
        for column, row in enumerate(table[fields].itertuples(index=False)):
            family, l, first, n_1, second, n_2 = row
            source = order[
                int(l), atomic_numbers[first], int(n_1), atomic_numbers[second], int(n_2)
            ]
            # of the density with itself both orders of unlike channels are one column
            unlike = (first, n_1) != (second, n_2)
            factor = np.sqrt(2.0) if family == "rho" and unlike else 1.0
            np.add.at(gradients[:, :, column], atoms, factor * values[:, :, source])
    return gradients


@pytest.mark.parametrize("kind", ["rho x rho", "rho x V"])
def test_position_gradients(kind):
    atoms = triclinic("C3O2H2")
    rho, second, peer = DensityProjector(**DENSITY), None, None
    if kind == "rho x V":
        second = LongRangePotential(
            1, radial_basis="gto", include_center=True, k_cutoff=K_CUTOFF, **FAR
        )
        peer = far()
    spectrum = PowerSpectrum(rho, second).fit([atoms])
    (found,) = spectrum.transform_gradients([atoms])
    descriptor = invariants.PowerSpectrum(local(), peer).compute([atoms], gradients=["positions"])
    expected = summed(descriptor, spectrum.feature_table_, len(atoms))
    np.testing.assert_allclose(found, expected, atol=1e-8 * np.abs(expected).max())
