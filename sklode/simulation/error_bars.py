"""Error bars along a simulation: kept with each frame, and a stop where they get too large."""

import numbers
import weakref
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

if TYPE_CHECKING:
    from ase.optimize.optimize import Dynamics

ERROR_BAR = "energy_std"  # the key in results, in atoms.info and in the extras of i-PI


class ErrorBarExceeded(RuntimeError):
    """The expected error of an energy is larger than a simulation allows.

    Parameters
    ----------
    step : int
        Number of the step, counted as the simulation does.
    error_bar, limit : float
        Expected error of the energy, and what was allowed, in eV.
    atoms : ase.Atoms
        The structure, a copy without calculator; its ``info`` holds the error bar.

    See Also
    --------
    watch_error_bars : Raises it.
    """

    def __init__(self, step: int, error_bar: float, limit: float, atoms: Atoms):
        super().__init__(step, error_bar, limit, atoms)
        self.step = step
        self.error_bar = error_bar
        self.limit = limit
        self.atoms = atoms

    def __str__(self):
        formula = self.atoms.get_chemical_formula()
        return (
            f"step {self.step} ({formula}): the error bar of the energy is {self.error_bar:.6g} eV "
            f"and passes the limit of {self.limit:g} eV. What was written before stays as it is. "
            "Train on structures like this one, which is the attribute `atoms` of this error, or "
            "raise the limit."
        )


def watch_error_bars(dynamics: "Dynamics", limit: float | None = None) -> None:
    """Keep the error bar of each step with the atoms, and stop where it passes a limit.

    The expected error of the energy goes to ``atoms.info["energy_std"]`` before anything else is
    done at a step, so that trajectories have it, whether they were attached earlier or later. The
    limit is checked after what is attached by then, so that the last frame is written, too.

    Parameters
    ----------
    dynamics : ase.optimize.optimize.Dynamics
        Molecular dynamics or a relaxation of ASE, whose atoms have the calculator of a fitted
        `AtomisticRidgeCV`.
    limit : float, default=None
        Largest error bar allowed, in eV for the whole structure; None never stops.

    Raises
    ------
    TypeError, ValueError
        If the dynamics moves another thing than one structure, such as the path of a NEB, if the
        calculator has no error bars, or the limit is not a positive number.
    ErrorBarExceeded
        Later, while the dynamics runs, at the first step beyond the limit.

    Examples
    --------
    >>> from ase import units
    >>> from ase.md.verlet import VelocityVerlet
    >>> from sklode import AtomisticRidgeCV, DensityProjector
    >>> from sklode.datasets import load_s22x5
    >>> from sklode.simulation import watch_error_bars
    >>> dimers = load_s22x5()
    >>> features = DensityProjector(cutoff=4.0, n_max=2, l_max=1)
    >>> atoms = dimers.data[0]
    >>> atoms.calc = AtomisticRidgeCV(features).fit(dimers.data, dimers.target).calculator()
    >>> dynamics = VelocityVerlet(atoms, timestep=0.5 * units.fs)
    >>> watch_error_bars(dynamics, limit=1.0)
    >>> dynamics.run(2)
    True
    >>> bool(0.0 < atoms.info["energy_std"] < 1.0)
    True
    """
    limit = read_limit(limit)
    moved = getattr(dynamics, "atoms", None)
    atoms = getattr(moved, "atoms", moved)  # those inside of a filter
    if not isinstance(atoms, Atoms):
        raise TypeError(
            f"dynamics must move one structure; got {type(dynamics).__name__} of "
            f"{type(atoms).__name__}. Of a path, `model.predict(images, return_std=True)` has the "
            "error bars."
        )
    if ERROR_BAR not in getattr(atoms.calc, "implemented_properties", ()):
        raise TypeError(
            f"The calculator of the atoms is {atoms.calc!r}, which has no error bars. Set "
            "`atoms.calc = model.calculator()`, with a fitted AtomisticRidgeCV."
        )

    def keep():
        atoms.info[ERROR_BAR] = error_bar_of(atoms)

    steps = weakref.ref(dynamics)  # which holds the observer, and closes its files when it goes

    def stop():
        check_error_bar(atoms, steps().nsteps, limit)

    dynamics.insert_observer(keep)
    if limit is not None:
        dynamics.attach(stop)


def read_limit(limit: float | None) -> float | None:
    """The limit of error bars as a float, or None.

    Parameters
    ----------
    limit : float or None
        In eV.

    Returns
    -------
    float or None

    Raises
    ------
    TypeError, ValueError
        If it is neither None nor a positive number.
    """
    if limit is None:
        return None
    if not isinstance(limit, numbers.Real) or isinstance(limit, bool | np.bool_):
        raise TypeError(f"limit must be a number of eV or None; got {limit!r}.")
    if not limit > 0:
        raise ValueError(f"limit must be positive, in eV; got {limit!r}.")
    return float(limit)


def error_bar_of(atoms: Atoms) -> float:
    """The expected error of the energy, computed only where it is not known.

    Parameters
    ----------
    atoms : ase.Atoms
        With the calculator of a fitted model.

    Returns
    -------
    float
        In eV.
    """
    return float(atoms.calc.get_property(ERROR_BAR, atoms))


def check_error_bar(atoms: Atoms, step: int, limit: float) -> None:
    """Stop where the error bar passes the limit.

    Parameters
    ----------
    atoms : ase.Atoms
        With the calculator of a fitted model.
    step : int
        Number of the step.
    limit : float
        In eV.

    Raises
    ------
    ErrorBarExceeded
        If the error bar is larger than the limit.
    ValueError
        If the model does not know its error bars.
    """
    error_bar = error_bar_of(atoms)
    if np.isnan(error_bar):
        raise ValueError(
            "The error bars of this model are NaN, since its fit had no left-out structures to "
            "calibrate them with (`noise_`), so they cannot be compared with a limit. Fit it to "
            "more structures or groups, or set limit=None."
        )
    if error_bar > limit:
        failed = atoms.copy()
        failed.info[ERROR_BAR] = error_bar
        raise ErrorBarExceeded(step, error_bar, limit, failed)
