"""Choosing models of structures: splits of binding curves, and a search over features."""

from .near_to_far import NearToFarSplit
from .structure_search import StructureSearchCV

__all__ = ["NearToFarSplit", "StructureSearchCV"]
