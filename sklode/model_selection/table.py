"""The table of a search, in the layout of GridSearchCV."""

from collections.abc import Sequence
from numbers import Number

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
        with np.errstate(invalid="ignore"):  # infinite errors have no spread
            table[f"std_test_{name}"] = values.std(axis=1)
        table[f"rank_test_{name}"] = rankdata(_known(-mean), method="min").astype(np.int32)
    return table


def _parameter_column(grid, name):
    """Values of a parameter; masked for the candidates that do not set it."""
    values = {i: parameters[name] for i, parameters in enumerate(grid) if name in parameters}
    numbers = all(isinstance(value, bool | np.bool_ | Number) for value in values.values())
    dtype = np.array(list(values.values())).dtype if numbers else object
    column = np.ma.MaskedArray(np.empty(len(grid), dtype=dtype), mask=True)
    for i, value in values.items():
        column[i] = value
    return column


def _known(values):
    """Values to rank, with those that are NaN behind all others."""
    return np.where(np.isnan(values), np.inf, values)
