"""What the descriptions of the far field share."""

from numbers import Real

import numpy as np

from .potentials import InversePowerLaw, TabulatedPotential, Yukawa
from .projector import Projector
from .reading import describe

_LAWS = (InversePowerLaw, Yukawa, TabulatedPotential)


def read_laws(exponent):
    """The radial laws, from a number, a law, or a sequence of different ones."""
    laws = [exponent] if isinstance(exponent, (Real, *_LAWS)) else list(exponent)
    valid = all(
        isinstance(p, _LAWS) or (isinstance(p, Real) and np.isfinite(p) and p >= 0) for p in laws
    )
    laws = [p if isinstance(p, _LAWS) else InversePowerLaw(float(p)) for p in laws] if valid else []
    if not laws or len({law.name for law in laws}) < len(laws):
        raise ValueError(
            "exponent must be a real number >= 0, a law of sklode.potentials, or a sequence of "
            f"different ones; got {exponent!r}."
        )
    return laws


def read_exponents(exponent):
    """Positive exponents as floats, from a number or a sequence of different ones."""
    exponents = [exponent] if isinstance(exponent, Real) else list(exponent)
    valid = all(isinstance(p, Real) and np.isfinite(p) and p > 0 for p in exponents)
    if not exponents or not valid or len(set(exponents)) < len(exponents):
        raise ValueError(
            f"exponent must be a real number > 0 or a sequence of different ones; got {exponent!r}."
        )
    return [float(p) for p in exponents]


def check_cutoff_width(transformer):
    """Refuse a switching shell that reaches the center, where the potential diverges."""
    if not transformer.cutoff_width < transformer.cutoff:
        raise ValueError(
            f"cutoff_width={transformer.cutoff_width} must be smaller than "
            f"cutoff={transformer.cutoff}."
        )


class FarFieldProjector(Projector):
    """Base of the projectors whose sources may be charges and have no cutoff."""

    def _charge_names(self):
        return () if self.charges is None else (self.charges,)

    def _channel_charges(self):
        return self.charges

    def _check_structures(self, atoms_list):
        super()._check_structures(atoms_list)
        for index, atoms in enumerate(atoms_list):
            if atoms.pbc.any() and not atoms.pbc.all():
                raise ValueError(
                    f"{describe(index, atoms)}: is periodic along some directions only (pbc = "
                    f"{atoms.pbc.tolist()}); the far field of slabs and wires is not supported. "
                    "Set pbc to all True with enough vacuum, or to all False."
                )
