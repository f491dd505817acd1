"""A message-passing network, MACE, whose time does not depend on its weights: they are random."""

import os

import numpy as np


def untrained_mace(elements, *, channels, cutoff, layers=2, l_max=3, correlation=3):
    """MACE of scalar messages in single precision, as its small foundation models are.

    Parameters
    ----------
    elements : sequence of int
        Atomic numbers.
    channels : int
        Scalar messages an atom.
    cutoff : float
        In angstrom, of a layer.
    layers, l_max, correlation : int
        Rounds of messages, degree of the harmonics, and order of the products of a round.

    Returns
    -------
    MACECalculator
        With energies, forces and stresses.
    """
    # e3nn 0.4, which mace-torch needs, reads a table of its own with the pickle module
    os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    import torch
    from e3nn import o3
    from mace import modules
    from mace.calculators import MACECalculator

    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    network = modules.ScaleShiftMACE(
        r_max=cutoff,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=l_max,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=layers,
        num_elements=len(elements),
        hidden_irreps=o3.Irreps(f"{channels}x0e"),
        MLP_irreps=o3.Irreps("16x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.zeros(len(elements)),
        avg_num_neighbors=30.0,
        atomic_numbers=list(elements),
        correlation=correlation,
        atomic_inter_scale=1e-3,  # small forces: the structure stays what it is
        atomic_inter_shift=0.0,
    )
    return MACECalculator(models=network, device="cpu", default_dtype="float32")
