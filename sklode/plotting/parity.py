"""Predicted against reference energies or force components."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from ..inputs.atoms import describe, read_container
from ..inputs.targets import read_targets
from .data import energies_of, new_axes, numbers, same_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..regression import AtomisticRidgeCV

Quantity = Literal["energy", "energy_per_atom", "forces"]
_NAMES = {
    "energy": ("energy", "eV"),
    "energy_per_atom": ("energy per atom", "eV"),
    "forces": ("force component", "eV/Å"),
}
_FEW = 500  # points up to which they are drawn opaque
_DIAGONAL = "diagonal"  # marks the line, which overlaid displays share


class ParityDisplay:
    """Predictions against references: on the diagonal where they agree.

    Create it with ``from_estimator`` or ``from_predictions``. Displays on the same axes lay models
    or parts of the data over each other; the legend has the errors of each.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_points,)
        References and predictions: energies (eV), or all components of all forces (eV/angstrom).
    quantity : {"energy", "energy_per_atom", "forces"}, default="energy"
        What they are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the points are, after ``plot``.
    figure_ : matplotlib Figure
    points_ : matplotlib PathCollection

    See Also
    --------
    sklearn.metrics.PredictionErrorDisplay : The same for any regressor, residuals too.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklode.datasets import load_s22x5
    >>> from sklode.plotting import ParityDisplay
    >>> y = load_s22x5().target
    >>> display = ParityDisplay.from_predictions(y, 0.9 * y, name="too small")
    >>> display.ax_.get_legend().get_texts()[0].get_text()
    'too small: RMSE 0.0306, MAE 0.0202 eV'
    """

    def __init__(self, *, y_true: ArrayLike, y_pred: ArrayLike, quantity: Quantity = "energy"):
        self.y_true = y_true
        self.y_pred = y_pred
        self.quantity = quantity

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        name: str | None = None,
        scatter_kwargs: Mapping[str, Any] | None = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the points and the diagonal.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        name : str, default=None
            Name of the predictions, which goes before their errors in the legend.
        scatter_kwargs, line_kwargs : dict, default=None
            Passed to matplotlib's ``scatter``, and to ``axline`` for the diagonal.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For an unknown quantity, and for what are not finite numbers.
        """
        if self.quantity not in _NAMES:
            raise ValueError(f"quantity must be one of {[*_NAMES]}; got {self.quantity!r}.")
        y_true, y_pred = numbers(self.y_true, "y_true"), numbers(self.y_pred, "y_pred")
        self.ax_ = ax = new_axes(ax)
        self.figure_ = ax.figure
        what, unit = _NAMES[self.quantity]
        style = {"s": 14, "linewidths": 0, "alpha": 0.9 if len(y_true) <= _FEW else 0.3}
        label = (f"{name}: " if name else "") + _errors(y_pred - y_true, unit)
        options = {
            **style,
            "label": label,
            "rasterized": True,
            "zorder": 2,
            **(scatter_kwargs or {}),
        }
        self.points_ = ax.scatter(y_true, y_pred, **options)
        self._draw_diagonal(line_kwargs)
        ax.set(xlabel=f"reference {what} ({unit})", ylabel=f"predicted {what} ({unit})")
        ax.legend(loc="upper left", handletextpad=0.2)
        return self

    def _draw_diagonal(self, line_kwargs):
        """One line for all displays of these axes, and the same limits for both directions."""
        ax = self.ax_
        corner = [limit(ax.dataLim.get_points()) for limit in (np.min, np.max)]
        if not any(line.get_gid() == _DIAGONAL for line in ax.lines):
            style = {"color": "0.5", "lw": 0.8, "zorder": 1, "gid": _DIAGONAL}
            ax.axline((corner[0], corner[0]), slope=1.0, **{**style, **(line_kwargs or {})})
        margin = 0.05 * (corner[1] - corner[0]) or 1.0
        limits = corner[0] - margin, corner[1] + margin
        ax.set(xlim=limits, ylim=limits, aspect="equal")
        ax.locator_params(nbins=5)

    @classmethod
    def from_estimator(
        cls,
        estimator: "AtomisticRidgeCV",
        X: Sequence[Atoms],
        y: ArrayLike | None = None,
        *,
        quantity: Quantity = "energy",
        ax: "Axes | None" = None,
        name: str | None = None,
        scatter_kwargs: Mapping[str, Any] | None = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Predict with a fitted estimator, and draw.

        Parameters
        ----------
        estimator : estimator
            Fitted regressor or pipeline that takes structures; one with ``predict_forces`` for
            forces.
        X : sequence of ase.Atoms
            Structures.
        y : array-like of shape (n_structures,) or sequence of shape (n_atoms, 3), default=None
            Reference energies of the structures (eV), or their forces (eV/angstrom); None takes
            those of the calculators.
        quantity : {"energy", "energy_per_atom", "forces"}, default="energy"
            What is drawn. With "energy_per_atom" energies of structures are divided by the numbers
            of atoms, ``y`` too.
        ax, name, scatter_kwargs, line_kwargs
            As in ``plot``.

        Returns
        -------
        ParityDisplay

        Raises
        ------
        ValueError
            For an unknown quantity, and for a structure without a reference; the message names it.
        """
        options: dict[str, Any] = {"scatter_kwargs": scatter_kwargs, "line_kwargs": line_kwargs}
        options |= {"quantity": quantity, "ax": ax, "name": name}
        if quantity == "forces":
            forces = _reference_forces(read_container(X), y)
            return cls.from_predictions(forces, estimator.predict_forces(X), **options)
        y_true, y_pred = energies_of(X, y), estimator.predict(X)
        if quantity == "energy_per_atom":
            sizes = np.array([len(atoms) for atoms in read_container(X)])
            same_length(X=sizes, y=y_true)
            y_true, y_pred = numbers(y_true, "y") / sizes, np.asarray(y_pred) / sizes
        return cls.from_predictions(y_true, y_pred, **options)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        quantity: Quantity = "energy",
        ax: "Axes | None" = None,
        name: str | None = None,
        scatter_kwargs: Mapping[str, Any] | None = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw predictions made elsewhere.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_structures,) or sequence of shape (n_atoms, 3)
            References and predictions: energies (eV), or for each structure the forces on its
            atoms (eV/angstrom).
        quantity : {"energy", "energy_per_atom", "forces"}, default="energy"
            What they are; nothing is divided here.
        ax, name, scatter_kwargs, line_kwargs
            As in ``plot``.

        Returns
        -------
        ParityDisplay

        Raises
        ------
        ValueError
            For an unknown quantity, different lengths or shapes, and for what are not finite
            numbers.
        """
        same_length(y_true=y_true, y_pred=y_pred)
        if quantity == "forces":
            y_true, y_pred = _components(y_true, y_pred)
        display = cls(y_true=y_true, y_pred=y_pred, quantity=quantity)
        return display.plot(ax, name=name, scatter_kwargs=scatter_kwargs, line_kwargs=line_kwargs)


def _errors(errors, unit):
    rmse, mae = np.sqrt(np.mean(errors**2)), np.mean(np.abs(errors))
    return f"RMSE {rmse:.3g}, MAE {mae:.3g} {unit}"


def _reference_forces(structures, y):
    forces = read_targets(structures, None, forces=y).forces
    for index, atoms in enumerate(structures):
        if forces[index] is None:
            raise ValueError(
                f"{describe(index, atoms)}: has no calculator with forces. Pass y, or leave it out."
            )
    return forces


def _components(y_true, y_pred):
    """All components of the forces of all structures."""
    for index, (true, predicted) in enumerate(zip(y_true, y_pred, strict=True)):
        if np.shape(true) != np.shape(predicted):
            raise ValueError(
                f"Forces must have equal shapes; y_true[{index}] has {np.shape(true)}, "
                f"y_pred[{index}] has {np.shape(predicted)}."
            )
    return (np.concatenate([np.ravel(f) for f in forces]) for forces in (y_true, y_pred))
