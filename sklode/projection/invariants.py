"""Invariants of a single projector, by the names that users give."""

from typing import Protocol

import pandas as pd
from numpy.typing import NDArray

from ..physics.invariants.spectra import LinearColumns, PairColumns, Part
from .labels import Block, coefficient_table, power_spectrum_table, radial_spectrum_table


class Invariants(Protocol):
    """Protocol of the entries: a table of columns, and the columns."""

    multiplies_channels: bool

    def table(self, blocks: list[Block], l_max: int) -> pd.DataFrame:
        """Table of the columns, one row each."""

    def columns(
        self, coefficients: list[NDArray], parts: list[Part]
    ) -> LinearColumns | PairColumns:
        """Make columns of the coefficients; ``parts`` are their laws."""


class PowerSpectrumOfOne:
    """Products of the coefficients, summed over m, eq. (7.2)."""

    multiplies_channels = True  # most of which a structure may lack

    def table(self, blocks, l_max):
        """Table of the columns, one row each."""
        return power_spectrum_table([(block, block) for block in blocks], l_max, False)

    def columns(self, coefficients, parts):
        """Make columns of the coefficients; ``parts`` are their laws."""
        return PairColumns([coefficients], [(part, part) for part in parts])


class RadialSpectrum:
    """The coefficients of l = 0."""

    multiplies_channels = False

    def table(self, blocks, l_max):
        """Table of the columns, one row each."""
        return radial_spectrum_table(blocks)

    def columns(self, coefficients, parts):
        """Make columns of the coefficients; ``parts`` are their laws."""
        return LinearColumns(coefficients, parts, 0)


class Coefficients:
    """The equivariant coefficients themselves."""

    multiplies_channels = False

    def table(self, blocks, l_max):
        """Table of the columns, one row each."""
        return coefficient_table(blocks, l_max)

    def columns(self, coefficients, parts):
        """Make columns of the coefficients; ``parts`` are their laws."""
        return LinearColumns(coefficients, parts)


INVARIANTS: dict[str | None, Invariants] = {
    "power_spectrum": PowerSpectrumOfOne(),
    "radial_spectrum": RadialSpectrum(),
    None: Coefficients(),
}
