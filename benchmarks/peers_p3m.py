"""Electrostatic potentials by torch-pme's P3M, with parameters tuned to an accuracy."""

from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from time import perf_counter

import numpy as np
import records

TRIALS = {  # by accuracy: cutoffs in angstrom, cutoffs over smearing, interpolation nodes (up to 5)
    1e-4: ((5.0, 6.0, 7.0), (4.2, 4.5), (4, 5)),
    1e-6: ((7.0, 8.0, 9.0, 10.0), (5.0, 5.3), (5,)),
}
SPACINGS = (0.25, 1.5)  # angstrom: between them are the meshes that are tried


@dataclass(frozen=True)
class Parameters:
    """Of P3M: angstrom, mesh points along an axis, interpolation nodes along an axis."""

    cutoff: float
    smearing: float
    mesh: int
    nodes: int

    def __str__(self):
        values = {name: f"{name}={value:.4g}" for name, value in asdict(self).items()}
        return " ".join(values.values())


def neighbours(atoms, cutoff):
    """Half list of pairs, from vesin: indices and distances as tensors."""
    import torch
    from vesin import NeighborList

    first, second, distances = NeighborList(cutoff=cutoff, full_list=False).compute(
        points=atoms.positions, box=atoms.cell[:], periodic=True, quantities="ijd"
    )
    pairs = np.stack([first, second], axis=1).astype(np.int64)
    return torch.from_numpy(pairs), torch.from_numpy(distances)


def potentials(structures, parameters, list_inside=True):
    """Potential of all other charges at every atom, in charges per angstrom, ready to be timed.

    With ``list_inside`` the call begins with positions, otherwise with a list of pairs. Slabs need
    vacuum in their cell; the field of their images is corrected.
    """
    import torch
    from torchpme import CoulombPotential, P3MCalculator

    torch.set_num_threads(1)
    (atoms,) = structures
    cell = torch.tensor(np.array(atoms.cell[:]))
    charges = torch.tensor(atoms.get_initial_charges())[:, None]
    positions = torch.tensor(atoms.positions)
    calculator = P3MCalculator(
        CoulombPotential(smearing=parameters.smearing),
        mesh_spacing=2.0 * float(cell.norm(dim=1).max()) / (parameters.mesh - 1),  # their spacing
        interpolation_nodes=parameters.nodes,
    ).to(dtype=torch.float64)
    periodic = torch.tensor(atoms.pbc)
    find_pairs = partial(neighbours, atoms, parameters.cutoff)
    given = None if list_inside else find_pairs()

    def compute():
        pairs = find_pairs() if list_inside else given
        with torch.no_grad():
            halves = calculator(charges, cell, positions, *pairs, periodic=periodic)
            return 2.0 * halves[:, 0].numpy()

    return compute


def tuned(structures, reference, accuracy, agreement=records.rms_agreement):
    """The fastest parameters that keep the relative RMS error of the potentials, if there are any.

    Returns
    -------
    Parameters and their error, or None
    """
    good = []
    for cutoff, split, nodes in product(*TRIALS[accuracy]):
        for mesh in _meshes(structures[0]):  # from coarse to fine: the first good one will do
            parameters = Parameters(cutoff, cutoff / split, mesh, nodes)
            compute = potentials(structures, parameters)
            error = agreement(compute(), reference)
            if error <= accuracy:
                good.append((_seconds(compute), error, parameters))
                break
    if not good:
        print(f"torch-pme: no parameters with an error below {accuracy:.0e}: left out")
        return None
    seconds, error, parameters = min(good, key=lambda trial: trial[0])
    print(
        f"torch-pme, {accuracy:.0e}: {parameters} is the fastest of {len(good)} that are accurate"
        f" enough: error {error:.1e}, {1e3 * seconds:.0f} ms",
        flush=True,
    )
    return parameters, error


def _meshes(atoms):
    """Powers of two, which is all that torch-pme takes."""
    length = max(atoms.cell.lengths())
    return [2**i for i in range(3, 10) if SPACINGS[0] <= length / 2**i <= SPACINGS[1]]


def _seconds(compute):
    start = perf_counter()
    compute()
    return perf_counter() - start
