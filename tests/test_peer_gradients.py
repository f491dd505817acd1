"""The same derivatives of the local density as featomic's."""

import numpy as np
import pytest
from fields import density_slopes
from jacobians import of_one
from systems import cluster, rattled_salt, triclinic

from sklode.physics.radial.bases import BASES
from sklode.physics.system.structures import Channels, Structure

featomic = pytest.importorskip("featomic", reason="featomic has no wheel for this platform")

CUTOFF, WIDTH, SMEARING, N_MAX, L_MAX = 4.0, 0.5, 0.4, 4, 3
STRUCTURES = {
    "salt": rattled_salt(),
    "two species": triclinic("C3O3", 5, 7.0),
    "own images": triclinic("C2O", 1, 3.5),
    "isolated": cluster("C2O2H3", 4, 5.0),
}


def their_gradients(atoms, species):
    """Derivatives by positions and strain for each l, as those of ``of_one``."""
    calculator = featomic.SphericalExpansion(
        cutoff={"radius": CUTOFF, "smoothing": {"type": "ShiftedCosine", "width": WIDTH}},
        density={"type": "Gaussian", "width": SMEARING, "center_atom_weight": 1.0},
        basis={
            "type": "TensorProduct",
            "max_angular": L_MAX,
            "spline_accuracy": None,
            "radial": {"type": "Gto", "max_radial": N_MAX - 1},
        },
    )
    n_atoms = len(atoms)
    shapes = [(n_atoms, 2 * l + 1, len(species), N_MAX) for l in range(L_MAX + 1)]
    positions = [np.zeros((*shape, n_atoms, 3)) for shape in shapes]
    strain = [np.zeros((*shape, 3, 3)) for shape in shapes]
    names = ["positions", "strain"] if atoms.pbc.any() else ["positions"]
    for key, block in calculator.compute([atoms], gradients=names).items():
        l, channel = int(key["o3_lambda"]), species.index(int(key["neighbor_type"]))
        centers = block.samples.column("atom")
        gradient = block.gradient("positions")
        rows, moved = (gradient.samples.column(name) for name in ("sample", "atom"))
        values = np.moveaxis(np.asarray(gradient.values), 1, 3)
        positions[l][centers[rows], :, channel, :, moved] = values
        if "strain" in names:
            gradient = block.gradient("strain")
            rows = gradient.samples.column("sample")
            values = np.moveaxis(np.asarray(gradient.values), (1, 2), (3, 4))
            strain[l][centers[rows], :, channel] = values
    return positions, strain


@pytest.mark.parametrize("atoms", STRUCTURES.values(), ids=STRUCTURES)
def test_gradients_of_the_density(atoms):
    structure = Structure(atoms.numbers, atoms.positions, np.array(atoms.cell), atoms.pbc)
    species = np.unique(atoms.numbers).tolist()
    index = np.searchsorted(species, atoms.numbers)
    channels = Channels(index, np.ones(len(atoms)), len(species))
    field = density_slopes(
        [structure],
        channels,
        BASES["gto"](N_MAX, L_MAX, CUTOFF),
        smearing=SMEARING,
        cutoff_width=WIDTH,
        include_center=True,
    )
    ours, theirs = of_one(field, structure), their_gradients(atoms, species)
    for mine, parts in zip(ours, theirs if atoms.pbc.any() else theirs[:1], strict=False):
        scale = max(np.abs(part).max() for part in parts)
        for values, part in zip(mine, parts, strict=True):
            assert np.abs(values.reshape(part.shape) - part).max() <= 1e-8 * scale
