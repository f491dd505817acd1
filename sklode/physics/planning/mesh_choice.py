"""Which mesh is fine enough for a sum over k-vectors (theory, section 4.5)."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import next_fast_len
from scipy.special import factorial2

from .. import blocks
from ..numerics.quadrature import gauss_legendre
from .costs import mesh_seconds
from .tails import RANDOM_PHASES

_ORDERS = np.arange(4, 17)
_OVERSAMPLING = np.array([1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0])
_NODES = 64
_POINT_BYTES = 64  # of a mesh point: a few fields at once


@dataclass(frozen=True)
class MeshPlan:
    """A mesh: points along each lattice vector, and order of the splines."""

    shape: tuple
    order: int


def choose_mesh(contents, k_cutoff, envelope, allowed, n_modes):
    """The cheapest mesh whose aliasing errors are allowed.

    Parameters
    ----------
    contents : Contents
    k_cutoff : float
        In 1/angstrom.
    envelope : WaveEnvelope
    allowed : ndarray of shape (n_laws, n_channels)
        Largest errors of a coefficient.
    n_modes : int
        Radial modes.

    Returns
    -------
    plan : MeshPlan or None
        None if no mesh is fine enough.
    seconds : float
        Estimate of its cost.
    errors : ndarray of shape (n_laws, n_channels)
    """
    lengths = np.linalg.norm(contents.cell, axis=1)
    coherent, random = aliasing(contents.volume, k_cutoff, envelope)
    errors = coherent[..., None] * contents.heaviest + random[..., None] * contents.norms
    n_fields = n_modes * contents.n_channels
    best = (None, np.inf, np.inf)
    for oversampling, of_orders in zip(_OVERSAMPLING, errors, strict=True):
        fine = np.all(of_orders <= allowed, axis=(1, 2))
        if not fine.any():
            continue
        first = int(np.argmax(fine))
        order = int(_ORDERS[first])
        least = 2.0 * np.floor(lengths * k_cutoff / (2.0 * np.pi)) + 2.0
        points = np.maximum(np.ceil(lengths * k_cutoff / np.pi * oversampling), least)
        if np.prod(points) * _POINT_BYTES > blocks.MOST_BYTES:
            continue
        shape = tuple(next_fast_len(int(max(n, order)), real=True) for n in points)
        seconds = mesh_seconds(contents.n_atoms, np.prod(shape), order, n_fields, envelope.l_max)
        if seconds < best[1]:
            best = (MeshPlan(shape, order), seconds, of_orders[first])
    return best


def amplification(cell, mesh, degrees):
    r"""Factors of rounding errors of a field in its l-th derivatives.

    Errors are alike at all wave numbers :math:`\theta / h` of the mesh, of which splines of order w
    keep those of :math:`\exp(-w \theta^2 / 12)`.

    Parameters
    ----------
    cell : ndarray of shape (3, 3)
    mesh : MeshPlan
    degrees : ndarray of int
        The l.

    Returns
    -------
    ndarray of shape (n_degrees,)
        In 1/angstrom^l.
    """
    waves = np.linalg.norm(np.linalg.inv(cell) * mesh.shape, axis=0).max()  # 1 / h
    moments = factorial2(2 * degrees + 1) * (6.0 / mesh.order) ** degrees
    return waves**degrees * np.sqrt(moments * (3.0 / (np.pi * mesh.order)) ** 1.5)


def aliasing(volume, k_cutoff, envelope):
    r"""Bounds of the aliasing in a coefficient, for every oversampling and order.

    A wave of :math:`\kappa` radians per mesh point has an alias that is
    :math:`(\kappa/(2\pi-\kappa))^w` times as strong and whose l-th derivative is
    :math:`((2\pi-\kappa)/\kappa)^l` times as large. Only waves along an axis have so strong a one;
    the mean over directions is what counts.

    Returns
    -------
    coherent, random : ndarray of shape (n_oversampling, n_orders, n_laws)
        Of an atom of weight 1 itself, and of atoms at random for a root of summed squared
        weights of 1.
    """
    k, measure = gauss_legendre(_NODES, k_cutoff)
    amplitudes = 8.0 * np.pi / volume * envelope.of_degrees(k)
    degrees = np.arange(amplitudes.shape[2])
    turn = k * (np.pi / (k_cutoff * _OVERSAMPLING))[:, None]
    ratio = (turn / (2.0 * np.pi - turn))[:, None, None, :]
    power = _ORDERS[:, None, None]
    aliases = ratio**power + ratio ** (power - degrees[:, None])
    aliases *= np.sqrt(3.0 / (2.0 * power + 1.0))
    waves = volume * k**2 * measure / (4.0 * np.pi**2)
    squares = np.einsum("owlk,kpl,k->owpl", aliases**2, amplitudes**2, waves)
    random = RANDOM_PHASES * np.sqrt(0.5 * squares.max(axis=-1))
    coherent = np.einsum("owlk,kpl,k->owpl", aliases, amplitudes, waves).max(axis=-1)
    return coherent, random
