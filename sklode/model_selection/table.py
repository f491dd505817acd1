"""The table of a search, in the layout of GridSearchCV."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from .candidates import Score


def results_table(grid: Sequence[dict], scores: Sequence[Sequence[Score]]) -> dict:
    """Columns of ``cv_results_``.

    Parameters
    ----------
    grid : sequence of dict
        Parameters of each candidate.
    scores : sequence of sequence of Score
        For each candidate, for each split.
    """
    table: dict[str, object] = {}
    for kind in ("fit_time", "score_time"):
        seconds = np.array([[getattr(s, kind) for s in row] for row in scores])
        table[f"mean_{kind}"] = seconds.mean(axis=1)
        table[f"std_{kind}"] = seconds.std(axis=1)
    for name in sorted({name for parameters in grid for name in parameters}):
        table[f"param_{name}"] = _parameter_column(grid, name)
    table["params"] = list(grid)
    for name in scores[0][0].values:
        values = np.array([[s.values[name] for s in row] for row in scores])
        table |= {f"split{i}_test_{name}": column for i, column in enumerate(values.T)}
        table[f"mean_test_{name}"] = mean = values.mean(axis=1)
        table[f"std_test_{name}"] = values.std(axis=1)
        table[f"rank_test_{name}"] = rankdata(-mean, method="min").astype(np.int32)
    return table


def _parameter_column(grid, name):
    """Values of a parameter; masked for the candidates that do not set it."""
    column = np.ma.MaskedArray(np.empty(len(grid), dtype=object), mask=True)
    for i, parameters in enumerate(grid):
        if name in parameters:
            column[i] = parameters[name]
    values = column.compressed().tolist()
    if len(values) == len(grid) and all(type(v) in (int, float) for v in values):
        return np.ma.MaskedArray(np.array(values), mask=False)
    return column
