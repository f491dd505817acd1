"""The smeared local density rho_i around every atom (theory, section 7)."""

from functools import lru_cache

from ..operators.grouped import Centered
from ..pairs.pair_sum import PairSum
from ..radial.functions import density_function
from ..radial.integrals import center_integrals
from ..radial.laws import SmearedPowerLaw
from ..radial.switches import ShiftedCosine


@lru_cache(maxsize=64)
def density(basis, smearing, cutoff_width, include_center, dtype="float64", n_threads=1):
    """Coefficients <anlm|rho_i> of the density inside ``basis.cutoff``, as an operator.

    Parameters
    ----------
    basis : RadialBasis
    smearing : float
        Width of the Gaussian that every atom is, in angstrom.
    cutoff_width : float
        Width in angstrom of the shell in which neighbours fade out.
    include_center : bool
        Whether an atom is part of its own density.
    dtype : {"float64", "float32"}, default="float64"
        Precision of the sum.
    n_threads : int, default=1
        Threads that share the pairs.

    Returns
    -------
    CoefficientOperator
    """
    switch = ShiftedCosine(basis.cutoff, cutoff_width)
    function = density_function(basis, smearing, dtype).switched(switch)
    neighbors = PairSum(function, basis.l_max, 1, basis.cutoff, n_threads)
    if not include_center:
        return neighbors
    return Centered(neighbors, center_integrals(basis, SmearedPowerLaw(0.0, smearing))[None])
