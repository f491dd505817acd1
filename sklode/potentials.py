"""Radial laws that LongRangePotential takes as ``exponent`` beside plain numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from .inputs.atoms import real_array
from .physics.radial.finite_range import SmearedTable
from .physics.radial.laws import SmearedPowerLaw
from .physics.radial.yukawa import SmearedYukawa

__all__ = ["InversePowerLaw", "TabulatedPotential", "Yukawa"]

# flatter laws are constants to rounding; squares of steeper ones leave the range of floats
SMALLEST_EXPONENT, LARGEST_EXPONENT = 0.001, 100.0
SMALLEST_KAPPA, LARGEST_KAPPA = 0.001, 10.0  # below, 1/kappa^2 of k = 0 hides all else
_MOST_SCREENED = 20.0  # kappa times smearing; the potential has a factor exp(-product^2 / 2)
_MOST_DIGITS = 150.0  # before the decimal point or after it, so that squares are floats
_LONGEST_TABLE, _LARGEST_VALUE = 100.0, 1e100


def as_float(value: object) -> float:
    """A real number as float; NaN for all else, booleans too."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.inf


@dataclass(frozen=True)
class InversePowerLaw:
    """1/r^p; the same as the plain number.

    Parameters
    ----------
    exponent : float
        p from 0.001 to 100, or 0 for the Gaussian density.

    Examples
    --------
    >>> from sklode.potentials import InversePowerLaw
    >>> InversePowerLaw(6).name
    '6'
    """

    exponent: float

    def __post_init__(self):
        p = as_float(self.exponent)
        if p != 0 and not SMALLEST_EXPONENT <= p <= LARGEST_EXPONENT:
            raise ValueError(
                f"exponent must be a number from {SMALLEST_EXPONENT:g} to {LARGEST_EXPONENT:g}, or "
                f"0 (Gaussian density); got {self.exponent!r}."
            )

    @property
    def name(self) -> str:
        """Short text for names of columns."""
        short = f"{self.exponent:g}"
        return short if float(short) == self.exponent else repr(float(self.exponent))

    def smeared(self, smearing: float) -> SmearedPowerLaw:
        """The law smoothed below ``smearing`` angstrom."""
        p = float(self.exponent)
        size = -(0.5 * p * np.log(2.0 * smearing**2) + gammaln(0.5 * p + 1.0)) / np.log(10.0)
        if abs(size) > _MOST_DIGITS:
            raise ValueError(
                f"exponent={p:g} with smearing={smearing:g}: the potential at its center is "
                f"1e{size:+.0f}, its square is no float. Use a smaller exponent, "
                "or a smearing nearer to 1."
            )
        return SmearedPowerLaw(p, smearing)


@dataclass(frozen=True)
class Yukawa:
    """Screened Coulomb potential exp(-kappa r)/r, as in electrolytes and plasmas.

    Parameters
    ----------
    kappa : float
        Inverse screening length in 1/angstrom, from 0.001 to 10, and at most 20 smearings of the
        transformer.

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
        if not SMALLEST_KAPPA <= as_float(self.kappa) <= LARGEST_KAPPA:
            raise ValueError(
                f"kappa must be a number from {SMALLEST_KAPPA:g} to {LARGEST_KAPPA:g}; got "
                f"{self.kappa!r}."
            )

    @property
    def name(self) -> str:
        """Short text for names of columns."""
        return f"yukawa{self.kappa!r}"

    def smeared(self, smearing: float) -> SmearedYukawa:
        """The law smoothed below ``smearing`` angstrom."""
        if self.kappa * smearing > _MOST_SCREENED:
            raise ValueError(
                f"kappa={self.kappa:g} times smearing={smearing:g} must be at most "
                f"{_MOST_SCREENED:g}: nothing is left of the potential of so wide a charge. Use a "
                "smaller smearing."
            )
        return SmearedYukawa(float(self.kappa), smearing)


@dataclass(frozen=True)
class TabulatedPotential:
    """Any radial potential of finite range, given by numbers.

    Convolved with a Gaussian of width ``smearing``. It should go to zero smoothly at the last
    distance.

    Parameters
    ----------
    distances : sequence of float
        Increasing, from 0 to the range of the potential, in angstrom; at most 100.
    values : sequence of float
        Potential at the distances; interpolated by a cubic spline, zero beyond.
    label : str, default="table"
        Name in the columns, of ASCII characters.

    Examples
    --------
    >>> import numpy as np
    >>> from sklode.potentials import TabulatedPotential
    >>> r = np.linspace(0, 8, 81)
    >>> TabulatedPotential(r, np.cos(np.pi * r / 16) ** 4, label="bump").name
    'bump'
    """

    distances: Sequence[float] | NDArray
    values: Sequence[float] | NDArray
    label: str = field(default="table")

    def __post_init__(self):
        distances = real_array(self.distances, "distances")
        values = real_array(self.values, "values")
        if (
            distances.ndim != 1
            or distances.shape != values.shape
            or len(distances) < 4
            or distances[0] != 0
            or not np.all(np.diff(distances) > 0)
            or not distances[-1] <= _LONGEST_TABLE
            or not np.all(np.abs(values) <= _LARGEST_VALUE)
        ):
            raise ValueError(
                "distances and values must be finite and of one length >= 4, distances increasing "
                f"from 0 to at most {_LONGEST_TABLE:g}, values at most {_LARGEST_VALUE:g}."
            )
        if not (isinstance(self.label, str) and self.label.isascii() and self.label):
            raise ValueError(f"label must be a name of ASCII characters; got {self.label!r}.")
        # tuples can be compared and hashed, so that tables made from them are kept
        object.__setattr__(self, "distances", tuple(distances.tolist()))
        object.__setattr__(self, "values", tuple(values.tolist()))

    @property
    def name(self) -> str:
        """Short text for names of columns."""
        return self.label

    def smeared(self, smearing: float) -> SmearedTable:
        """The law convolved with a Gaussian of width ``smearing`` angstrom."""
        return SmearedTable(tuple(self.distances), tuple(self.values), smearing)
