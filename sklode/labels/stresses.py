"""Stresses in other units, of the opposite sign, or virials in their place."""

import numpy as np
from ase.units import Bohr, GPa, Hartree

from .frames import Finding

_LARGEST_STRAIN, _SMALLEST_STRAIN = 0.12, 1e-5  # between frames that are compared
_LARGEST_MOVE = 0.3  # angstrom, beyond the strain; forces are needed from the next on
_NO_MOVE = 1e-4  # angstrom
_MOST_PAIRS = 1000  # of frames with the same atoms: more tell nothing new
_FEWEST_PAIRS = 3
_EXPLAINED = 0.1  # of the squared work may remain where a unit is believed in
_BETTER = 10.0  # times smaller than with the stresses as they are
_ALIKE = 3.0  # units whose remainders differ by less than this factor are all named

_MEDIAN_VIRIAL = 5.0  # eV an atom; 160 GPa at 5 cubic angstrom an atom
_LARGEST_VIRIAL = 20.0  # eV an atom; more than that of iron at the centre of the Earth
_STEEP = 2.0  # times force times distance of atoms: the virial of atoms that are too close

_UNITS = {"kbar": 0.1 * GPa, "GPa": GPa, "Hartree/bohr^3": Hartree / Bohr**3}
_AS_GIVEN = "eV/angstrom^3"


def check_stresses(frames):
    """Compare stresses with energies of strained frames, others with the sizes of matter.

    Parameters
    ----------
    frames : Frames

    Returns
    -------
    list of Finding
    """
    has_stress = np.isfinite(frames.stresses).all(axis=(1, 2)) & (frames.volumes > 0.0)
    if not has_stress.any():
        return []
    found = []
    known = has_stress & np.isfinite(frames.energies)
    judged = np.zeros(len(known), dtype=bool)
    for group in frames.in_one_order() if known.any() else []:
        members = group[known[group]]
        meant, pairs = _compared(frames, members)
        judged[members] |= meant is not None
        if meant not in (None, _AS_GIVEN):
            found.append(_of_differences(members, meant, pairs))
    return [*found, _too_large(frames, np.flatnonzero(has_stress & ~judged))]


# differences


def _of_differences(members, meant, n_pairs):
    return Finding(
        "stress_unit",
        "error",
        "energies of strained frames change as if their stresses were "
        f"{meant}; they must be in eV/angstrom^3, positive under tension, as in ASE "
        "(1 eV/angstrom^3 = 160.2177 GPa = 1602.177 kbar; a virial is divided by the volume). "
        "Convert them and pass stresses=.",
        members,
        np.full(len(members), float(n_pairs)),
        "compared in {:.0f} pairs of frames",
    )


def _compared(frames, members):
    """What the stresses of frames with the same atoms are; None if these do not tell."""
    first, second = _neighbours(frames, members)
    if len(first) < _FEWEST_PAIRS:
        return None, 0
    virials, rest = _works(frames, first, second)
    usable = np.isfinite(rest)
    if usable.sum() < _FEWEST_PAIRS:
        return None, 0
    volumes = 0.5 * (frames.volumes[first] + frames.volumes[second])[usable]
    virials, rest = virials[usable], rest[usable]
    remainders = {
        name: np.sum((rest - virials * factor) ** 2)
        for name, factor in _candidates(volumes).items()
    }
    best = min(remainders, key=remainders.get)
    total = np.sum(rest**2)
    if not remainders[best] < _EXPLAINED * total:
        return None, 0
    if _BETTER * remainders[best] > remainders[_AS_GIVEN]:
        return _AS_GIVEN, len(rest)
    alike = [name for name, r in remainders.items() if r < _ALIKE * remainders[best]]
    return " or ".join(sorted(alike, key=remainders.get)), len(rest)


def _candidates(volumes):
    """What numbers may be, and the factor that makes eV/angstrom^3 of them."""
    factors = {_AS_GIVEN: 1.0, **_UNITS, "virials in eV": 1.0 / volumes}
    opposite = {f"{name} of the opposite sign": -factor for name, factor in factors.items()}
    return factors | opposite


