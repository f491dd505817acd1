"""All derivatives of coefficients, from the products with factors that rows of features need."""

import numpy as np

from sklode.physics.field_slopes import Block
from sklode.physics.structures import atom_offsets


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
    shape = (n_rows, field.channels.count, *directions, field.n_max, n_atoms, 2 * l + 1)
    products = [
        rows.products(law, factors)(slice(0, n_rows))[:, -np.prod(shape[1:]) :].reshape(shape)
        for law in range(field.n_laws)
    ]
    stacked = np.stack(products, axis=1)  # (row, law, channel, directions, n, atom, m)
    return np.moveaxis(stacked, (-2, -1, 1, 2, -3, 0), (0, 1, 2, 3, 4, 5))


def of_columns(parts):
    """Laws, channels and radial functions as one axis; of one structure."""
    return [part.reshape(*part.shape[:2], -1, *part.shape[5:]) for part in parts]


def of_one(field, structure):
    """As ``jacobian``, of one structure alone: (..., n_atoms, 3) and (..., 3, 3)."""
    positions, strain = jacobian(field, [structure])
    return positions, [part[..., 0, :, :] for part in strain]
