"""A transformer that tells how much it computes, and structures for tests of kept rows."""

import os
from pathlib import Path

import numpy as np
from ase.build import molecule

from sklode import DensityProjector
from sklode.physics.radial.bases import Monomials
from sklode.potentials import InversePowerLaw

ROUNDING = {"float64": 1e-12, "float32": 1e-5}  # of the largest number, as chunks differ


class Counted(DensityProjector):
    """Notes how many structures are computed, in whatever process, in a file."""

    def compute_rows(self, structures, per_atom, n_threads):
        with open(os.environ["SKLODE_TEST_LOG"], "a") as log:
            log.write(".\n" * len(structures))
        return super().compute_rows(structures, per_atom, n_threads)


EDITED_LAW = """
class Edited:
    name = "edited"
    def smeared(self, smearing):
        assert self.name in {{"edited", "in", "a", "notebook"}}
        return InversePowerLaw({}).smeared(smearing)
"""


def counted(memory, **changes):
    return Counted(cutoff=3.0, n_max=2, l_max=1, memory=memory, **changes)


def varied(n):
    waters = [molecule("H2O") for _ in range(n)]
    for number, atoms in enumerate(waters):
        atoms.positions[0, 2] += 0.001 * number
    return waters


def files(memory):
    return sorted(Path(memory).rglob("*.npz"))


def assert_close(got, wanted):
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(
        got, wanted, rtol=0, atol=ROUNDING[str(got.dtype)] * abs(wanted).max()
    )


EDITED_BASIS = """
class Edited(Monomials):
    def primitives(self, l, r):
        return Monomials.primitives(self, l, r) * np.exp(-{} * r)
"""


def edited(text, number):
    """The class of a notebook cell that was run with some number in it."""
    known = {"__name__": "__main__", "np": np}
    known |= {"InversePowerLaw": InversePowerLaw, "Monomials": Monomials}
    exec(text.format(number), known)
    return known["Edited"]
