"""Energies against separation."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from ..inputs.atoms import real_array
from .data import Predictor, from_info, new_axes, same_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class BindingCurveDisplay:
    """Energies against separation: reference as points, predictions as lines.

    Create it with ``from_estimator`` or ``from_predictions``. For learning curves use
    scikit-learn's LearningCurveDisplay.

    Parameters
    ----------
    distance : array-like of shape (n_structures,)
        Separation of each structure.
    y_true : array-like of shape (n_structures,)
        Reference energies.
    y_pred : array-like of shape (n_structures,)
        Predicted energies.
    groups : array-like of shape (n_structures,), default=None
        Which curve each structure belongs to; None is one curve.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the curves are, after ``plot``.
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        Predictions, one line a group.
    points_ : list of matplotlib PathCollection
        References, one set a group.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklode.datasets import load_s22x5
    >>> from sklode.plotting import BindingCurveDisplay
    >>> water = [i for i, name in enumerate(load_s22x5().groups) if name == "Water_dimer"]
    >>> data = load_s22x5()
    >>> display = BindingCurveDisplay.from_predictions(
    ...     data.target[water], 0.9 * data.target[water], distance=data.distance[water])
    >>> len(display.lines_)
    1
    """

    def __init__(
        self,
        *,
        distance: ArrayLike,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        groups: ArrayLike | None = None,
    ):
        self.distance = distance
        self.y_true = y_true
        self.y_pred = y_pred
        self.groups = groups

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        name: str | None = None,
        scatter_kwargs: Mapping[str, Any] | None = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        name : str, default=None
            Name of the predictions in the legend; with None each group is named.
        scatter_kwargs, line_kwargs : dict, default=None
            Passed to matplotlib's ``scatter`` and ``plot``. ``scatter_kwargs={"s": 0}`` hides the
            reference, to lay the predictions of several models over each other.

        Returns
        -------
        self
        """
        ax = new_axes(ax)
        distance, y_true, y_pred = (
            real_array(getattr(self, name), name) for name in ("distance", "y_true", "y_pred")
        )
        groups = np.zeros(len(distance)) if self.groups is None else np.asarray(self.groups)
        self.ax_, self.figure_ = ax, ax.figure
        self.lines_, self.points_ = [], []
        for number, group in enumerate(dict.fromkeys(groups.tolist())):
            members = np.flatnonzero(groups == group)
            members = members[np.argsort(distance[members], kind="stable")]
            label = name if name is not None else (None if self.groups is None else str(group))
            if name is not None and number:
                label = None  # one entry for all curves of a model
            (line,) = ax.plot(
                distance[members], y_pred[members], **{"label": label, **(line_kwargs or {})}
            )
            points = {"color": line.get_color(), "s": 18, "zorder": 3, **(scatter_kwargs or {})}
            self.points_.append(ax.scatter(distance[members], y_true[members], **points))
            self.lines_.append(line)
        ax.set_xlabel("separation")
        ax.set_ylabel("energy")
        if any(not str(line.get_label()).startswith("_") for line in self.lines_):
            ax.legend()
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Predictor,
        X: Sequence[Atoms],
        y: ArrayLike,
        *,
        distance: str | ArrayLike,
        groups: str | ArrayLike | None = None,
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
        y : array-like of shape (n_structures,)
            Reference energies.
        distance : str or array-like of shape (n_structures,)
            Separations, or the key of ``atoms.info`` that holds them.
        groups : str or array-like of shape (n_structures,), default=None
            Which curve each structure belongs to, or the key of ``atoms.info``.
        ax, name, scatter_kwargs, line_kwargs
            As in ``plot``.

        Returns
        -------
        BindingCurveDisplay
        """
        distance = from_info(X, distance)
        groups = None if groups is None else from_info(X, groups)
        return cls.from_predictions(
            y,
            estimator.predict(X),
            distance=distance,
            groups=groups,
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
        groups: ArrayLike | None = None,
        ax: "Axes | None" = None,
        name: str | None = None,
        scatter_kwargs: Mapping[str, Any] | None = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw predictions made elsewhere.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_structures,)
            Reference and predicted energies.
        distance : array-like of shape (n_structures,)
            Separations.
        groups : array-like of shape (n_structures,), default=None
            Which curve each structure belongs to.
        ax, name, scatter_kwargs, line_kwargs
            As in ``plot``.

        Returns
        -------
        BindingCurveDisplay
        """
        same_length(y_true=y_true, y_pred=y_pred, distance=distance, groups=groups)
        display = cls(distance=distance, y_true=y_true, y_pred=y_pred, groups=groups)
        return display.plot(ax, name=name, scatter_kwargs=scatter_kwargs, line_kwargs=line_kwargs)
