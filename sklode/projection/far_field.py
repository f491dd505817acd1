"""Base of the descriptions of the far field: laws, charges, supported periodicity."""

from numbers import Real

import numpy as np

from ..potentials import LARGEST_EXPONENT, SMALLEST_EXPONENT, InversePowerLaw, as_float
from .projector import Projector


def read_laws(exponent):
    """The radial laws, from a number, a law, or a sequence of different ones."""
    laws = [law if _is_law(law) else InversePowerLaw(_plain(law)) for law in _members(exponent)]
    if not laws or len({law.name for law in laws}) < len(laws):
        raise ValueError(
            "exponent must be a number, a law of sklode.potentials, or a sequence of different "
            f"ones; got {exponent!r}."
        )
    return laws


def _is_law(exponent):
    """Whether this can be smeared, as those of ``sklode.potentials`` and any like them."""
    return hasattr(exponent, "smeared") and not isinstance(exponent, type)


def read_exponents(exponent):
    """Positive exponents as floats, from a number or a sequence of different ones."""
    exponents = [as_float(p) for p in _members(exponent)]
    valid = all(SMALLEST_EXPONENT <= p <= LARGEST_EXPONENT for p in exponents)
    if not exponents or not valid or len(set(exponents)) < len(exponents):
        raise ValueError(
            f"exponent must be a number from {SMALLEST_EXPONENT:g} to {LARGEST_EXPONENT:g}, or a "
            f"sequence of different ones; got {exponent!r}."
        )
    return exponents


def _members(exponent):
    """List the members of a sequence, or the only one; nothing for what has no order."""
    if isinstance(exponent, Real) or _is_law(exponent):
        return [exponent]
    if isinstance(exponent, (str, bytes, set, frozenset, dict)):
        return []
    return list(exponent) if getattr(exponent, "ndim", 1) == 1 else []


def _plain(exponent):
    """The number as a float that is not -0, for names; anything else as it is."""
    value = as_float(exponent)
    return value + 0.0 if np.isfinite(value) else exponent


def check_cutoff_width(transformer):
    """Refuse a switching shell that reaches the center, where the potential diverges."""
    if not transformer.cutoff_width < transformer.cutoff:
        raise ValueError(
            f"cutoff_width={transformer.cutoff_width} must be smaller than "
            f"cutoff={transformer.cutoff}."
        )


class FarFieldProjector(Projector):
    """Base of the projectors whose sources may be charges and have no cutoff."""

    def charge_names(self):
        """Names of the per-atom arrays to read along."""
        return () if self.charges is None else (self.charges,)

    def channel_charges(self):
        """Name of the per-atom array of the charge channel; None for one channel per element."""
        return self.charges
