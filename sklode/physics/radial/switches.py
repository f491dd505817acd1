"""Switches: functions that fade neighbours out, or the far field in, near a cutoff; eq. (7.1)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ShiftedCosine:
    """1 up to ``cutoff - width``, smoothly 0 at ``cutoff``, eq. (7.1).

    Attributes
    ----------
    cutoff, width : float
        In angstrom; a width of 0 makes a step.
    """

    cutoff: float
    width: float

    def __call__(self, distances):
        """Values at distances (n,)."""
        if self.width == 0:
            return (distances < self.cutoff).astype(float)
        progress = self._progress(distances)
        values = (progress < 1.0).astype(float)
        shell = np.flatnonzero((progress > 0.0) & (progress < 1.0))
        values[shell] = 0.5 * (1.0 + np.cos(np.pi * progress[shell]))
        return values

    def slopes(self, distances):
        """Derivatives at distances (n,); of a step, 0."""
        values = np.zeros(len(distances))
        if self.width > 0:
            progress = self._progress(distances)
            shell = np.flatnonzero((progress > 0.0) & (progress < 1.0))
            values[shell] = -0.5 * np.pi / self.width * np.sin(np.pi * progress[shell])
        return values

    def _progress(self, distances):
        """From 0 to 1 in the shell where the switch changes."""
        return (distances - (self.cutoff - self.width)) / self.width


@dataclass(frozen=True)
class Exterior:
    """0 inside ``cutoff - width``, smoothly 1 beyond ``cutoff``: one minus a ShiftedCosine."""

    cutoff: float
    width: float

    def __call__(self, distances):
        """Values at distances (n,)."""
        return 1.0 - ShiftedCosine(self.cutoff, self.width)(distances)

    def slopes(self, distances):
        """Derivatives at distances (n,)."""
        return -ShiftedCosine(self.cutoff, self.width).slopes(distances)
