"""Calibration of error bars."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike
from scipy.special import erf

from .data import binned_rms, energies_of, new_axes, numbers, same_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..regression import AtomisticRidgeCV

Kind = Literal["size", "coverage"]
_REFERENCE = "reference"  # marks the line of perfect error bars, which overlaid displays share


class ErrorBarDisplay:
    """Whether errors are as large as error bars say.

    Create it with ``from_estimator`` or ``from_predictions``. Error bars are meant as standard
    deviations of a normal distribution. Displays on the same axes lay models over each other.

    Parameters
    ----------
    y_true, y_pred, y_std : array-like of shape (n_structures,)
        Reference energies, predictions and error bars, in eV.
    n_bins : int, default=8
        Largest number of points of the line of ``kind="size"``: error bars are grouped into bins of
        about equally many.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the picture is, after ``plot``.
    figure_ : matplotlib Figure
    points_ : matplotlib PathCollection or None
        Sizes of the errors, of ``kind="size"``.
    line_ : matplotlib Line2D

    See Also
    --------
    AtomisticRidgeCV.predict : Makes error bars, with ``return_std``.
    sklearn.calibration.CalibrationDisplay : Calibration of classifiers.

    Examples
    --------
    >>> import matplotlib
    >>> import numpy as np
    >>> matplotlib.use("Agg")
    >>> from sklode.plotting import ErrorBarDisplay
    >>> rng = np.random.default_rng(0)
    >>> bars = rng.uniform(0.01, 0.1, size=200)
    >>> display = ErrorBarDisplay.from_predictions(np.zeros(200), rng.normal(scale=bars), bars)
    >>> display.ax_.get_legend().get_texts()[0].get_text()
    'RMS of error / bar: 1.03'
    """

    def __init__(self, *, y_true: ArrayLike, y_pred: ArrayLike, y_std: ArrayLike, n_bins: int = 8):
        self.y_true = y_true
        self.y_pred = y_pred
        self.y_std = y_std
        self.n_bins = n_bins

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        kind: Kind = "size",
        name: str | None = None,
        scatter_kwargs: Mapping[str, Any] | None = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw errors, or how many of them their bars cover.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        kind : {"size", "coverage"}, default="size"
            "size": each error against its bar, and their root mean square in bins, which lies on
            the diagonal where bars are right. "coverage": the share of errors inside the interval
            that should hold a given share; below the diagonal bars are too short.
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
            For an unknown kind, for what are not finite numbers, and for error bars that are not
            positive.
        """
        if kind not in ("size", "coverage"):
            raise ValueError(f"kind must be 'size' or 'coverage'; got {kind!r}.")
        errors, bars = self._errors_and_bars()
        self.ax_ = new_axes(ax)
        self.figure_ = self.ax_.figure
        ratio = np.sqrt(np.mean((errors / bars) ** 2))
        label = (f"{name}: " if name else "") + f"RMS of error / bar: {ratio:.2f}"
        options = {"label": label, "lw": 1.5, "zorder": 3, **(line_kwargs or {})}
        if kind == "size":
            self._plot_sizes(errors, bars, options, scatter_kwargs or {})
        else:
            self._plot_coverage(errors, bars, options)
        self.ax_.legend(loc="lower right")
        return self

    def _errors_and_bars(self):
        y_true, y_pred, bars = (
            numbers(getattr(self, key), key) for key in ("y_true", "y_pred", "y_std")
        )
        wrong = np.flatnonzero(bars <= 0)
        if len(wrong):
            raise ValueError(
                f"Error bars must be positive; got y_std[{wrong[0]}] = {bars[wrong[0]]}."
            )
        return np.abs(y_pred - y_true), bars

    def _plot_sizes(self, errors, bars, options, scatter_kwargs):
        ax = self.ax_
        places, sizes = binned_rms(bars, errors, self.n_bins)
        (self.line_,) = ax.plot(places, sizes, **{"marker": "o", "ms": 5, **options})
        style = {"color": self.line_.get_color(), "s": 10, "alpha": 0.35, "linewidths": 0}
        self.points_ = ax.scatter(bars, errors, **{**style, **scatter_kwargs})
        self._plot_reference(np.exp(np.mean(np.log(bars))))
        ax.set(xscale="log", yscale="log", xlabel="error bar (eV)", ylabel="error (eV)")
        self._shorten_labels()

    def _shorten_labels(self):
        """Numbers such as 0.3, since 3 x 10^-1 runs into its neighbours."""
        from matplotlib.ticker import LogFormatter

        class Short(LogFormatter):
            def __call__(self, x, pos=None):
                return f"{x:g}" if super().__call__(x, pos) else ""  # that labels few of many

        for axis in (self.ax_.xaxis, self.ax_.yaxis):
            axis.set_major_formatter(Short())
            axis.set_minor_formatter(Short(minor_thresholds=(1.5, 0.4)))

    def _plot_coverage(self, errors, bars, options):
        ax = self.ax_
        expected = np.sort(erf(errors / bars / np.sqrt(2.0)))  # share that this bar should cover
        observed = np.arange(1, len(expected) + 1) / len(expected)
        points = np.concatenate([[[0.0, 0.0]], np.stack([expected, observed], 1), [[1.0, 1.0]]])
        self.points_ = None
        (self.line_,) = ax.plot(*points.T, **{"drawstyle": "steps-post", **options})
        self._plot_reference(0.5)
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        ax.set(xlabel="expected share inside the bar", ylabel="observed share")

    def _plot_reference(self, place):
        """The diagonal, once for all displays of these axes."""
        if not any(line.get_gid() == _REFERENCE for line in self.ax_.lines):
            style = {"color": "0.5", "lw": 0.8, "zorder": 1, "gid": _REFERENCE}
            self.ax_.axline((place, place), (2 * place, 2 * place), **style)

    @classmethod
    def from_estimator(
        cls,
        estimator: "AtomisticRidgeCV",
        X: Sequence[Atoms],
        y: ArrayLike | None = None,
        *,
        n_bins: int = 8,
        ax: "Axes | None" = None,
        kind: Kind = "size",
        name: str | None = None,
        scatter_kwargs: Mapping[str, Any] | None = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Predict with a fitted estimator, and draw.

        Parameters
        ----------
        estimator : AtomisticRidgeCV
            Fitted, or another one whose ``predict`` takes ``return_std``.
        X : sequence of ase.Atoms
            Structures that it was not fitted to.
        y : array-like of shape (n_structures,), default=None
            Reference energies (eV); None takes those of the calculators.
        n_bins : int, default=8
            Largest number of points of the line.
        ax, kind, name, scatter_kwargs, line_kwargs
            As in ``plot``.

        Returns
        -------
        ErrorBarDisplay

        Raises
        ------
        ValueError
            For a structure without an energy, and for error bars that are not finite.
        """
        y_true = energies_of(X, y)
        return cls.from_predictions(
            y_true,
            *estimator.predict(X, return_std=True),
            n_bins=n_bins,
            ax=ax,
            kind=kind,
            name=name,
            scatter_kwargs=scatter_kwargs,
            line_kwargs=line_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        y_std: ArrayLike,
        *,
        n_bins: int = 8,
        ax: "Axes | None" = None,
        kind: Kind = "size",
        name: str | None = None,
        scatter_kwargs: Mapping[str, Any] | None = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw predictions made elsewhere.

        Parameters
        ----------
        y_true, y_pred, y_std : array-like of shape (n_structures,)
            Reference energies, predictions and error bars, in eV.
        n_bins : int, default=8
            Largest number of points of the line.
        ax, kind, name, scatter_kwargs, line_kwargs
            As in ``plot``.

        Returns
        -------
        ErrorBarDisplay

        Raises
        ------
        ValueError
            For different lengths, for what are not finite numbers, and for error bars that are not
            positive.
        """
        same_length(y_true=y_true, y_pred=y_pred, y_std=y_std)
        display = cls(y_true=y_true, y_pred=y_pred, y_std=y_std, n_bins=n_bins)
        options = {"scatter_kwargs": scatter_kwargs, "line_kwargs": line_kwargs}
        return display.plot(ax, kind=kind, name=name, **options)
