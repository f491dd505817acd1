"""Forces that cannot be all forces of an isolated or periodic system."""

import numpy as np

from .frames import Finding

_NET_FORCE = 0.05  # eV/angstrom: what grids and rounding leave in sound calculations, and more
_TORQUE = 0.1  # eV, likewise
_SHARE = 0.005  # of the norm of all forces: steep forces are known with less digits


def check_balance(frames):
    """Net forces, and torques of isolated structures.

    Parameters
    ----------
    frames : Frames

    Returns
    -------
    list of Finding
    """
    net, norms = _sums(frames)
    unbalanced = _is_unbalanced(net, norms)
    unbalanced[check_constrained(frames)[0].structures] = False
    return [_net_forces(np.flatnonzero(unbalanced), net), _torques(frames, norms)]


def check_constrained(frames):
    """Structures in which some forces are exactly zero, though others do not balance.

    Parameters
    ----------
    frames : Frames

    Returns
    -------
    list of Finding
    """
    zero = (frames.forces == 0.0).all(axis=1)
    if not zero.any():
        return [_fixed_atoms(np.zeros(0, dtype=int), np.zeros(0))]
    n_zero = frames.sum_over_atoms(zero.astype(int))
    unbalanced = _is_unbalanced(*_sums(frames))
    some = (n_zero > 0) & (n_zero < frames.sizes)
    found = [index for index in np.flatnonzero(some) if unbalanced[index] or _held(frames, index)]
    return [_fixed_atoms(np.array(found, dtype=int), n_zero)]


def _sums(frames):
    """Net force of each structure, and the norm of all its forces; NaN where some are unknown."""
    norms = np.sqrt(frames.sum_over_atoms((frames.forces**2).sum(axis=1)))
    return np.linalg.norm(frames.sum_over_atoms(frames.forces), axis=1), norms


def _is_unbalanced(net, norms):
    return net > np.maximum(_NET_FORCE, _SHARE * norms)


def _net_forces(found, net):
    return Finding(
        "net_force",
        "warning",
        "forces do not add up to zero, as those of a model do: an external field, atoms that are "
        "missing, or a calculation that is not converged; this part of the forces cannot be "
        "learnt.",
        found,
        net[found],
        "net force {:.2g} eV/angstrom",
    )


def _fixed_atoms(found, n_zero):
    return Finding(
        "constrained_forces",
        "error",
        "forces of some atoms are exactly zero, as programs write them for atoms that are held "
        "fixed; a fit would learn that nothing acts on these. Take forces without constraints "
        "(atoms.get_forces(apply_constraint=False)), or set theirs to NaN and "
        "missing_forces='ignore'.",
        found,
        n_zero[found].astype(float),
        "{:.0f} atoms with zero force",
    )


def _held(frames, index):
    """Whether an atom whose force is exactly zero has a constraint in its structure."""
    atoms, start = frames.atoms_list[index], frames.starts[index]
    zero = (frames.forces[start : start + len(atoms)] == 0.0).all(axis=1)
    held = [c.get_indices() for c in atoms.constraints if hasattr(c, "get_indices")]
    return any(zero[indices].any() for indices in held)


def _torques(frames, norms):
    centers = frames.sum_over_atoms(frames.positions) / frames.sizes[:, None]
    arms = frames.positions - centers[frames.owners]
    torques = np.linalg.norm(frames.sum_over_atoms(np.cross(arms, frames.forces)), axis=1)
    reach = np.sqrt(frames.sum_over_atoms((arms**2).sum(axis=1)))
    isolated = ~frames.periodic.any(axis=1)
    found = np.flatnonzero(isolated & (torques > np.maximum(_TORQUE, _SHARE * reach * norms)))
    return Finding(
        "torque",
        "warning",
        "forces turn an isolated structure, which those of a model do not: an external field, "
        "atoms that are missing, or positions and forces in different frames; compare the "
        "orientation in the file of forces with that of the positions.",
        found,
        torques[found],
        "torque {:.2g} eV",
    )
