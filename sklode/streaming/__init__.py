"""Data larger than memory: structures read one after the other, features kept in files."""

from ..parquet.dataset import FeatureDataset
from .sources import Source

__all__ = ["FeatureDataset", "Source"]
