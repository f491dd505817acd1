"""How far rows and gradients may be off: what ``tol`` and ``dtype`` promise of each column."""

import numpy as np
from sklearn.base import clone

from sklode import DensityProjector, MultipoleFeatures, PowerSpectrum

ROUNDING = 1e-10  # of the largest coefficient: tables, and sums of many terms
SINGLE = 2e-5  # the same where single precision is asked for


def row_errors(model, atoms):
    """Allowed errors of the columns of a row of one atom, (n_features,).

    Each coefficient may be off by ``tol`` times the largest one of its exponent and channel (and
    order, in units of the cutoff, for multipoles) in this structure.
    """
    sides = _sides(model)
    sizes = [_sizes(side, atoms) for side in sides]
    shares = [_share(side) for side in sides]
    return np.array(
        [_column(row, sides, sizes, shares) for row in model.feature_table_.to_dict("records")]
    )


def _sides(model):
    """The projectors of which columns are made; two for products."""
    if isinstance(model, PowerSpectrum):
        return [model.left_, model.left_ if model.right_ is None else model.right_]
    return [model, model] if model.invariants == "power_spectrum" else [model]


def _share(projector):
    """Allowed error of a coefficient, relative to the largest."""
    single = SINGLE if projector.dtype == "float32" else 0.0
    tol = 0.0 if isinstance(projector, DensityProjector) else projector.tol
    return tol + single + ROUNDING


def _sizes(projector, atoms):
    """Largest coefficients by family, species and order, each times its unit."""
    bare = clone(projector).set_params(
        invariants=None,
        center_species="shared",
        species=projector.species_.tolist(),
        dtype="float64",
    )
    coefficients = np.abs(bare.fit([atoms]).transform_atoms([atoms])).max(axis=0)
    sizes = {}
    for row, size in zip(bare.feature_table_.to_dict("records"), coefficients, strict=True):
        key = _key(projector, row["family"], row["species"], row["n"])
        sizes[key] = max(sizes.get(key, 0.0), size / _unit(projector, row["l"]))
    return sizes


def _key(projector, family, species, n):
    return family, species, n if isinstance(projector, MultipoleFeatures) else 0


def _unit(projector, l):
    return projector.cutoff ** -float(l) if isinstance(projector, MultipoleFeatures) else 1.0


def _column(row, sides, sizes, shares):
    if len(sides) == 1:
        key = _key(sides[0], row["family"], row["species"], row["n"])
        return shares[0] * sizes[0][key] * _unit(sides[0], row["l"])
    product = np.sqrt(2 * (2 * row["l"] + 1))
    families = _families(row["family"], sizes)
    for number, (side, family) in enumerate(zip(sides, families, strict=True), start=1):
        key = _key(side, family, row[f"species_{number}"], row[f"n_{number}"])
        product *= sizes[number - 1][key] * _unit(side, row["l"])
    return sum(shares) * product


def _families(family, sizes):
    """The families of both sides of a product, from its own."""
    first, second = ({key[0] for key in of_side} for of_side in sizes)
    if family in first and family in second:
        return family, family
    return next((a, b) for a in first for b in second if a + b == family)


def pooled_errors(model, atoms):
    """Allowed errors of the columns of a structure's row."""
    return row_errors(model, atoms) * (1 if model.pooling == "mean" else len(atoms))


def gradient_errors(model, atoms):
    """Allowed errors of the columns of derivatives by positions and by strain."""
    rows, steepness = pooled_errors(model, atoms), max(map(_steepness, _sides(model)))
    reach = max(side.cutoff for side in _sides(model))
    return rows * steepness, rows * (1.0 + steepness * reach)


def _steepness(projector):
    """Largest wave number that counts, in 1/angstrom: how fast coefficients and errors change."""
    tol = getattr(projector, "tol", 1e-9)
    width = getattr(projector, "smearing", projector.cutoff / 4)
    return max(np.sqrt(2.0 * np.log(1.0 / tol)) / width, 1.0)
