"""How far rows and gradients may be off: what ``tol`` and ``dtype`` promise of each column."""

import numpy as np
from ase import Atoms
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion

from sklode import (
    Composition,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    MultipoleFeatures,
    PowerSpectrum,
)

ROUNDING = 1e-10  # of the largest coefficient: tables, and sums of many terms
SINGLE = 2e-5  # the same where single precision is asked for
SMALLEST_SINGLE = float(np.finfo(np.float32).tiny)  # that single precision holds
CANCELLATION = 1e-14  # of an atom's own potential, which is subtracted


def row_errors(model, atoms):
    """Allowed errors of the columns of a row of one atom, (n_features,).

    Each coefficient may be off by ``tol`` times the largest one of its exponent and channel (and
    order, in units of the cutoff, for multipoles) in this structure.
    """
    if isinstance(model, FeatureUnion):
        return np.concatenate([row_errors(part, atoms) for _, part in model.transformer_list])
    if isinstance(model, InteractionFeatures):
        return sum(row_errors(model.transformer_, part) for part in _complex(model, atoms))
    if isinstance(model, Composition):
        return np.zeros(len(model.species_))
    sides = _sides(model)
    sizes = [_sizes(side, atoms) for side in sides]
    rows = model.feature_table_.to_dict("records")
    return np.array([_column(row, sides, sizes) for row in rows])


def pooled_errors(model, atoms):
    """Allowed errors of the columns of a structure's row."""
    if isinstance(model, FeatureUnion):
        return np.concatenate([pooled_errors(part, atoms) for _, part in model.transformer_list])
    if isinstance(model, InteractionFeatures):
        return sum(pooled_errors(model.transformer_, part) for part in _complex(model, atoms))
    pooling = getattr(model, "pooling", "sum")
    return row_errors(model, atoms) * (1 if pooling == "mean" else len(atoms))


def gradient_errors(model, atoms):
    """Allowed errors of the columns of derivatives by positions and by strain."""
    rows, projectors = pooled_errors(model, atoms), projectors_of(model)
    steepness = max(map(_steepness, projectors), default=1.0)
    reach = max((projector.cutoff for projector in projectors), default=1.0)
    return rows * steepness, rows * (1.0 + steepness * reach)


def projectors_of(model):
    """All projectors inside a fitted transformer."""
    if isinstance(model, FeatureUnion):
        return [p for _, part in model.transformer_list for p in projectors_of(part)]
    if isinstance(model, InteractionFeatures):
        return projectors_of(model.transformer_)
    return [] if isinstance(model, Composition) else _sides(model)


def _complex(model, atoms):
    """A structure and its fragments."""
    labels = atoms.arrays[model.fragments]
    return [atoms, *(atoms[labels == label] for label in np.unique(labels))]


def _sides(model):
    """The projectors of which columns are made; two for products."""
    if isinstance(model, PowerSpectrum):
        return [model.left_, model.left_ if model.right_ is None else model.right_]
    return [model, model] if model.invariants == "power_spectrum" else [model]


def _steepness(projector):
    """Largest wave number that counts, in 1/angstrom: how fast coefficients and errors change."""
    tol = getattr(projector, "tol", 1e-9)
    width = getattr(projector, "smearing", projector.cutoff / 4)
    return max(np.sqrt(2.0 * np.log(1.0 / tol)) / width, 1.0)


def _sizes(projector, atoms):
    """Largest coefficients and their allowed errors, by family, species and order.

    Both are in units that make them alike for all degrees.
    """
    single, smallest = (SINGLE, SMALLEST_SINGLE) if projector.dtype == "float32" else (0.0, 0.0)
    tol = 0.0 if isinstance(projector, DensityProjector) else projector.tol
    bare = clone(projector).set_params(
        invariants=None,
        center_species="shared",
        species=projector.species_.tolist(),
        dtype="float64",
    )
    largest = _largest(bare, atoms)
    own = dict.fromkeys(largest, 0.0)
    if isinstance(projector, LongRangePotential) and not projector.exterior and atoms.pbc.any():
        own = _largest(bare.set_params(include_center=True), _alone(projector, atoms))
    return {
        key: (size, (tol + single + ROUNDING) * size + CANCELLATION * own[key] + smallest)
        for key, size in largest.items()
    }


def _largest(bare, atoms):
    coefficients = np.abs(bare.fit([atoms]).transform_atoms([atoms])).max(axis=0)
    sizes = {}
    for row, size in zip(bare.feature_table_.to_dict("records"), coefficients, strict=True):
        key = _key(bare, row["family"], row["species"], row["n"])
        sizes[key] = max(sizes.get(key, 0.0), size / _unit(bare, row["l"]))
    return sizes


def _alone(projector, atoms):
    """An isolated atom of each element, far from the others, each with the largest charge."""
    numbers = projector.species_
    lone = Atoms(numbers, positions=1e6 * np.arange(len(numbers))[:, None] * [1.0, 0.0, 0.0])
    if projector.charges is not None:
        charges = atoms.arrays[projector.charges]
        lone.set_array(projector.charges, np.full(len(lone), np.abs(charges).max()))
    return lone


def _key(projector, family, species, n):
    return family, species, n if isinstance(projector, MultipoleFeatures) else 0


def _unit(projector, l):
    return projector.cutoff ** -float(l) if isinstance(projector, MultipoleFeatures) else 1.0


def _column(row, sides, sizes):
    if len(sides) == 1:
        key = _key(sides[0], row["family"], row["species"], row["n"])
        return sizes[0][key][1] * _unit(sides[0], row["l"])
    found = []
    for number, family in enumerate(_families(row["family"], sizes)):
        side = sides[number]
        key = _key(side, family, row[f"species_{number + 1}"], row[f"n_{number + 1}"])
        found.append(np.array(sizes[number][key]) * _unit(side, row["l"]))
    (one, error), (other, other_error) = found
    factor = np.sqrt(2 * (2 * row["l"] + 1))
    return factor * (one * other_error + error * other + error * other_error)


def _families(family, sizes):
    """The families of both sides of a product, from its own."""
    first, second = ({key[0] for key in of_side} for of_side in sizes)
    if family in first and family in second:
        return family, family
    return next((a, b) for a in first for b in second if a + b == family)
