"""Radial laws that LongRangePotential takes as ``exponent`` beside plain numbers."""

from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from .physics.potentials import SmearedPowerLaw
from .physics.screened import SmearedTable, SmearedYukawa

__all__ = ["InversePowerLaw", "TabulatedPotential", "Yukawa"]


@dataclass(frozen=True)
class InversePowerLaw:
    """1/r^p; the same as the plain number.

    Parameters
    ----------
    exponent : float
        p > 0, or 0 for the Gaussian density.

    Examples
    --------
    >>> from sklode.potentials import InversePowerLaw
    >>> InversePowerLaw(6).name
    '6'
    """

    exponent: float

    def __post_init__(self):
        if not (isinstance(self.exponent, Real) and np.isfinite(self.exponent)) or (
            self.exponent < 0
        ):
            raise ValueError(f"exponent must be a real number >= 0; got {self.exponent!r}.")

    @property
    def name(self):
        """Short text for names of columns."""
        short = f"{self.exponent:g}"
        return short if float(short) == self.exponent else repr(float(self.exponent))

    def smeared(self, smearing):
        """The law smoothed below ``smearing`` angstrom."""
        return SmearedPowerLaw(float(self.exponent), smearing)


@dataclass(frozen=True)
class Yukawa:
    """Screened Coulomb potential exp(-kappa r)/r, as in electrolytes and plasmas.

    Parameters
    ----------
    kappa : float
        Inverse screening length in 1/angstrom, > 0.

    Examples
    --------
    >>> from ase.build import molecule
    >>> from sklode import LongRangePotential
    >>> from sklode.potentials import Yukawa
    >>> lode = LongRangePotential(Yukawa(0.3), l_max=0)
    >>> lode.fit([molecule("H2O")]).get_feature_names_out()[0]
    'vyukawa0.3_H.H_n0n0_l0'
    """

    kappa: float

    def __post_init__(self):
        if not (isinstance(self.kappa, Real) and np.isfinite(self.kappa) and self.kappa > 0):
            raise ValueError(f"kappa must be a real number > 0; got {self.kappa!r}.")

    @property
    def name(self):
        """Short text for names of columns."""
        return f"yukawa{self.kappa!r}"

    def smeared(self, smearing):
        """The law smoothed below ``smearing`` angstrom."""
        return SmearedYukawa(float(self.kappa), smearing)


@dataclass(frozen=True)
class TabulatedPotential:
    """Any radial potential of finite range, given by numbers.

    Convolved with a Gaussian of width ``smearing``. It should go to zero smoothly at the last
    distance.

    Parameters
    ----------
    distances : sequence of float
        Increasing, from 0 to the range of the potential, in angstrom.
    values : sequence of float
        Potential at the distances; interpolated by a cubic spline, zero beyond.
    label : str, default="table"
        Name in the columns.

    Examples
    --------
    >>> import numpy as np
    >>> from sklode.potentials import TabulatedPotential
    >>> r = np.linspace(0, 8, 81)
    >>> TabulatedPotential(r, np.cos(np.pi * r / 16) ** 4, label="bump").name
    'bump'
    """

    distances: tuple
    values: tuple
    label: str = field(default="table")

    def __post_init__(self):
        distances = np.asarray(self.distances, float)
        values = np.asarray(self.values, float)
        if (
            distances.ndim != 1
            or distances.shape != values.shape
            or len(distances) < 4
            or distances[0] != 0
            or not np.all(np.diff(distances) > 0)
            or not np.isfinite([distances, values]).all()
        ):
            raise ValueError(
                "distances and values must be finite and of one length >= 4, distances increasing "
                "from 0."
            )
        # tuples can be compared and hashed, so that tables made from them are kept
        object.__setattr__(self, "distances", tuple(distances.tolist()))
        object.__setattr__(self, "values", tuple(values.tolist()))

    @property
    def name(self):
        """Short text for names of columns."""
        return self.label

    def smeared(self, smearing):
        """The law convolved with a Gaussian of width ``smearing`` angstrom."""
        return SmearedTable(self.distances, self.values, smearing)
