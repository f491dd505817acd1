"""Pictures of a validation: parity, error bars, learning curves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from ase import Atoms
from sklearn.model_selection import LearningCurveDisplay

from ..inputs.targets import element_counts, read_targets
from ..validation.errors import ENERGY, ENERGY_PER_ATOM, FORCES, references
from ..validation.predictions import Predictions
from .error_bars import ErrorBarDisplay
from .parity import ParityDisplay

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INCHES = 4.5  # width and height of a panel
_PER_BIN = 5  # errors, of which fewer say nothing about their bars


def draw_validation(structures: Sequence[Atoms], predictions: Predictions, title: str) -> "Figure":
    """Parity of energies and forces, and errors of energies against their bars.

    Energies are drawn without those of the elements, next to which every model looks perfect: the
    least-squares fit of the references to the numbers of atoms is subtracted on both axes, if there
    are more structures than it has parameters.

    Parameters
    ----------
    structures : sequence of ase.Atoms
        Their calculators have the references.
    predictions : Predictions
    title : str

    Returns
    -------
    matplotlib Figure
        Without a panel for what is not known.
    """
    from matplotlib.figure import Figure

    pairs = references(structures, predictions)
    panels = []
    if ENERGY_PER_ATOM in pairs:
        panels.append(lambda ax: _energy_parity(structures, pairs, ax))
    if FORCES in pairs:
        panels.append(lambda ax: _parity(pairs[FORCES], "forces", ax))
    bars = predictions.errors
    if ENERGY in pairs and bars is not None and _say_something(bars, len(pairs[ENERGY][0])):
        n_bins = min(8, len(bars) // _PER_BIN)
        panels.append(
            lambda ax: ErrorBarDisplay.from_predictions(*pairs[ENERGY], bars, n_bins=n_bins, ax=ax)
        )
    figure = Figure(figsize=(_INCHES * max(len(panels), 1), _INCHES), layout="constrained")
    for number, panel in enumerate(panels):
        panel(figure.add_subplot(1, len(panels), number + 1))
    figure.suptitle(title)
    return figure


def draw_learning_curve(curve: pd.DataFrame) -> "Figure":
    """Errors against the number of structures that were fitted, both logarithmic.

    Parameters
    ----------
    curve : pandas.DataFrame
        What ``sklode.validation.experiments.learning_curve`` returns.

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    quantities = [name for name in (ENERGY_PER_ATOM, FORCES) if name in curve]
    size = (_INCHES * max(len(quantities), 1), _INCHES)
    figure = Figure(figsize=size, layout="constrained")
    for number, name in enumerate(quantities):
        errors = curve[name].to_numpy()[:, None]  # (size, repetition)
        display = LearningCurveDisplay(
            train_sizes=curve["n_structures"].to_numpy(),
            train_scores=errors,
            test_scores=errors,
            score_name=f"RMSE, {name}",
        )
        ax = figure.add_subplot(1, len(quantities), number + 1)
        display.plot(ax, score_type="test", std_display_style=None, line_kw={"marker": "o"})
        ax.set(xscale="log", yscale="log", xlabel="structures fitted")
        ax.set_xticks(display.train_sizes, map(str, display.train_sizes))
        ax.xaxis.set_minor_locator(NullLocator())
        if legend := ax.get_legend():
            legend.remove()
    return figure


def _say_something(bars, n_errors):
    """Whether there are enough bars, of all errors, and of a size that can be drawn."""
    whole = len(bars) == n_errors >= 4 * _PER_BIN
    return whole and np.isfinite(bars).all() and (bars > 0).all()


def _energy_parity(structures, pairs, ax):
    energies = read_targets(structures, missing_forces="ignore").energies
    own = [atoms for atoms, energy in zip(structures, energies, strict=True) if energy is not None]
    counts = element_counts(own)[1]
    known = np.linalg.matrix_rank(counts) < len(own)
    of_elements = counts @ np.linalg.lstsq(counts, pairs[ENERGY][0])[0] if known else 0.0
    sizes = counts.sum(axis=1)
    _parity([(side - of_elements) / sizes for side in pairs[ENERGY]], "energy_per_atom", ax)
    if known:
        for label, set_label in (
            (ax.get_xlabel(), ax.set_xlabel),
            (ax.get_ylabel(), ax.set_ylabel),
        ):
            set_label(f"{label}\nbeyond energies of the elements")


def _parity(pair, quantity, ax):
    """Without ``quantity="forces"``'s look at structures: both are flat already."""
    ParityDisplay(y_true=pair[0], y_pred=pair[1], quantity=quantity).plot(ax)
