"""Molecules and curves of sets of dimers, found from their atoms."""

from itertools import pairwise

import numpy as np
from ase.neighborlist import natural_cutoffs, neighbor_list
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_BOND_SCALE = 1.2  # bonds reach 1.2 times the sum of the covalent radii


def molecule_numbers(atoms):
    """Number the molecules by their first atoms: atoms are bonded if their radii overlap."""
    first, second = neighbor_list("ij", atoms, natural_cutoffs(atoms, mult=_BOND_SCALE))
    bonds = coo_array((np.ones(len(first)), (first, second)), shape=(len(atoms), len(atoms)))
    return connected_components(bonds, directed=False)[1].astype(int)


def curve_names(data):
    """Names like ``3_CH6N+_C2H3O2-``, the number counting the curves.

    A curve ends where the molecules change or the separation falls back: some curves agree
    in composition and monomer energies and differ only in geometry.
    """
    molecules = [(_ions(atoms), atoms.info["energyA"], atoms.info["energyB"]) for atoms in data]
    separation = [atoms.info["distance"] for atoms in data]
    ends = [
        before != after or further < near
        for (before, after), (near, further) in zip(
            pairwise(molecules), pairwise(separation), strict=True
        )
    ]
    curves = np.cumsum([0, *ends])
    return [f"{curve}_{ions}" for curve, (ions, *_) in zip(curves, molecules, strict=True)]


def _ions(atoms):
    """Formulas of the two molecules with the signs of their charges."""
    fragments = atoms.arrays["fragment"]
    formulas = [atoms[fragments == fragment].get_chemical_formula() for fragment in (0, 1)]
    charges = atoms.info["chargeA"], atoms.info["chargeB"]
    return "_".join(f + ("+" if q > 0 else "-") for f, q in zip(formulas, charges, strict=True))
