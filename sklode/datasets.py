"""Data sets: real dimers and point charges, in the manner of `sklearn.datasets`."""

from numbers import Integral, Real
from os import PathLike
from typing import Literal, overload

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import s22
from ase.io import read
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state, check_scalar

from .inputs.dimers import curve_names, molecule_numbers
from .inputs.download import fetch_file, get_data_home
from .physics.lattice_sums import power_law_energy_and_forces
from .potentials import LARGEST_EXPONENT, as_float

__all__ = ["fetch_charge_dimers", "get_data_home", "load_s22x5", "make_point_charges"]

_S22X5_DESCR = """\
S22x5: binding curves of 22 noncovalent dimers
----------------------------------------------
110 isolated dimers of neutral molecules (C, H, N, O; 6 to 30 atoms): the 22 complexes of S22, each
at 0.9, 1.0, 1.2, 1.5 and 2.0 times its equilibrium separation. Seven are bound by hydrogen bonds,
eight by dispersion, seven by both. Target: CCSD(T)/CBS interaction energy in eV, negative when
bound. Geometries and energies are the ones ASE ships (ase.data.s22). As ASE does by default, each
curve is scaled so that its 1.0 point is the revised S22 energy of 2010.

- P. Jurecka, J. Sponer, J. Cerny, P. Hobza, Phys. Chem. Chem. Phys. 8, 1985 (2006): S22
- L. Grafova, M. Pitonak, J. Rezac, P. Hobza, J. Chem. Theory Comput. 6, 2365 (2010): S22x5
- T. Takatani, E. G. Hohenstein, M. Malagoli, M. S. Marshall, C. D. Sherrill,
  J. Chem. Phys. 132, 144104 (2010): revised energies
"""

_POINT_CHARGES_DESCR = """\
Random point charges
--------------------
{n_samples} cubic periodic cells with {n_atoms} atoms at random places: half Na with charge +1, half
Cl with charge -1, no two of them or of their images closer than {min_distance} angstrom. Cell
lengths are uniform within 20 % of the cube root of n_atoms / {density}. Target: the energy of
charges interacting as 1/r^{exponent}, exact to rounding, in e^2/angstrom^p without 1/(4 pi eps_0).
Forces are its exact gradient.
"""

_CHARGE_DIMERS_DESCR = """\
Charge-charge dimers
--------------------
130 dimers of a molecular cation and anion (C, H, N, O; 15 to 23 atoms) in a periodic cubic cell of
30 angstrom: ten curves, each of two rigid molecules moved apart in 13 steps of 0.25 angstrom.
Target: total energies in eV, with forces in eV/angstrom. Interaction energy: total energy less
energyA and energyB of the file. These are the same for all curves of one composition (and order)
although the geometries of the molecules differ, so that every curve has an offset of its own, up to
0.8 eV against -14.4/r at the largest separations, and does not tend to zero.

File examples/lode-linear/charge-charge.xyz of the atomistic cookbook
(https://github.com/lab-cosmo/atomistic-cookbook), licence BSD-3-Clause.

- A. Grisafi, J. Nigam, M. Ceriotti, Chem. Sci. 12, 2078 (2021)
- K. K. Huguenin-Dumittan, P. Loche, Ni Haoran, M. Ceriotti, J. Phys. Chem. Lett. 14, 9612 (2023)
- L. A. Burns et al., J. Chem. Phys. 147, 161727 (2017): the BioFragment Database, its molecules
"""

_CHARGE_DIMERS_URL = (
    "https://raw.githubusercontent.com/lab-cosmo/atomistic-cookbook/"
    "d50df7120657b2c8f284bdd7f7632c65af661a42/examples/lode-linear/charge-charge.xyz"
)
_CHARGE_DIMERS_SHA256 = "9c144f02dc09898605b980a2fe9b24e70fedf6756fc86f782376f16ac37ece4a"
_CHARGE_DIMERS_FILES = ("charge_charge_dimers.xyz", "charge-charge.xyz")

