"""Waves of slabs and wires in plain loops: sums along them, integrals across, and no window."""

from itertools import product

import numpy as np
from reference_functions import fourier, harmonics, quadrature
from scipy.special import gamma


def wave_sum(atoms, weights, k_cutoff, laws, sigma, integrals, unit):
    """Coefficients (atom, channel, n, lm) of a potential, one law for each n.

    The potential of eq. (2.1) is a sum of Gaussians; those of one layer, or line, are taken without
    their constant where it has no limit, and with the finite part of what that adds up to.
    """
    cell, d = atoms.cell[atoms.pbc], atoms.pbc.sum()
    size, axes = np.sqrt(np.linalg.det(cell @ cell.T)), np.linalg.svd(cell)[2][d:]
    l_max = len(integrals(np.ones(1))) - 1
    out = np.zeros((len(atoms), len(weights), len(laws), (l_max + 1) ** 2))

    def add(along, lengths, kernel):
        """Waves of k = along + q, q of these lengths; ``kernel`` (l, n, q) has its measure."""
        for turn, part in directions(axes):
            k = along + lengths[:, None] * turn
            y = harmonics(l_max, k)
            for i, j, l in product(range(len(atoms)), range(len(atoms)), range(l_max + 1)):
                phases, of_l = (
                    k @ (atoms.positions[i] - atoms.positions[j]),
                    slice(l * l, (l + 1) ** 2),
                )
                wave = (-1) ** ((l + 1) // 2) * (np.sin(phases) if l % 2 else np.cos(phases))
                terms = part * (kernel[l] * wave) @ y[:, of_l]
                out[i, :, :, of_l] += np.multiply.outer(weights[:, j], terms)

    bounds = np.linalg.norm(cell, axis=1) * k_cutoff / (2 * np.pi)
    integers = [n for n in product(*[range(-int(b), int(b) + 1) for b in bounds]) if n > (0,) * d]
    q, w = quadrature(48, 0, k_cutoff / 4, k_cutoff)
    along = np.array(integers).reshape(-1, d) @ (2 * np.pi * np.linalg.pinv(cell).T)
    along, lengths = np.repeat(along, len(q), axis=0), np.tile(q, len(along))
    k = np.sqrt(np.sum(along**2, axis=1) + lengths**2)
    of_laws = np.array([fourier(law, sigma, k) for law in laws])
    measure = np.tile(w * q ** (2 - d), len(integers))
    # the waves of -k are as many
    add(along, lengths, 2 * 4 * np.pi / size * measure * of_laws * integrals(k))

    for n, law in enumerate(laws):
        if not isinstance(law, (int, float, np.number)) or law == 0:
            kernel = w * q ** (2 - d) * fourier(law, sigma, q) * integrals(q)
            add(np.zeros(3), q, 4 * np.pi / size * only(n, kernel))
            continue
        top, power = 1 / (2 * sigma**2), (law - d) / 2
        u, wt = quadrature(16, *(np.log(top) - np.array([20, 12, 6, 2, 0])))
        # what is left below grows with t to the power + 1
        u, wt = np.append(u, np.log(top) - 20), np.append(wt, 1 / (power + 1))
        x, wx = quadrature(20, 0, 5, 12)
        constant = np.euler_gamma + np.log(top * unit**2) if power == 0 else top**power / power
        t, measure = np.exp(u)[:, None], (wt * np.exp(u * law / 2) / gamma(law / 2))[:, None]
        q_t = x * np.sqrt(t)
        gaussian = (np.pi / t) ** 1.5 * np.exp(-(x**2) / 4) * wx * np.sqrt(t) * q_t ** (2 - d)
        kernel = (measure * gaussian).ravel() * integrals(q_t.ravel())
        add(np.zeros(3), q_t.ravel(), 4 * np.pi / size * only(n, kernel))
        constant -= gamma(law / 2) * np.sum(measure * t ** (-d / 2))
        constant *= np.pi ** (d / 2) / gamma(law / 2) / size * np.sqrt(4 * np.pi)
        out[:, :, n, 0] += constant * weights.sum(axis=1) * integrals(np.zeros(1))[0, n, 0]
    return out


def directions(axes):
    """Unit vectors across, and the measure of each: both sides of a layer, a circle of a line."""
    if len(axes) == 1:
        return [(axes[0], 1 / (2 * np.pi)), (-axes[0], 1 / (2 * np.pi))]
    turns = np.exp(2j * np.pi * np.arange(32) / 32)
    return [(turn.real * axes[0] + turn.imag * axes[1], 1 / (32 * 2 * np.pi)) for turn in turns]


def only(n, kernel):
    """Zero but for one n."""
    kept = np.zeros_like(kernel)
    kept[:, n] = kernel[:, n]
    return kept
