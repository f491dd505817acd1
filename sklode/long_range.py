"""The potential of all atoms near and far, as a transformer (generalised LODE)."""

from collections.abc import Sequence
from numbers import Real
from os import PathLike
from typing import Literal

from joblib import Memory

from .base import HasMethods, Number, StrOptions
from .physics.fields.potential import potential
from .physics.operators.contract import CoefficientOperator
from .physics.planning.planner import Summation
from .physics.system.structures import Structure, repeat
from .projection.far_field import FarFieldProjector, check_cutoff_width, read_laws
from .projection.labels import Block


class LongRangePotential(FarFieldProjector):
    r"""Long-distance equivariant (LODE) features for an interaction 1/r^p.

    Every atom is the source of a smeared potential :math:`v_p(r) \to 1/r^p`, eq. (2.1). The
    potential of all atoms of one element, however far, is expanded around every atom inside
    ``cutoff``, :math:`\langle a n l m|V_i\rangle` (theory, sections 4 and 5). Isolated structures
    are summed over pairs, periodic ones over k-vectors, slabs and wires too, without vacuum; all
    kinds may be mixed in one X.

    Parameters
    ----------
    exponent : float, law or sequence of them, default=1
        Power p of the interaction, any real p from 0.001 to 100: 1 for charges, 6 for dispersion.
        0 is the Gaussian density. ``sklode.potentials`` has screened and tabulated laws. A sequence
        gives the columns of all its members, computed in one pass over the same phases.
    cutoff : float, default=3.0
        Radius in angstrom of the region around an atom in which the potential is expanded. It
        does not limit how far atoms act.
    n_max : int, default=1
        Number of radial functions, n = 0 .. n_max - 1, at most 6 monomials or 16 GTOs. With
        monomials one is enough for p = 1.
    l_max : int, default=3
        Largest degree of the spherical harmonics, inclusive, at most 50.
    smearing : float, default=1.0
        Length sigma in angstrom below which 1/r^p is smoothed. Smaller means more k-vectors.
    radial_basis : {"gto", "monomial"}, default="monomial"
        r^(l+2n) on [0, cutoff], or r^n exp(-r^2/2 s_n^2) with s_n = cutoff max(sqrt(n), 1) / n_max;
        both Loewdin-orthonormalised (theory, section 3).
    exterior : bool, default=False
        Whether only atoms beyond ``cutoff`` act, with the smooth weight 1 - f_c(r) of eq. (7.1):
        the far field alone, which does not count again what a local density sees.
    cutoff_width : float, default=0.5
        Width in angstrom of the shell below ``cutoff`` in which atoms begin to act; with
        ``exterior`` only.
    charges : str or None, default=None
        Name of a per-atom array, such as "initial_charges", that weighs the atoms in one single
        channel. None gives one channel per element.
    include_center : bool, default=False
        Whether an atom's own smeared potential counts. Its periodic images always do. Not with
        ``exterior``.
    tol : float, default=1e-6
        Largest error of a coefficient of a periodic structure, relative to the largest one of the
        same exponent and channel. Chooses the k-vectors, meshes and radial modes (section 4.5),
        and from 1e-5 on single precision for the waves where it is enough (section 2.4).
    k_cutoff : float or None, default=None
        Radius of the sphere of k-vectors in 1/angstrom; overrides what ``tol`` would choose.
    method : {"auto", "direct", "nufft"}, default="auto"
        How a periodic structure is summed: "direct" by matrix products, in a time that grows with
        the square of the number of atoms; "nufft" by Fourier transforms on a mesh (from a few
        hundred atoms on, section 4.5), as far as a mesh can reach ``tol``. "auto" takes what
        should be faster.
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
        Type of the features and of the sums over periodic structures. "float32" takes half of the
        memory and is accurate to about 1e-5 of the largest coefficient of a structure.
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
        Sorted atomic numbers seen in ``fit`` or given as ``species``.
    feature_table_ : DataFrame
        One row a column: name, family, exponent, species, radial indices and degree.

    See Also
    --------
    DensityProjector : The local environment.
    PowerSpectrum : Invariants of density and potential together, rho x V.

    Notes
    -----
    For p <= 3 the k = 0 term of periodic structures is dropped, which stands for a uniform
    neutralising background; for p > 3 and p = 0 it is kept (theory, section 2.3). Work grows with
    the number of atoms N of a structure as N^2 with matrix products and as N log N on a mesh.
    Memory, beside the result: one kernel, the number of k-vectors times (l_max + 1)^2 n_max numbers
    for each exponent, or on a mesh some ten numbers a channel and mesh point; both grow with the
    volume. Structures are handled in chunks of about a thousand atoms. Without ``include_center``
    the own potential of an atom is subtracted, which leaves its rounding error: 1e-16 times
    (2 sigma^2)^(-p/2), felt for steep potentials in sparse cells.

    Slabs and wires, periodic along two or one of the lattice vectors, are summed in a box that is
    made for the atoms (section 5.2); lattice vectors along which nothing repeats are ignored. For p
    up to the number of periodic directions a channel with a net charge, which every element is, has
    no finite potential: what remains is that of charged layers or lines without its constant,
    :math:`-2\pi|z|` per area for p = 1. Differences between structures of one composition and one
    periodic cell do not depend on that.

    References
    ----------
    K. K. Huguenin-Dumittan, P. Loche, Ni Haoran, M. Ceriotti, J. Phys. Chem. Lett. 14, 9612 (2023).
    A. Grisafi, M. Ceriotti, J. Chem. Phys. 151, 204105 (2019).

    Examples
    --------
    The potential at a site of rock salt, from the l = 0 coefficient, gives Madelung's constant:

    >>> import numpy as np
    >>> from ase.build import bulk
    >>> from sklode import LongRangePotential
    >>> salt = bulk("NaCl", "rocksalt", a=2.0)
    >>> salt.set_initial_charges([1, -1])
    >>> lode = LongRangePotential(
    ...     exponent=1, cutoff=0.1, l_max=0, smearing=0.1, charges="initial_charges", tol=1e-8,
    ...     invariants=None)
    >>> coefficient = lode.fit([salt]).transform_atoms([salt])[0, 0]
    >>> potential = coefficient * np.sqrt(3 / (4 * np.pi * 0.1**3))
    >>> print(f"{-potential:.6f}")
    1.747565
    """

    _parameter_constraints = {
        **FarFieldProjector.shared_constraints,
        # texts are refused by read_laws, which says what is meant
        "exponent": [
            Number(Real, 0, None, closed="left"),
            HasMethods("smeared"),
            "array-like",
            str,
        ],
        "charges": [str, None],
        "tol": [Number(Real, 0, 1, closed="neither")],
        "k_cutoff": [Number(Real, 0, 1e6, closed="right"), None],
        "method": [StrOptions({"auto", "direct", "nufft"})],
        "exterior": ["boolean"],
        "cutoff_width": [Number(Real, 0, 1e6, closed="both")],
    }

    def __init__(
        self,
        exponent: object = 1,
        cutoff: float = 3.0,
        n_max: int = 1,
        l_max: int = 3,
        *,
        smearing: float = 1.0,
        radial_basis: str = "monomial",
        exterior: bool = False,
        cutoff_width: float = 0.5,
        charges: str | None = None,
        include_center: bool = False,
        tol: float = 1e-6,
        k_cutoff: float | None = None,
        method: Literal["auto", "direct", "nufft"] = "auto",
        invariants: str | None = "power_spectrum",
        center_species: Literal["shared", "split"] = "shared",
        species: Literal["auto"] | Sequence[str | int] = "auto",
        handle_unknown: Literal["error", "ignore"] = "error",
        pooling: Literal["sum", "mean"] = "sum",
        dtype: Literal["float64", "float32"] = "float64",
        n_jobs: int | None = None,
        memory: str | PathLike | Memory | None = None,
    ):
        self.exponent = exponent
        self.cutoff = cutoff
        self.n_max = n_max
        self.l_max = l_max
        self.smearing = smearing
        self.radial_basis = radial_basis
        self.exterior = exterior
        self.cutoff_width = cutoff_width
        self.charges = charges
        self.include_center = include_center
        self.tol = tol
        self.k_cutoff = k_cutoff
        self.method = method
        self.invariants = invariants
        self.center_species = center_species
        self.species = species
        self.handle_unknown = handle_unknown
        self.pooling = pooling
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.memory = memory

    def _check_parameters(self):
        if isinstance(self.exponent, type):
            name = self.exponent.__name__
            raise ValueError(
                f"exponent must be a law; got the class {name}. Pass an instance: {name}(...)."
            )
        for law in self._laws():
            law.smeared(float(self.smearing))  # refuses what leaves the range of floats
        if self.exterior:
            check_cutoff_width(self)
            if self.include_center:
                raise ValueError(
                    "include_center=True contradicts exterior=True: an atom is inside its own "
                    "cutoff."
                )
        super()._check_parameters()

    def _laws(self):
        return read_laws(self.exponent)

    def column_blocks(self) -> list[Block]:
        """Blocks of columns (channel, n) of the coefficients, one a law."""
        labels = self._channel_labels()
        return [
            Block("v" + law.name, getattr(law, "exponent", None), labels, self.n_max)
            for law in self._laws()
        ]

    def operator(
        self, dtype: Literal["float64", "float32"] = "float64", n_threads: int = 1
    ) -> CoefficientOperator:
        """The operator that the coefficients are of."""
        return potential(
            self._basis,
            tuple(law.smeared(float(self.smearing)) for law in self._laws()),
            self.include_center,
            float(self.cutoff_width) if self.exterior else None,
            Summation(
                tol=float(self.tol),
                k_cutoff=None if self.k_cutoff is None else float(self.k_cutoff),
                method=self.method,
                dtype=dtype,
                n_threads=n_threads,
            ),
        )

    def atoms_at_once(self, structures: Sequence[Structure]) -> int:
        """More where no lists of all pairs are held."""
        at_once = super().atoms_at_once(structures)
        return 2 * at_once if repeat(structures).all() else at_once