_LENGTH_SPREAD = 0.2  # relative variation of the cell length
_CLOSE_PACKING = np.pi / np.sqrt(18.0)
_CANDIDATES = 64  # places tried for an atom before its cell is begun anew
_RESTARTS = 100


@overload
def load_s22x5(*, return_X_y: Literal[False] = False) -> Bunch: ...


@overload
def load_s22x5(*, return_X_y: Literal[True]) -> tuple[list[Atoms], NDArray]: ...


def load_s22x5(*, return_X_y: bool = False) -> Bunch | tuple[list[Atoms], NDArray]:
    """Load the S22x5 binding curves of 22 noncovalent dimers (regression).

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        - data : list of 110 isolated `ase.Atoms`, with the molecule (0 or 1) of each atom in
          ``arrays["fragment"]`` and ``dimer``, ``distance``, ``interaction_energy`` in ``info``.
        - target : ndarray of shape (110,), CCSD(T)/CBS interaction energies in eV.
        - groups : ndarray of shape (110,), str, name of the dimer, the same for its five rows.
        - distance : ndarray of shape (110,), separation relative to equilibrium.
        - DESCR : str, description and sources.

    References
    ----------
    P. Jurecka et al., Phys. Chem. Chem. Phys. 8, 1985 (2006); L. Grafova et al., J. Chem. Theory
    Comput. 6, 2365 (2010); scaled to T. Takatani et al., J. Chem. Phys. 132, 144104 (2010).

    Examples
    --------
    >>> from sklode.datasets import load_s22x5
    >>> dimers = load_s22x5()
    >>> len(dimers.data), len(set(dimers.groups))
    (110, 22)
    >>> print(dimers.groups[6], dimers.distance[6], f"{dimers.target[6]:.4f} eV")
    Water_dimer 1.0 -0.2177 eV
    """
    data = [_s22x5_dimer(name) for name in s22.s22x5]
    target = np.array([atoms.info["interaction_energy"] for atoms in data])
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        groups=np.array([atoms.info["dimer"] for atoms in data]),
        distance=np.array([atoms.info["distance"] for atoms in data]),
        DESCR=_S22X5_DESCR,
    )


def _s22x5_dimer(name):
    atoms = s22.create_s22_system(name)
    dimer, distance = name.rsplit("_", 1)
    atoms.arrays["fragment"] = np.repeat([0, 1], s22.get_number_of_dimer_atoms(name))
    atoms.info["dimer"] = dimer
    atoms.info["distance"] = float(distance)
    atoms.info["interaction_energy"] = float(s22.get_interaction_energy_s22x5(name))
    return atoms


@overload
def make_point_charges(
    n_samples: int = ...,
    n_atoms: int = ...,
    *,
    exponent: float = ...,
    density: float = ...,
    min_distance: float = ...,
    random_state: int | np.random.RandomState | None = ...,
    return_X_y: Literal[False] = False,
) -> Bunch: ...


@overload
def make_point_charges(
    n_samples: int = ...,
    n_atoms: int = ...,
    *,
    exponent: float = ...,
    density: float = ...,
    min_distance: float = ...,
    random_state: int | np.random.RandomState | None = ...,
    return_X_y: Literal[True],
) -> tuple[list[Atoms], NDArray]: ...


