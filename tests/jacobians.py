"""All derivatives of coefficients, from the products with factors that rows of features need."""

import numpy as np

from sklode.physics.operators.linearized import Block
from sklode.physics.system.structures import atom_offsets


def jacobian(field, structures):
    """Derivatives of the coefficients of each l by all positions, and by the strain.

    Returns
    -------
    positions : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max, n_atoms, 3).
    strain : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max, n_structures, 3, 3).
    """
    offsets = atom_offsets(structures)
    block = Block(0, offsets[-1], offsets)
    moved, strained = field.of_block(block, True, True)
    n_structures = len(structures)
    return (
        [_of_degree(field, moved, l, offsets[-1], (3,)) for l in range(field.l_max + 1)],
        [_of_degree(field, strained, l, n_structures, (3, 3)) for l in range(field.l_max + 1)],
    )


def _of_degree(field, rows, l, n_rows, directions):
    n_atoms = len(field.channels.index)
    factors = [np.zeros((n_atoms, 2 * k + 1, 1)) for k in range(l)]
    # each coefficient has a factor of its own
    factors.append(np.eye(n_atoms * (2 * l + 1)).reshape(n_atoms, 2 * l + 1, -1))
    shape = (n_rows, *directions, field.channels.count, field.n_max, n_atoms, 2 * l + 1)
    width, products = field.channels.count * field.n_max, np.empty((field.n_laws, *shape))
    for law, of_law in enumerate(products):
        fill = rows.operands(law, factors)
        for some in rows.slices(n_rows):
            inner = some.stop - some.start, np.prod(directions), rows.n_inner(l, some)
            left, right = np.zeros((*inner, width)), np.zeros((*inner, factors[l].shape[2]))
            fill(l, some, left, right)
            of_law[some] = (left.swapaxes(2, 3) @ right).reshape(-1, *shape[1:])
    # (law, row, directions, channel, n, atom, m)
    return np.moveaxis(products, (-2, -1, 0, -4, -3, 1), (0, 1, 2, 3, 4, 5))


def of_columns(parts):
    """Laws, channels and radial functions as one axis; of one structure."""
    return [part.reshape(*part.shape[:2], -1, *part.shape[5:]) for part in parts]


def of_one(field, structure):
    """As ``jacobian``, of one structure alone: (..., n_atoms, 3) and (..., 3, 3)."""
    positions, strain = jacobian(field, [structure])
    return positions, [part[..., 0, :, :] for part in strain]
