"""Functions that switch neighbours off, or the far field on, near a cutoff; eq. (7.1)."""

import numpy as np


def cutoff_function(distances, cutoff, width):
    """Shifted cosine: 1 up to ``cutoff - width``, smoothly 0 at ``cutoff``, eq. (7.1)."""
    if width == 0:
        return (distances < cutoff).astype(float)
    progress = (distances - (cutoff - width)) / width
    values = (progress < 1.0).astype(float)
    shell = np.flatnonzero((progress > 0.0) & (progress < 1.0))
    values[shell] = 0.5 * (1.0 + np.cos(np.pi * progress[shell]))
    return values


def cutoff_slope(distances, cutoff, width):
    """Derivative of ``cutoff_function``; of a step, 0."""
    values = np.zeros(len(distances))
    if width > 0:
        progress = (distances - (cutoff - width)) / width
        shell = np.flatnonzero((progress > 0.0) & (progress < 1.0))
        values[shell] = -0.5 * np.pi / width * np.sin(np.pi * progress[shell])
    return values


def exterior_weight(distances, cutoff, width):
    """0 inside ``cutoff - width``, smoothly 1 beyond ``cutoff``."""
    return 1.0 - cutoff_function(distances, cutoff, width)


def exterior_weight_slope(distances, cutoff, width):
    """Derivative of ``exterior_weight``."""
    return -cutoff_slope(distances, cutoff, width)
