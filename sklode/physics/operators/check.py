"""How the three modes of an operator answer for each other: differences and the dot test."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..system.structures import Batch
from .contract import CoefficientOperator, linearize
from .linearized import Block, Linearized


def check(
    operator: CoefficientOperator, batch: Batch, step: float = 1e-3, seed: int = 0
) -> dict[str, float]:
    """Errors of the three modes of an operator against each other, for developers.

    Parameters
    ----------
    operator : CoefficientOperator
    batch : Batch
        Without pairs at the ends of switching functions, where no third derivative exists.
    step : float, default=1e-3
        Length in angstrom, and strain, of the differences.
    seed : int, default=0
        Of the directions and cotangents, which are random.

    Returns
    -------
    dict of str to float
        Relative errors: "positions" and "strain" of the Jacobian J against differences of fourth
        order; "dot positions" and "dot strain" of <u, J v> = <J^T u, v>.
    """
    rng = np.random.default_rng(seed)
    coefficients = operator.values(batch)
    cotangents = [rng.normal(size=c.shape) for c in coefficients]
    directions = {
        "positions": rng.normal(size=(batch.n_atoms, 3)),
        "strain": rng.normal(size=(len(batch.structures), 3, 3)),
    }
    errors = {}
    gradients = operator.vjp(batch, cotangents)
    jacobians = full_jacobian(linearize(operator, batch, coefficients[0].shape[4]), batch)
    each = zip(directions.items(), jacobians, gradients, strict=True)
    for (name, direction), jacobian, gradient in each:
        changes = [np.tensordot(part, direction, direction.ndim) for part in jacobian]
        differences = _differences(operator, batch, name, direction, step)
        error = sum(np.sum((a - b) ** 2) for a, b in zip(changes, differences, strict=True))
        size = sum(np.sum(a**2) for a in changes)
        errors[name] = float(np.sqrt(error / size)) if size else float(np.sqrt(error))
        forward = sum(np.sum(u * a) for u, a in zip(cotangents, changes, strict=True))
        scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
        backward = np.sum(gradient * direction)
        errors[f"dot {name}"] = float(abs(forward - backward) / (scale or 1.0))
    return errors


def _differences(operator, batch, name, direction, step):
    """Derivatives of the coefficients along a direction, by differences of fourth order."""
    rows = {n: operator.values(_changed(batch, name, n * step * direction)) for n in (-2, -1, 1, 2)}
    return [
        (8.0 * (right - left) - (high - low)) / (12.0 * step)
        for low, left, right, high in zip(*rows.values(), strict=True)
    ]


def _changed(batch, name, change):
    """A batch with other positions, or strained."""
    structures = []
    for number, structure in enumerate(batch.structures):
        atoms = slice(*batch.offsets[number : number + 2])
        if name == "positions":
            changed = replace(structure, positions=structure.positions + change[atoms])
        else:
            deformation = np.eye(3) + change[number]
            positions, cell = structure.positions @ deformation, structure.cell @ deformation
            changed = replace(structure, positions=positions, cell=cell)
        structures.append(changed)
    return Batch(structures, batch.channels)


def full_jacobian(linearized: Linearized, batch: Batch) -> tuple[list[NDArray], list[NDArray]]:
    """All derivatives of the coefficients, for small batches.

    Returns
    -------
    positions : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max, n_atoms, 3).
    strain : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max, n_structures, 3, 3).
    """
    moved, strained = linearized.of_block(Block(0, batch.n_atoms, batch.offsets), True, True)
    degrees, n_structures = range(linearized.l_max + 1), len(batch.structures)
    return (
        [_of_degree(linearized, moved, l, batch.n_atoms, (3,)) for l in degrees],
        [_of_degree(linearized, strained, l, n_structures, (3, 3)) for l in degrees],
    )


def _of_degree(linearized, rows, l, n_rows, directions):
    """Derivatives of the coefficients of degree l, each of which has a factor of its own."""
    n_atoms, n_channels = len(linearized.channels.index), linearized.channels.count
    factors = [np.zeros((n_atoms, 2 * k + 1, 1)) for k in range(l)]
    factors.append(np.eye(n_atoms * (2 * l + 1)).reshape(n_atoms, 2 * l + 1, -1))
    shape = (n_rows, *directions, n_channels, linearized.n_max, n_atoms, 2 * l + 1)
    width, products = n_channels * linearized.n_max, np.empty((linearized.n_laws, *shape))
    for law, of_law in enumerate(products):
        fill = rows.operands(law, factors)
        for chosen in rows.slices(n_rows):
            inner = chosen.stop - chosen.start, np.prod(directions), rows.n_inner(l, chosen)
            left, right = np.zeros((*inner, width)), np.zeros((*inner, factors[l].shape[2]))
            fill(l, chosen, left, right)
            of_law[chosen] = (left.swapaxes(2, 3) @ right).reshape(-1, *shape[1:])
    # (law, row, directions, channel, n, atom, m) -> (atom, m, law, channel, n, row, directions)
    return np.moveaxis(products, (-2, -1, 0, -4, -3, 1), (0, 1, 2, 3, 4, 5))
