"""Checks that the descriptions of the far field share."""

from numbers import Real

import numpy as np

from .reading import describe


def read_exponents(exponent, lowest=None):
    """The exponents as a list of floats, from a number or a sequence of different ones.

    ``lowest`` is the smallest exponent allowed; None asks for positive ones.
    """
    exponents = [exponent] if isinstance(exponent, Real) else list(exponent)
    valid = all(
        isinstance(p, Real) and np.isfinite(p) and (p > 0 or p == lowest) for p in exponents
    )
    if not exponents or not valid or len(set(exponents)) < len(exponents):
        bound = "> 0" if lowest is None else f">= {lowest}"
        raise ValueError(
            f"exponent must be a real number {bound} or a sequence of different ones; got "
            f"{exponent!r}."
        )
    return [float(p) for p in exponents]


def check_cutoff_width(transformer):
    """Refuse a switching shell that reaches the center, where the potential diverges."""
    if not transformer.cutoff_width < transformer.cutoff:
        raise ValueError(
            f"cutoff_width={transformer.cutoff_width} must be smaller than "
            f"cutoff={transformer.cutoff}."
        )


def refuse_partly_periodic(atoms_list):
    """Refuse slabs and wires, whose far field needs sums of their own."""
    for index, atoms in enumerate(atoms_list):
        if atoms.pbc.any() and not atoms.pbc.all():
            raise ValueError(
                f"{describe(index, atoms)}: is periodic along some directions only (pbc = "
                f"{atoms.pbc.tolist()}); the far field of slabs and wires is not supported. "
                "Set pbc to all True with enough vacuum, or to all False."
            )
