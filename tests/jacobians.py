"""All derivatives of coefficients, from the products with factors that rows of features need."""

from sklode.physics.operators.check import full_jacobian
from sklode.physics.system.structures import Batch


def jacobian(field, structures):
    """Derivatives of the coefficients of each l by all positions, and by the strain."""
    return full_jacobian(field, Batch(structures, field.channels))


def of_columns(parts):
    """Laws, channels and radial functions as one axis; of one structure."""
    return [part.reshape(*part.shape[:2], -1, *part.shape[5:]) for part in parts]


def of_one(field, structure):
    """As ``jacobian``, of one structure alone: (..., n_atoms, 3) and (..., 3, 3)."""
    positions, strain = jacobian(field, [structure])
    return positions, [part[..., 0, :, :] for part in strain]
