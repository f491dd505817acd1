"""Transformers that are fitted to what a source holds, without holding it."""

from collections.abc import Iterable

import numpy as np
from ase import Atoms
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils.validation import check_is_fitted

from ..base import StructureTransformer
from ..inputs.atoms import read_structures
from ..projection.chain_rule import branches
from .sources import Source


def is_fitted(transformer: BaseEstimator) -> bool:
    """Whether a transformer is fitted."""
    try:
        check_is_fitted(transformer)
    except NotFittedError:
        return False
    return True


def learns_elements_only(transformer: object) -> bool:
    """Whether ``fit`` looks at nothing but the elements of the structures."""
    if isinstance(transformer, FeatureUnion):
        return all(learns_elements_only(branch) for branch, _ in branches(transformer))
    if isinstance(transformer, Pipeline):
        steps = [s for _, s in transformer.steps if s is not None and not isinstance(s, str)]
        return len(steps) == 1 and learns_elements_only(steps[0])
    if not isinstance(transformer, StructureTransformer):
        return False
    inside = [v for v in transformer.get_params(deep=False).values() if hasattr(v, "fit")]
    return all(learns_elements_only(part) for part in inside)


def cover(structures: Iterable[Atoms]) -> list[Atoms]:
    """A few of the structures, which have all of the elements.

    Structures that cannot be described are not among them.
    """
    kept: list[Atoms] = []
    known: set[int] = set()
    for atoms in structures:
        if not set(np.unique(atoms.numbers).tolist()) <= known:
            try:
                read_structures([atoms])
            except ValueError:
                continue
            kept.append(atoms)
            known |= set(atoms.numbers.tolist())
    return kept


def readable(source: Source) -> Iterable[Atoms]:
    """Structures of a source, without those that cannot be read."""
    for record in source.records():
        try:
            yield record.read()
        except ValueError:
            continue


def fitted_to(transformer: BaseEstimator, source: Source) -> BaseEstimator:
    """Fit a clone of a transformer to the elements of a source, in one pass; a fitted one stays.

    Raises
    ------
    ValueError
        If the transformer learns more than elements, the source can be read only once, or holds
        nothing; the message says what to do.
    """
    if is_fitted(transformer):
        return transformer
    name = type(transformer).__name__
    if not learns_elements_only(transformer):
        raise ValueError(
            f"{name} is not fitted, and learns more than the elements, so that it would need all "
            "structures in memory. Fit it to a sample that has all elements: "
            "transformer.fit(sample)."
        )
    if not source.can_repeat:
        raise ValueError(
            f"{name} is not fitted, and an iterator can be read only once. Fit it to a sample that "
            "has all elements, or pass a file, a list, or a function that returns a new iterator."
        )
    sample = cover(readable(source))
    if not sample:
        raise ValueError(f"The source holds no structure that can be described. {_why(source)}")
    return clone(transformer).fit(sample)


def _why(source):
    """What is wrong with the first structure."""
    record = next(source.records(), None)
    if record is None:
        return "It is empty."
    try:
        read_structures([record.read()])
    except ValueError as error:
        return f"The first one: {error}"
    return "It has others now."