def make_point_charges(
    n_samples: int = 100,
    n_atoms: int = 8,
    *,
    exponent: float = 1,
    density: float = 0.008,
    min_distance: float = 2.0,
    random_state: int | np.random.RandomState | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[list[Atoms], NDArray]:
    r"""Generate random point charges with exact 1/r^p energies and forces (regression).

    Half of the atoms are Na with charge +1, half Cl with charge -1, at random in cubic periodic
    cells whose length varies by 20 % about the given density.

    Parameters
    ----------
    n_samples : int, default=100
        Number of structures.
    n_atoms : int, default=8
        Atoms in each, even.
    exponent : float, default=1
        p of the interaction, any real number > 0, at most 100.
    density : float, default=0.008
        Mean number density in 1/angstrom^3; the default gives 8 to 12 angstrom for 8 atoms.
    min_distance : float, default=2.0
        Smallest distance between any two atoms or their periodic images in angstrom.
    random_state : int, RandomState instance or None, default=None
        Determines the structures. The first ones do not depend on ``n_samples``.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        - data : list of `ase.Atoms` with initial charges, energy and forces.
        - target : ndarray of shape (n_samples,), energies in e^2/angstrom^p, that is
          :math:`\frac12 \sum_i q_i \sum'_{j,T} q_j / d^p`.
        - forces : list of ndarray of shape (n_atoms, 3), in e^2/angstrom^(p + 1).
        - exponent : float
        - DESCR : str, description.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or value, ``n_atoms`` is odd, or the atoms do not fit.

    References
    ----------
    A. Grisafi, M. Ceriotti, J. Chem. Phys. 151, 204105 (2019) learn Coulomb energies of such cells.

    Examples
    --------
    >>> from sklode.datasets import make_point_charges
    >>> charges = make_point_charges(n_samples=5, exponent=6, random_state=0)
    >>> charges.data[0].get_chemical_formula(), charges.target.shape, charges.forces[0].shape
    ('Cl4Na4', (5,), (8, 3))
    """
    numbers = {"exponent": exponent, "density": density, "min_distance": min_distance}
    _check_numbers({"n_samples": n_samples, "n_atoms": n_atoms}, Integral)
    _check_numbers(numbers, Real)
    if n_atoms % 2:
        raise ValueError(f"n_atoms must be even, half Na and half Cl, got {n_atoms}")
    if exponent > LARGEST_EXPONENT:
        raise ValueError(f"exponent must be at most {LARGEST_EXPONENT:g}, got {exponent}")
    rng = check_random_state(random_state)
    data = [_charged_cell(n_atoms, exponent, density, min_distance, rng) for _ in range(n_samples)]
    target = np.array([atoms.get_potential_energy() for atoms in data])
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        forces=[atoms.get_forces() for atoms in data],
        exponent=exponent,
        DESCR=_POINT_CHARGES_DESCR.format(n_samples=n_samples, n_atoms=n_atoms, **numbers),
    )


def _check_numbers(parameters, kind):
    """Refuse what is not a positive finite number of this kind."""
    for name, value in parameters.items():
        if isinstance(value, bool):
            raise TypeError(f"{name} must be a number, got {value}")
        check_scalar(value, name, kind, min_val=0, include_boundaries="neither")
        if not np.isfinite(as_float(value)):
            raise ValueError(f"{name} must be finite, got {value!r:.60}")


def _charged_cell(n_atoms, exponent, density, min_distance, rng):
    mean_length = (n_atoms / density) ** (1.0 / 3.0)
    length = mean_length * rng.uniform(1.0 - _LENGTH_SPREAD, 1.0 + _LENGTH_SPREAD)
    positions = _random_positions(n_atoms, length, min_distance, rng)
    if positions is None:
        raise ValueError(
            f"{n_atoms} atoms do not fit at random into a cubic cell of {length:.3g} angstrom "
            f"with {min_distance:g} angstrom between them: lower min_distance (now "
            f"{min_distance:g}) or density (now {density:g})"
        )
    half = n_atoms // 2
    charges = np.repeat([1.0, -1.0], half)
    atoms = Atoms(f"Na{half}Cl{half}", positions, cell=[length] * 3, pbc=True, charges=charges)
    energy, forces = power_law_energy_and_forces(positions, atoms.cell[:], charges, exponent)
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    return atoms


