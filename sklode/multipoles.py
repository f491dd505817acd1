"""Generalised multipoles of the far field, as a transformer."""

from collections.abc import Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Literal

import numpy as np
from ase import Atoms
from joblib import Memory
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .base import Number
from .inputs.atoms import read_structures, real_array
from .physics.fields.far_field import background_curvature, far_field_potential
from .physics.fields.multipoles import multipoles
from .physics.operators.contract import CoefficientOperator
from .physics.planning.planner import Summation
from .potentials import InversePowerLaw
from .projection.expansion import Expansion
from .projection.far_field import FarFieldProjector, check_cutoff_width, read_exponents
from .projection.labels import Block

_STEEPEST = 130  # power of 1/r


class MultipoleFeatures(FarFieldProjector):
    r"""Exterior multipoles: all that far atoms do to an environment, for an interaction 1/r^p.

    .. math:: M^a_{i,klm} = \sum_{j\in a} [1 - f_c(r_{ij})]\, Y_{lm}(\hat r_{ij}) / r_{ij}^{p+l+2k}

    over the atoms of element a outside ``cutoff``, periodic images included (theory, section 6).
    The far field near the atom is a sum of known radial functions times these numbers, eq. (6.1);
    for p = 1 the order k = 0 alone is the whole field, but for that of the background which
    neutralises a charged channel.

    Parameters
    ----------
    exponent : float or sequence of float, default=1
        Power p of the interaction, any real p from 0.001 to 100. A sequence gives the columns of
        all its exponents.
    cutoff : float, default=3.0
        Radius in angstrom inside which atoms do not act.
    n_max : int, default=1
        Number of orders k = 0 .. n_max - 1, at most 20; the columns call them n. One is enough for
        p = 1.
    l_max : int, default=3
        Largest degree of the spherical harmonics, inclusive, at most 50.
    cutoff_width : float, default=0.5
        Width in angstrom of the shell below ``cutoff`` in which atoms begin to act, eq. (7.1).
    charges : str or None, default=None
        Name of a per-atom array, such as "initial_charges", that weighs the atoms in one single
        channel. None gives one channel per element.
    tol : float, default=1e-6
        Largest error for periodic structures: of M cutoff^(p+l+2k), relative to the largest one of
        the same exponent, order and channel. Chooses k-vectors and pairs.
    invariants : {"power_spectrum", "radial_spectrum", None}, default="power_spectrum"
        Invariants of eq. (7.2); the l = 0 multipoles alone; or None for the multipoles themselves,
        in columns (species, n, l, m), m = -l .. l.
    center_species : {"shared", "split"}, default="shared"
        "shared" adds all atoms of a structure up; "split" keeps one block of columns per central
        element.
    species : "auto" or list of str or int, default="auto"
        Elements that have a channel. "auto" takes those seen in ``fit``.
    handle_unknown : {"error", "ignore"}, default="error"
        What to do with an element without channel: raise, or treat its atoms as absent.
    pooling : {"sum", "mean"}, default="sum"
        How atoms make a structure: "sum" for energies, "mean" for energies per atom.
    dtype : {"float64", "float32"}, default="float64"
        Type of the features and of the sums over periodic structures. "float32" takes half of the
        memory and is accurate to about 1e-5 of the largest multipole of a structure.
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
        One row a column: name, family, exponent, species, order n and degree.

    See Also
    --------
    LongRangePotential : The same far field, smeared and projected, with ``exterior=True``.
    PowerSpectrum : Invariants of density and multipoles together.

    Notes
    -----
    Periodic structures are summed by the Ewald split of eq. (6.4). Where the lattice sum diverges,
    a uniform background neutralises the channel; for p = 3, where its constant is undefined, the
    l = 0 multipole of a charged channel is relative to the cutoff. Work and memory of a
    periodic structure grow linearly with its size (a mesh and pairs), those of an isolated one with
    its square. Slabs and wires are summed in a box that is made for the atoms (section 5.2), and
    charged channels of them have no background: ``potential`` and ``field`` are those of charged
    layers or lines, whose potential has no constant.

    References
    ----------
    K. K. Huguenin-Dumittan, P. Loche, Ni Haoran, M. Ceriotti, J. Phys. Chem. Lett. 14, 9612 (2023).

    Examples
    --------
    The electrostatic potential at the sites of rock salt is Madelung's constant:

    >>> import numpy as np
    >>> from ase.build import bulk
    >>> from sklode import MultipoleFeatures
    >>> salt = bulk("NaCl", "rocksalt", a=2.0)
    >>> salt.set_initial_charges([1, -1])
    >>> sources = MultipoleFeatures(
    ...     1, cutoff=0.9, l_max=0, charges="initial_charges", tol=1e-9, invariants=None)
    >>> potential = sources.fit([salt]).transform_atoms([salt])[:, 0] * np.sqrt(4 * np.pi)
    >>> print(f"{potential[1]:.6f}")
    1.747565
    """

    _parameter_constraints = {
        name: constraint
        for name, constraint in FarFieldProjector.shared_constraints.items()
        if name not in ("smearing", "radial_basis", "include_center")
    } | {
        "exponent": [Number(Real, 0, None, closed="neither"), "array-like"],
        "n_max": [Number(Integral, 1, 20, closed="both")],
        "cutoff_width": [Number(Real, 0, 1e6, closed="both")],
        "charges": [str, None],
        "tol": [Number(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        exponent: object = 1,
        cutoff: float = 3.0,
        n_max: int = 1,
        l_max: int = 3,
        *,
        cutoff_width: float = 0.5,
        charges: str | None = None,
        tol: float = 1e-6,
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
        self.cutoff_width = cutoff_width
        self.charges = charges
        self.tol = tol
        self.invariants = invariants
        self.center_species = center_species
        self.species = species
        self.handle_unknown = handle_unknown
        self.pooling = pooling
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.memory = memory

    def _check_parameters(self):
        steepest = max(self._exponents()) + self.l_max + 2 * (self.n_max - 1)
        if steepest > _STEEPEST:
            raise ValueError(
                f"exponent + l_max + 2 (n_max - 1) is {steepest:g}; at most {_STEEPEST} works, "
                "or powers leave the range of floats. Lower one of them."
            )
        check_cutoff_width(self)

    def _exponents(self):
        return read_exponents(self.exponent)

    def column_blocks(self) -> list[Block]:
        """Blocks of columns (channel, n) of the coefficients, one a law."""
        labels = self._channel_labels()
        return [
            Block("m" + InversePowerLaw(p).name, p, labels, self.n_max) for p in self._exponents()
        ]

    def operator(
        self, dtype: Literal["float64", "float32"] = "float64", n_threads: int = 1
    ) -> CoefficientOperator:
        """The operator that the coefficients are of."""
        return multipoles(
            tuple(self._exponents()),
            int(self.n_max),
            int(self.l_max),
            float(self.cutoff),
            float(self.cutoff_width),
            Summation(float(self.tol), dtype=dtype, n_threads=n_threads),
        )

    def potential(self, X: Sequence[Atoms], points: ArrayLike) -> list[NDArray]:
        """Far-field potential near every atom, rebuilt from its multipoles by eq. (6.1).

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.
        points : array-like of shape (n_points, 3)
            Where, relative to the atom, in angstrom. The series converges up to the nearest atom
            that acts, as (r / d)^l_max.

        Returns
        -------
        list of ndarray of shape (n_atoms, n_exponents, n_channels, n_points)
            One array a structure, in 1/angstrom^p times the unit of the charges.

        Examples
        --------
        >>> from ase import Atoms
        >>> from sklode import MultipoleFeatures
        >>> pair = Atoms("HF", positions=[[0, 0, 0], [0, 0, 8.0]])
        >>> far = MultipoleFeatures(1, l_max=8).fit([pair]).potential([pair], [[0, 0, 1.0]])
        >>> print(f"{far[0][0, 0, 1, 0]:.6f} {1 / 7:.6f}")
        0.142857 0.142857
        """
        return self._far_field(X, points)[0]

    def field(self, X: Sequence[Atoms], points: ArrayLike) -> list[NDArray]:
        """Far field, the negative gradient of ``potential``.

        Parameters
        ----------
        X, points
            As in ``potential``.

        Returns
        -------
        list of ndarray of shape (n_atoms, n_exponents, n_channels, n_points, 3)
            One array a structure, in 1/angstrom^(p+1) times the unit of the charges.
        """
        return self._far_field(X, points)[1]

    def _far_field(self, X, points):
        check_is_fitted(self)
        points = np.atleast_2d(real_array(points, "points"))
        if points.shape[1:] != (3,) or not np.isfinite(points).all():
            raise ValueError(
                f"points must be finite numbers of shape (n_points, 3); got shape {points.shape}."
            )
        atoms_list = self._read(X, reset=False)
        structures = read_structures(atoms_list, self.charge_names())
        self.check_structures(atoms_list)
        batch = Expansion(self, structures).batch
        moments = self.operator(self.dtype).values(batch)
        exponents = self._exponents()
        curvature = background_curvature(batch, exponents)
        both = far_field_potential(moments, exponents, int(self.n_max), points, curvature)
        return tuple(np.split(values, batch.offsets[1:-1]) for values in both)
