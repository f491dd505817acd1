"""Choosing models of structures: splits of binding curves, and searches that compute features once."""

from .near_to_far import NearToFarSplit
from .structure_search import StructureSearchCV

__all__ = ["NearToFarSplit", "StructureSearchCV"]
