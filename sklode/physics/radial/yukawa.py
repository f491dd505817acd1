"""The smeared screened potential exp(-kappa r)/r (theory, section 2.5)."""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfc, erfcx, spherical_in, spherical_kn

from .finite_range import FAR_SMEARINGS

_SMALL = 1e-5  # r / sigma under which the closed form is 0/0


@dataclass(frozen=True)
class SmearedYukawa:
    r"""exp(-kappa r)/r, its master integral (2.1) cut at t = 1 / 2 sigma^2 as for 1/r.

    Parameters
    ----------
    kappa : float
        Inverse screening length in 1/angstrom.
    smearing : float
        sigma in angstrom.
    """

    kappa: float
    smearing: float
    exponent = 1.0
    range = np.inf

    @property
    def screening(self):
        """Length in 1/angstrom that adds to k, as k^2 + kappa^2, in the Fourier transform."""
        return self.kappa

    def real(self, r):
        """Potential at distances ``r`` in angstrom; same shape."""
        r = np.maximum(np.asarray(r, float), _SMALL * self.smearing)
        a, b = self.kappa * self.smearing / np.sqrt(2.0), r / (np.sqrt(2.0) * self.smearing)
        grown = np.exp(-a * a - b * b) * erfcx(a + b)
        return 0.5 * (np.exp(-self.kappa * r) * erfc(a - b) - grown) / r

    def fourier(self, k):
        """Fourier transform at wave numbers ``k`` in 1/angstrom; same shape."""
        q2 = np.asarray(k, float) ** 2 + self.kappa**2
        return 4.0 * np.pi / q2 * np.exp(-0.5 * q2 * self.smearing**2)

    def fourier_slope(self, k):
        """Derivative of ``fourier`` with respect to ``k``; same shape."""
        k = np.asarray(k, float)
        return -k * (2.0 / (k**2 + self.kappa**2) + self.smearing**2) * self.fourier(k)

    @property
    def fourier_at_zero(self):
        """Weight of the k = 0 term, which screening makes finite."""
        return float(self.fourier(0.0))

    def widened(self, smearing):
        """The same potential, smeared at least so much."""
        return SmearedYukawa(self.kappa, max(self.smearing, smearing))

    def split_weight(self, wide):
        """Weight of k = 0 for ``wide``: nothing diverges, nothing is dropped."""
        return wide.fourier_at_zero

    @property
    def blur(self):
        """Distance in angstrom from which on the potential is exp(-kappa r)/r."""
        return FAR_SMEARINGS * self.smearing + self.kappa * self.smearing**2

    def far_field(self, r, measure, limit):
        """Coefficients of a distant atom: 8 kappa k_l(kappa d) int r^2 R_nl i_l(kappa r) dr."""
        degrees = range(len(measure))
        inner = [measure[l] @ spherical_in(l, self.kappa * r) for l in degrees]

        def values(distances):
            outer = [spherical_kn(l, self.kappa * distances) for l in degrees]
            columns = [np.outer(o, i) for o, i in zip(outer, inner, strict=True)]
            return 8.0 * self.kappa * np.concatenate(columns, axis=1)

        return values

    def far_field_slopes(self, r, measure, limit):
        """Derivatives of ``far_field`` by the distance, in the same form."""
        degrees = range(len(measure))
        inner = [measure[l] @ spherical_in(l, self.kappa * r) for l in degrees]

        def slopes(distances):
            scaled = self.kappa * distances
            outer = [spherical_kn(l, scaled, derivative=True) for l in degrees]
            columns = [np.outer(o, i) for o, i in zip(outer, inner, strict=True)]
            return 8.0 * self.kappa**2 * np.concatenate(columns, axis=1)

        return slopes
