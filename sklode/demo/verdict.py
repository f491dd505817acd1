"""What the numbers of the demo mean, in words."""

import numpy as np
import pandas as pd

from .candidates import CHARGES, LOCAL, LONG_RANGE
from .experiment import FAR, UNSEEN, Results

_WHERE = {
    FAR: "At separations beyond those trained on",
    UNSEEN: "For groups that were left out of the training",
}
_MILLI = 0.02  # eV; tables whose errors are all below this are in meV
_SAME = 0.01  # relative difference that is called none


def table(errors: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Unit in which the errors show something, and the table in it."""
    milli = errors.to_numpy().max() < _MILLI
    return ("meV", 1e3 * errors) if milli else ("eV", errors)


def verdict(results: Results) -> str:
    """A paragraph: for each experiment whether long-range features help, and who is outside."""
    unit, errors = table(results.errors)
    sentences = [_comparison(title, errors[title], unit) for title in errors]
    sentences.append(_members(results))
    sentences += [*_outside(results), *results.notes]
    return "\n".join(sentences)


def _comparison(title, column, unit):
    naive, local, both, last = column.iloc[0], column[LOCAL], column[LONG_RANGE], column.iloc[-1]
    gain = f"from {local:.4g} to {both:.4g} {unit}"
    if both < (1 - _SAME) * local:
        text = f"long-range features bring the error down {gain}"
    elif both <= (1 + _SAME) * local:
        text = f"long-range features make no difference: {local:.4g} and {both:.4g} {unit}"
    else:
        text = f"long-range features make it worse, {gain}"
        text += ": use local features alone" if last > local else ""
    if CHARGES in column:
        text += f". With charges of the molecules it is {last:.4g} {unit}"
    if min(local, both, last) >= naive:
        text += f". No model is better than the first row, {naive:.4g} {unit}"
    elif last >= naive:
        text += f". The first row is better, {naive:.4g} {unit}"
    return f"{_WHERE[title]}, {text}."


def _members(results):
    cutoffs = sorted({c for c, _ in results.members})
    exponents = sorted({p for _, p in results.members if p is not None})
    powers = ", ".join(f"1/r^{p:g}" for p in exponents) or "none"
    return (
        f"The model is the mean of {len(results.members)} candidates whose errors in validation "
        f"are at most three times the smallest: potentials {powers}; local cutoffs "
        f"{', '.join(f'{c:g}' for c in cutoffs)} angstrom."
    )


def _outside(results):
    """How wrong the structures are that the model does not know."""
    predictions = results.predictions
    found = [c for c in predictions if c.startswith("unseen: ") and c.endswith(", novelty")]
    if not found:
        return
    name = found[-1].removesuffix(", novelty")
    known = predictions[name].notna()
    outside = known & (predictions[found[-1]] > 1)
    if outside.any() and (known & ~outside).any():
        unit, errors = table(predictions[[name]].sub(predictions["reference"], axis=0))
        rmse = [
            np.sqrt((errors.loc[part, name] ** 2).mean()) for part in (outside, known & ~outside)
        ]
        yield (
            f"{outside.sum()} of {known.sum()} unseen structures are unlike what was trained on "
            f"(novelty above 1): their error is {rmse[0]:.4f} {unit}, that of the "
            f"others {rmse[1]:.4f} {unit}."
        )
