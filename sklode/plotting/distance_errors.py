"""Errors against distance."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from .data import Predictor, binned_rms, energies_of, from_info, new_axes, numbers, same_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class DistanceErrorDisplay:
    """Sizes of errors against distance: every error as a point, their root mean square as a line.

    It shows how far a model can be trusted that was trained on near structures. Create it with
    ``from_estimator`` or ``from_predictions``. Displays on the same axes lay models over each
    other.

    Parameters
    ----------
    distance : array-like of shape (n_structures,)
        Distance of each structure, in angstrom or any other unit.
    y_true, y_pred : array-like of shape (n_structures,)
        Reference and predicted energies, in eV.
    n_bins : int, default=8
        Largest number of points of the line. Distances are grouped into bins of about equally many
        structures; where there are fewer different ones, each is a bin.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the errors are, after ``plot``.
    figure_ : matplotlib Figure
    points_ : matplotlib PathCollection
    line_ : matplotlib Line2D
        Mean distance and root mean square error of each bin.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklode.datasets import load_s22x5
    >>> from sklode.plotting import DistanceErrorDisplay
    >>> data = load_s22x5()
    >>> display = DistanceErrorDisplay.from_predictions(
    ...     data.target, 0.9 * data.target, distance=data.distance)
    >>> display.line_.get_xydata().round(3)
    array([[0.9  , 0.036],
           [1.   , 0.042],
           [1.2  , 0.034],
           [1.5  , 0.02 ],
           [2.   , 0.008]])
    """

    def __init__(
        self, *, distance: ArrayLike, y_true: ArrayLike, y_pred: ArrayLike, n_bins: int = 8
    ):
        self.distance = distance
        self.y_true = y_true
        self.y_pred = y_pred
        self.n_bins = n_bins

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        name: str | None = None,
        scatter_kwargs: Mapping[str, Any] | None = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the errors.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        name : str, default=None
            Name of the predictions in the legend.
        scatter_kwargs, line_kwargs : dict, default=None
            Passed to matplotlib's ``scatter`` and ``plot``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For what are not finite numbers.
        """
        distance, y_true, y_pred = (
            numbers(getattr(self, key), key) for key in ("distance", "y_true", "y_pred")
        )
        errors = np.abs(y_pred - y_true)
        self.ax_ = ax = new_axes(ax)
        self.figure_ = ax.figure
        places, sizes = binned_rms(distance, errors, self.n_bins)
        style = {"marker": "o", "ms": 5, "lw": 1.5, "zorder": 3, "label": name}
        (self.line_,) = ax.plot(places, sizes, **{**style, **(line_kwargs or {})})
        style = {"color": self.line_.get_color(), "s": 10, "alpha": 0.35, "linewidths": 0}
        self.points_ = ax.scatter(distance, errors, **{**style, **(scatter_kwargs or {})})
        ax.set(yscale="log", xlabel="distance", ylabel="error of the energy (eV)")
        if name is not None:
            ax.legend()
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Predictor,
        X: Sequence[Atoms],
        y: ArrayLike | None = None,
        *,
        distance: str | ArrayLike,
        n_bins: int = 8,
        ax: "Axes | None" = None,
        name: str | None = None,
        scatter_kwargs: Mapping[str, Any] | None = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Predict with a fitted estimator, and draw.

        Parameters
        ----------
        estimator : estimator
            Fitted regressor or pipeline that takes structures.
        X : sequence of ase.Atoms
            Structures.
        y : array-like of shape (n_structures,), default=None
            Reference energies (eV); None takes those of the calculators.
        distance : str or array-like of shape (n_structures,)
            Distances, or the key of ``atoms.info`` that holds them.
        n_bins : int, default=8
            Largest number of points of the line.
        ax, name, scatter_kwargs, line_kwargs
            As in ``plot``.

        Returns
        -------
        DistanceErrorDisplay

        Raises
        ------
        ValueError
            For a structure without an energy or a distance; the message names it.
        """
        y_true, distance = energies_of(X, y), from_info(X, distance)
        return cls.from_predictions(
            y_true,
            estimator.predict(X),
            distance=distance,
            n_bins=n_bins,
            ax=ax,
            name=name,
            scatter_kwargs=scatter_kwargs,
            line_kwargs=line_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        distance: ArrayLike,
        n_bins: int = 8,
        ax: "Axes | None" = None,
        name: str | None = None,
        scatter_kwargs: Mapping[str, Any] | None = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw predictions made elsewhere.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_structures,)
            Reference and predicted energies, in eV.
        distance : array-like of shape (n_structures,)
            Distances.
        n_bins : int, default=8
            Largest number of points of the line.
        ax, name, scatter_kwargs, line_kwargs
            As in ``plot``.

        Returns
        -------
        DistanceErrorDisplay

        Raises
        ------
        ValueError
            For different lengths, and for what are not finite numbers.
        """
        same_length(y_true=y_true, y_pred=y_pred, distance=distance)
        display = cls(distance=distance, y_true=y_true, y_pred=y_pred, n_bins=n_bins)
        return display.plot(ax, name=name, scatter_kwargs=scatter_kwargs, line_kwargs=line_kwargs)
