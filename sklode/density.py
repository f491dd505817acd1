"""The local density of neighbours, as a transformer."""

from collections.abc import Sequence
from numbers import Real
from os import PathLike
from typing import Literal

from joblib import Memory

from .base import Number
from .physics.fields.density import density
from .physics.operators.contract import CoefficientOperator
from .projection.labels import Block
from .projection.projector import Projector


class DensityProjector(Projector):
    r"""Local density features: what an atom sees within ``cutoff``.

    Neighbours are smeared into Gaussians and their density is expanded around every atom in
    orthonormal radial functions and real spherical harmonics, :math:`\langle a n l m|\rho_i\rangle`
    (theory, section 7). The power spectrum of these coefficients is the SOAP descriptor.

    Parameters
    ----------
    cutoff : float, default=5.0
        Radius of the environment in angstrom; also the radius of the radial basis.
    n_max : int, default=6
        Number of radial functions, n = 0 .. n_max - 1, at most 16 GTOs or 6 monomials.
    l_max : int, default=4
        Largest degree of the spherical harmonics, inclusive, at most 50.
    smearing : float, default=0.3
        Width sigma of the Gaussians in angstrom.
    cutoff_width : float, default=0.5
        Width in angstrom of the shell below ``cutoff`` in which neighbours fade out, eq. (7.1).
    radial_basis : {"gto", "monomial"}, default="gto"
        r^n exp(-r^2/2 s_n^2) with s_n = cutoff max(sqrt(n), 1) / n_max, or r^(l+2n) on
        [0, cutoff]; both Loewdin-orthonormalised (theory, section 3).
    include_center : bool, default=True
        Whether the central atom's own density counts.
    invariants : {"power_spectrum", "radial_spectrum", None}, default="power_spectrum"
        Invariants of eq. (7.2); the l = 0 coefficients alone; or None for the equivariant
        coefficients themselves, in columns (species, n, l, m), m = -l .. l.
    center_species : {"shared", "split"}, default="shared"
        "shared" adds all atoms of a structure up; "split" keeps one block of columns per central
        element.
    species : "auto" or list of str or int, default="auto"
        Elements that have a channel. "auto" takes those seen in ``fit``; give the list in
        cross-validation, where a fold may lack an element.
    handle_unknown : {"error", "ignore"}, default="error"
        What to do with an element without channel: raise, or treat its atoms as absent.
    pooling : {"sum", "mean"}, default="sum"
        How atoms make a structure: "sum" for energies, "mean" for energies per atom.
    dtype : {"float64", "float32"}, default="float64"
        Precision of the features and of the sums; distances are always in float64.
        Derivatives of the rows have this type too but are computed in float64, in which those of
        ``backpropagate`` stay.
    n_jobs : int or None, default=None
        Number of workers for chunks of structures, as in joblib.
    memory : str, path or joblib.Memory, default=None
        Folder that keeps the rows of `transform` and `transform_atoms`, so that no structure is
        described twice in the same way; a path holds 10 GB at most.

    Attributes
    ----------
    species_ : ndarray of shape (n_species,)
        Sorted atomic numbers of the channels.
    feature_table_ : DataFrame
        One row a column: name, family, species, radial indices and degree.

    See Also
    --------
    LongRangePotential : The far field beside it.
    PowerSpectrum : Invariants of two different projectors.

    Notes
    -----
    The power spectrum of a projector with itself has each unordered pair of channels once, which
    are an element and a radial function, pairs of unlike channels times sqrt(2), so that scalar
    products are those of the full spectrum. Structures may be periodic along any number of lattice
    vectors. Work and memory grow linearly with the number of atoms, and elements that a structure
    lacks cost little more than the zeros in its row; structures are handled in chunks of about a
    thousand atoms.

    References
    ----------
    A. P. Bartok, R. Kondor, G. Csanyi, Phys. Rev. B 87, 184115 (2013).

    Examples
    --------
    >>> from ase.build import molecule
    >>> from sklode import DensityProjector
    >>> rho = DensityProjector(cutoff=3.0, n_max=2, l_max=1)
    >>> rho.fit_transform([molecule("H2O"), molecule("CH4")]).shape
    (2, 42)
    >>> rho.get_feature_names_out()[0]
    'rho_H.H_n0n0_l0'
    """

    _parameter_constraints = {
        **Projector.shared_constraints,
        "cutoff_width": [Number(Real, 0, 1e6, closed="both")],
    }

    def __init__(
        self,
        cutoff: float = 5.0,
        n_max: int = 6,
        l_max: int = 4,
        *,
        smearing: float = 0.3,
        cutoff_width: float = 0.5,
        radial_basis: str = "gto",
        include_center: bool = True,
        invariants: str | None = "power_spectrum",
        center_species: Literal["shared", "split"] = "shared",
        species: Literal["auto"] | Sequence[str | int] = "auto",
        handle_unknown: Literal["error", "ignore"] = "error",
        pooling: Literal["sum", "mean"] = "sum",
        dtype: Literal["float64", "float32"] = "float64",
        n_jobs: int | None = None,
        memory: str | PathLike | Memory | None = None,
    ):
        self.cutoff = cutoff
        self.n_max = n_max
        self.l_max = l_max
        self.smearing = smearing
        self.cutoff_width = cutoff_width
        self.radial_basis = radial_basis
        self.include_center = include_center
        self.invariants = invariants
        self.center_species = center_species
        self.species = species
        self.handle_unknown = handle_unknown
        self.pooling = pooling
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.memory = memory

    def _check_parameters(self):
        if self.cutoff_width > self.cutoff:
            raise ValueError(
                f"cutoff_width={self.cutoff_width} must be at most cutoff={self.cutoff}."
            )
        super()._check_parameters()

    def column_blocks(self) -> list[Block]:
        """Blocks of columns (channel, n) of the coefficients, one a law."""
        return [Block("rho", None, self._channel_labels(), self.n_max)]

    def operator(
        self, dtype: Literal["float64", "float32"] = "float64", n_threads: int = 1
    ) -> CoefficientOperator:
        """The operator that the coefficients are of."""
        smearing, width = float(self.smearing), float(self.cutoff_width)
        return density(self._basis, smearing, width, self.include_center, dtype, n_threads)
