"""How candidates are judged: by one scorer or by several, and which of them chooses."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring

from ..base import reads_predictions

_ONE = "score"  # name of a single scorer


class Judge:
    """Scores of estimators by name, whatever the scoring is.

    Parameters
    ----------
    estimator : estimator
        Whose own score is taken if `scoring` is None.
    scoring : str, callable, list, tuple, dict or None
        As in GridSearchCV.

    Attributes
    ----------
    scorer : callable
        As GridSearchCV calls it: gives a number, or a dict if there are several.
    reads_predictions : bool
        Whether predictions of all structures are enough, without a fitted estimator.
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        scoring: str | Callable | Sequence | Mapping | None,
    ):
        self.scorer = check_scoring(estimator, scoring=scoring)
        self.reads_predictions = reads_predictions(scoring)

    def __call__(self, *args: object, **kwargs: object) -> dict[str, float]:
        """The scores; a single one has the name "score"."""
        values = self.scorer(*args, **kwargs)
        return dict(values) if isinstance(values, Mapping) else {_ONE: values}


def deciding_score(refit: bool | str | Callable, names: Iterable[str]) -> str | None:
    """Name of the score that chooses; None if it is left to the user.

    Raises
    ------
    ValueError
        If there are several scores and `refit` names none of them.
    """
    names = sorted(names)
    if names == [_ONE]:
        return _ONE
    if callable(refit) or not refit:
        return None
    if not isinstance(refit, str):
        raise ValueError(
            "With several scorers, refit must name the one that chooses, or be False; known "
            f"are {names}."
        )
    if refit not in names:
        raise ValueError(f"refit names no scorer: {refit!r}; known are {names}.")
    return refit


def called_refit(refit: Callable, table: Mapping, n_candidates: int) -> int:
    """Index of the candidate that a callable chooses from the table of results.

    Raises
    ------
    ValueError
        If it gives something else.
    """
    index = refit(table)
    try:
        return range(n_candidates)[index]
    except (TypeError, IndexError):
        raise ValueError(
            f"refit must give the index of one of {n_candidates} candidates; it gave {index!r}."
        ) from None