def _neighbours(frames, members):
    """Pairs of frames of slightly different cells: neighbours in the file, and by cell shape."""
    vectors = frames.cells[members]
    gram = np.einsum("sax,sbx->sab", vectors, vectors)[:, *np.triu_indices(3)]
    if len(members) < 2 or np.ptp(gram, axis=0).max() == 0.0:
        return np.zeros((2, 0), dtype=int)
    orders = [np.arange(len(members)), *np.argsort(gram, axis=0, kind="stable").T]
    pairs = np.concatenate([np.stack([order[:-1], order[1:]], axis=1) for order in orders])
    first, second = members[np.unique(np.sort(pairs, axis=1), axis=0)].T
    size = np.linalg.norm(_strains(frames, first, second), axis=(1, 2))
    near = np.flatnonzero((size > _SMALLEST_STRAIN) & (size < _LARGEST_STRAIN))
    near = near[:: -(-len(near) // _MOST_PAIRS) or 1]
    return first[near], second[near]


def _strains(frames, first, second):
    """Displacement gradients (n_pairs, 3, 3) between frames, about the cell in the middle.

    Infinite where a cell has no volume.
    """
    middle = 0.5 * (frames.cells[first] + frames.cells[second])
    flat = np.abs(np.linalg.det(middle)) < 1e-9
    middle[flat] = np.eye(3)
    strains = np.linalg.solve(middle, frames.cells[second] - frames.cells[first])
    strains[flat] = np.inf
    return strains


def _works(frames, first, second):
    """Work of the virial as stresses give it, and what energies and forces say that it is.

    By the trapezoidal rule; NaN where atoms move too far, or move without known forces.
    """
    strains = _strains(frames, first, second)
    stresses = frames.volumes[:, None, None] * np.nan_to_num(frames.stresses)
    virials = 0.5 * np.einsum("pab,pab->p", stresses[first] + stresses[second], strains)
    rest = frames.energies[second] - frames.energies[first]
    atoms = np.arange(frames.sizes[first[0]])
    # (pair, atom, direction)
    a, b = (frames.starts[ends][:, None] + atoms for ends in (first, second))
    moves = _moves(frames, first, second, frames.positions[a], frames.positions[b])
    furthest = np.linalg.norm(moves, axis=2).max(axis=1)
    forces = 0.5 * (frames.forces[a] + frames.forces[b])
    forces = np.where(furthest[:, None, None] < _NO_MOVE, 0.0, forces)
    rest = rest + np.einsum("pax,pax->p", forces, moves)
    return virials, np.where(furthest < _LARGEST_MOVE, rest, np.nan)


def _moves(frames, first, second, before, after):
    """Displacements beyond the strain, to the nearest image, without that of the whole."""
    inverse = np.linalg.inv(frames.cells[[first, second]])
    scaled = after @ inverse[1] - before @ inverse[0]
    scaled -= np.round(scaled) * frames.periodic[first][:, None, :]
    moves = scaled @ (0.5 * (frames.cells[first] + frames.cells[second]))
    return moves - moves.mean(axis=1, keepdims=True)


# sizes


def _too_large(frames, members):
    """Structures whose virials are larger than those of matter."""
    sizes = np.abs(frames.stresses[members]).max(axis=(1, 2), initial=0.0)
    volumes = frames.volumes[members] / frames.sizes[members]
    virials = sizes * volumes
    usual = np.median(virials) if len(members) else 0.0
    limit = _MEDIAN_VIRIAL if usual > _MEDIAN_VIRIAL else _LARGEST_VIRIAL
    forces = np.sqrt(frames.sum_over_atoms((frames.forces**2).sum(axis=1)) / frames.sizes)
    steep = _STEEP * np.nan_to_num(forces[members]) * np.cbrt(volumes)
    found = virials > np.maximum(limit, steep)
    return Finding(
        "stress_size",
        "error",
        "stresses times volume are larger than matter bears below hundreds of GPa: in kbar, GPa "
        "or as a virial beside energies in eV? They must be in eV/angstrom^3, positive under "
        "tension, as in ASE (1 eV/angstrom^3 = 160.2177 GPa = 1602.177 kbar; a virial is divided "
        "by the volume). Convert them and pass stresses=.",
        members[found],
        virials[found],
        "{:.3g} eV an atom",
    )
