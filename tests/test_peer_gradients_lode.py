"""The same position gradients of LODE coefficients as featomic's."""

import numpy as np
import pytest
from fields import potential_backward, potential_slopes
from jacobians import of_columns, of_one
from systems import rattled_salt, triclinic

from sklode.physics.planning.planner import Summation
from sklode.physics.radial.bases import BASES
from sklode.physics.radial.laws import SmearedPowerLaw
from sklode.physics.system.structures import Channels, Structure

featomic = pytest.importorskip("featomic", reason="featomic has no wheel for this platform")

RADIUS, N_MAX, L_MAX, SMEARING, K_CUTOFF = 2.5, 4, 3, 1.1, 4.0
STRUCTURES = {
    "salt": rattled_salt(),
    "two species": triclinic("C3O3", 5, 7.0),
    "three species": triclinic("C3O2H2", 1, 6.0),
}


def their_gradients(atoms, exponent):
    """For each l, shape (n_atoms, 2 l + 1, n_species, n_max, n_atoms, 3)."""
    calculator = featomic.LodeSphericalExpansion(
        density={"type": "SmearedPowerLaw", "smearing": SMEARING, "exponent": exponent},
        k_cutoff=K_CUTOFF,
        basis={
            "type": "TensorProduct",
            "max_angular": L_MAX,
            "spline_accuracy": None,
            "radial": {"type": "Gto", "max_radial": N_MAX - 1, "radius": RADIUS},
        },
    )
    species, n_atoms = np.unique(atoms.numbers).tolist(), len(atoms)
    out = [
        np.zeros((n_atoms, 2 * l + 1, len(species), N_MAX, n_atoms, 3)) for l in range(L_MAX + 1)
    ]
    for key, block in calculator.compute([atoms], gradients=["positions"]).items():
        channel = species.index(int(key["neighbor_type"]))
        gradient = block.gradient("positions")
        centers = block.samples.column("atom")[gradient.samples.column("sample")]
        moved = gradient.samples.column("atom")
        values = np.asarray(gradient.values).transpose(0, 2, 3, 1)
        out[int(key["o3_lambda"])][centers, :, channel, :, moved] = values
    return out


@pytest.mark.parametrize("atoms", STRUCTURES.values(), ids=STRUCTURES)
@pytest.mark.parametrize("exponent", range(7))
def test_position_gradients_of_the_potential(exponent, atoms):
    structure = Structure(atoms.numbers, atoms.positions, np.array(atoms.cell), atoms.pbc)
    index = np.searchsorted(np.unique(atoms.numbers), atoms.numbers)
    channels = Channels(index, np.ones(len(atoms)), index.max() + 1)
    parameters = {
        "basis": BASES["gto"](N_MAX, L_MAX, RADIUS),
        "laws": (SmearedPowerLaw(exponent, SMEARING),),
        "include_center": True,
        "summation": Summation(k_cutoff=K_CUTOFF, method="direct"),
    }
    field = potential_slopes([structure], channels, **parameters)
    ours = of_columns(of_one(field, structure)[0])
    theirs = their_gradients(atoms, exponent)
    scale = max(np.abs(part).max() for part in theirs)
    for mine, part in zip(ours, theirs, strict=True):
        assert np.abs(mine.reshape(part.shape) - part).max() <= 1e-8 * scale

    rng = np.random.default_rng(0)
    cotangents = [rng.normal(size=part.shape[:3]) for part in ours]
    forces, _ = potential_backward([structure], channels, **parameters, cotangents=cotangents)
    expected = sum(
        np.einsum("imc,imcjx->jx", g, part.reshape(*g.shape, len(atoms), 3))
        for g, part in zip(cotangents, theirs, strict=True)
    )
    assert np.abs(forces - expected).max() <= 1e-7 * np.abs(expected).max()
