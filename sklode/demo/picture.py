"""Binding curves of the reference and of all models."""

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..plotting import BindingCurveDisplay

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 12  # panels
_COLUMNS = 4
_WIDTH = 26  # letters that fit above a panel
_MARGIN = 1.05  # times the local error: from here on a panel is marked as worse
_STYLES = (
    {"color": "tab:orange", "ls": "--"},
    {"color": "tab:blue"},
    {"color": "tab:green", "ls": "-."},
)


def draw(predictions: pd.DataFrame) -> "Figure":
    """Binding curves of the reference and of all models, a panel a group, one scale a row.

    The groups are sorted by the depth of their curves, so that those of a row can share a scale. A
    cross marks those whose far error is larger with long-range features than without.
    """
    from matplotlib.figure import Figure

    groups = _chosen(predictions)
    n_rows = -(-len(groups) // _COLUMNS)
    figure = Figure(figsize=(13, 3.1 * n_rows + 0.8), layout="constrained")
    panels = figure.subplots(n_rows, min(_COLUMNS, len(groups)), squeeze=False, sharey="row")
    for ax in panels.ravel()[len(groups) :]:
        ax.remove()
    models = [c for c in predictions if c.startswith("far: ") and "," not in c]
    for ax, group in zip(panels.ravel(), groups, strict=False):
        _draw_panel(ax, predictions[predictions["group"] == group], models)
        ax.set_title(_title(group), fontsize=8, parse_math=False)
        ax.label_outer(remove_inner_ticks=False)
    for ax in panels[:, 0]:
        ax.set_ylabel("energy / eV")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=len(models),
        frameon=False,
        title="points: reference; grey: separations not trained on; one scale a row;\n"
        "red cross: worse there with long-range features than without",
    )
    return figure


def _chosen(predictions):
    """Some groups, from the deepest curve to the shallowest."""
    depth = predictions.groupby("group", sort=False)["reference"].agg(np.ptp)
    groups = depth.sort_values(ascending=False, kind="stable").index
    return groups[np.linspace(0, len(groups) - 1, min(_MOST, len(groups))).astype(int)]


def _draw_panel(ax, rows, models):
    for model, style in zip(models, _STYLES, strict=False):
        BindingCurveDisplay.from_predictions(
            rows["reference"],
            rows[model],
            distance=rows["distance"],
            ax=ax,
            name=model.removeprefix("far: "),
            line_kwargs=style,
            scatter_kwargs={"color": "black", "s": 16 if model == models[0] else 0},
        )
    ax.get_legend().remove()
    far = rows["part"] == "far"
    if not far.any():
        return
    ax.axvspan(rows["distance"][far].min(), rows["distance"].max(), color="0.92", zorder=0)
    errors = [np.sqrt(np.mean((rows[m] - rows["reference"])[far] ** 2)) for m in models]
    if errors[-1] > _MARGIN * errors[0]:
        ax.text(
            0.97,
            0.04,
            "\N{MULTIPLICATION X}",
            color="tab:red",
            ha="right",
            va="bottom",
            fontsize=14,
            transform=ax.transAxes,
        )


def _title(group):
    """The name in as many lines as it takes, broken where there is nothing to break it at."""
    return fill(str(group).replace("_", " "), _WIDTH, break_long_words=True)
