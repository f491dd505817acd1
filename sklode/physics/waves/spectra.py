"""Fourier transforms v_p(k) of the potentials at the k-vectors of cells, windowed or not."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True, slots=True)
class Spectra:
    """Fourier transforms of several laws and how they change with the strain.

    Where a structure repeats along all axes they depend on the length of k alone. Else they depend
    on its parts kappa along the periodic directions and q across, which turn with the strain:

        -dv/deps_ab = (dv/dq / q) k_a k_b + (dv/dkappa / kappa - dv/dq / q) kappa_a kappa_b.

    Attributes
    ----------
    values : ndarray of shape (n_k, n_laws)
    slopes : ndarray of shape (n_k, n_laws)
        Derivative by the length of k, or k times dv/dq / q.
    anisotropy : ndarray of shape (n_k, n_laws)
        Factor of kappa_a kappa_b; zero where all directions are periodic.
    along : ndarray of shape (n_k, 3)
        The vectors kappa.
    """

    values: np.ndarray
    slopes: np.ndarray
    anisotropy: np.ndarray
    along: np.ndarray


def fourier_transforms(laws, spheres, cells, windows):
    """Values at the k-vectors of all cells one after the other, (n_laws, n_k).

    Parameters
    ----------
    laws : sequence of SmearedPowerLaw
    spheres : list of HalfSphere
    cells : list of ndarray of shape (3, 3)
    windows : list of Window or None
    """
    norms = np.concatenate([sphere.norms for sphere in spheres])
    fourier = np.stack([law.fourier(norms) for law in laws])
    ends = np.cumsum([0, *map(len, spheres)])
    for number, (start, end) in enumerate(pairwise(ends)):
        window, vectors = windows[number], spheres[number].vectors
        if window is not None and len(vectors):
            values = [window.spectrum(law, vectors, cells[number])[0] for law in laws]
            fourier[:, start:end] = values
    return fourier


def spectra_of(laws, spheres, cells, windows):
    """Spectra at the k-vectors of all cells one after the other; parameters as above."""
    norms = np.concatenate([sphere.norms for sphere in spheres])
    values = np.stack([law.fourier(norms) for law in laws], axis=1)
    slopes = np.stack([law.fourier_slope(norms) for law in laws], axis=1)
    anisotropy, along = np.zeros(values.shape), np.zeros((len(norms), 3))
    ends = np.cumsum([0, *map(len, spheres)])
    for number, (start, end) in enumerate(pairwise(ends)):
        window, vectors = windows[number], spheres[number].vectors
        if window is not None and len(vectors):
            of_cell = slice(start, end)
            along[of_cell] = window.along(vectors, cells[number])
            of_laws = [window.spectrum(law, vectors, cells[number]) for law in laws]
            value, by_along, by_across = np.stack(of_laws, axis=2)  # (3, n_k, n_laws)
            values[of_cell] = value
            slopes[of_cell] = by_across * norms[of_cell, None]
            anisotropy[of_cell] = by_along - by_across
    return Spectra(values, slopes, anisotropy, along)
