"""The contract of smeared laws: what sums over atoms, waves and distant atoms ask of a potential.

``SmearedPowerLaw`` is the law that all else was written for; ``FiniteRangeLaw`` has most members
for potentials that vanish at a distance.
"""

from collections.abc import Callable
from typing import Protocol, Self

from numpy.typing import ArrayLike, NDArray


class SmearedLaw(Protocol):
    """The potential of one atom, smeared by a Gaussian; frozen, since tables are kept by laws."""

    @property
    def smearing(self) -> float:
        """Width of the Gaussian in angstrom."""

    @property
    def blur(self) -> float:
        """Distance in angstrom from which on the smeared potential is the bare one."""

    @property
    def range(self) -> float:
        """Distance in angstrom beyond which the potential is nothing; infinite with a tail.

        In slabs and wires a tail is that of ``exponent`` and ``screening``, see ``Window``.
        """

    @property
    def fourier_at_zero(self) -> float:
        """Weight of the term of k = 0: the limit of ``fourier``, or 0 for a background (2.3)."""

    def real(self, r: ArrayLike) -> NDArray:
        """Potential at distances ``r`` in angstrom; same shape."""

    def fourier(self, k: ArrayLike) -> NDArray:
        """Fourier transform at wave numbers ``k`` > 0 in 1/angstrom; same shape."""

    def fourier_slope(self, k: ArrayLike) -> NDArray:
        """Derivative of ``fourier`` with respect to ``k``; same shape."""

    def widened(self, smearing: float) -> Self:
        """The same potential, smeared at least so much, whose waves are fewer.

        The difference between both, which vanishes beyond ``blur``, is summed over pairs. A law
        without a tail gives back itself: nothing is split off.
        """

    def split_weight(self, wide: Self) -> float:
        """Weight of k = 0 for ``wide``, such that the split sum is the one that is not split."""

    def far_field(self, r: NDArray, measure: NDArray, limit: float) -> Callable[[NDArray], NDArray]:
        """Coefficients of a distant atom, for a basis of quadrature ``r, measure``.

        Parameters
        ----------
        r : ndarray of shape (n_nodes,)
        measure : ndarray of shape (l_max + 1, n_max, n_nodes)
            R_nl r^2 dr.
        limit : float
            Smallest distance.

        Returns
        -------
        callable
            Distances (n,) to values (n, (l_max + 1) * n_max), l slowest.
        """

    def far_field_slopes(
        self, r: NDArray, measure: NDArray, limit: float
    ) -> Callable[[NDArray], NDArray]:
        """Derivatives of ``far_field`` by the distance, in the same form."""