def _random_positions(n_atoms, length, min_distance, rng):
    """Place atoms one by one at the first free of some random places; None if they do not fit."""
    filling = n_atoms * np.pi / 6.0 * (min_distance / length) ** 3
    if length < min_distance or filling > _CLOSE_PACKING:
        return None
    for _ in range(_RESTARTS):
        placed = np.empty((0, 3))
        while len(placed) < n_atoms:
            candidates = rng.uniform(0.0, length, (_CANDIDATES, 3))
            vectors = candidates[:, None] - placed
            vectors -= length * np.round(vectors / length)
            free = (np.linalg.norm(vectors, axis=2) >= min_distance).all(axis=1)
            if not free.any():
                break
            placed = np.vstack([placed, candidates[free.argmax()]])
        else:
            return placed
    return None


@overload
def fetch_charge_dimers(
    *,
    data_home: str | PathLike[str] | None = ...,
    download_if_missing: bool = ...,
    return_X_y: Literal[False] = False,
) -> Bunch: ...


@overload
def fetch_charge_dimers(
    *,
    data_home: str | PathLike[str] | None = ...,
    download_if_missing: bool = ...,
    return_X_y: Literal[True],
) -> tuple[list[Atoms], NDArray]: ...


def fetch_charge_dimers(
    *,
    data_home: str | PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Bunch | tuple[list[Atoms], NDArray]:
    """Fetch the binding curves of ten pairs of a molecular cation and anion (regression).

    The file (0.3 MB) is downloaded once, with a progress bar, and kept in ``data_home``. Its
    SHA-256 is checked at every call.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of the file, see `get_data_home`. It may be read-only if it holds the file, as
        ``charge_charge_dimers.xyz`` or, copied by hand, ``charge-charge.xyz``.
    download_if_missing : bool, default=True
        Whether the file may be downloaded.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        - data : list of 130 `ase.Atoms`, periodic in a cube of 30 angstrom, with energy and
          forces, the molecule (0 or 1) of each atom in ``arrays["fragment"]``, and in ``info``
          the keys of the file, ``dimer`` and ``interaction_energy``.
        - target : ndarray of shape (130,), total energies in eV.
        - forces : list of ndarray of shape (n_atoms, 3), in eV/angstrom.
        - interaction_energy : ndarray of shape (130,), total energy less those of the two
          molecules, in eV.
        - distance : ndarray of shape (130,), between the centres of mass in angstrom.
        - groups : ndarray of shape (130,), str, the pair of molecules, the same for its 13 rows.
        - DESCR : str, description, licence and sources.

    Raises
    ------
    OSError
        If the file is absent and may not or cannot be downloaded, or is damaged.

    References
    ----------
    A. Grisafi, J. Nigam, M. Ceriotti, Chem. Sci. 12, 2078 (2021);
    https://github.com/lab-cosmo/atomistic-cookbook, examples/lode-linear.

    Examples
    --------
    >>> from sklode.datasets import fetch_charge_dimers
    >>> dimers = fetch_charge_dimers()  # doctest: +SKIP
    >>> len(dimers.data), len(set(dimers.groups))  # doctest: +SKIP
    (130, 10)
    """
    path = fetch_file(
        _CHARGE_DIMERS_URL,
        _CHARGE_DIMERS_SHA256,
        get_data_home(data_home),
        _CHARGE_DIMERS_FILES,
        download_if_missing=download_if_missing,
    )
    data = read(path, index=":")
    for atoms in data:
        atoms.arrays["fragment"] = molecule_numbers(atoms)
        energies = atoms.get_potential_energy(), atoms.info["energyA"], atoms.info["energyB"]
        atoms.info["interaction_energy"] = float(energies[0] - energies[1] - energies[2])
    for atoms, name in zip(data, curve_names(data), strict=True):
        atoms.info["dimer"] = name
    target = np.array([atoms.get_potential_energy() for atoms in data])
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        forces=[atoms.get_forces() for atoms in data],
        interaction_energy=np.array([atoms.info["interaction_energy"] for atoms in data]),
        distance=np.array([atoms.info["distance"] for atoms in data]),
        groups=np.array([atoms.info["dimer"] for atoms in data]),
        DESCR=_CHARGE_DIMERS_DESCR,
    )
