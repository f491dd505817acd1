"""What is written of smeared laws is what they have."""

import inspect

import pytest

from sklode.physics.radial.law_contract import SmearedLaw
from sklode.potentials import InversePowerLaw, TabulatedPotential, Yukawa

LAWS = [
    InversePowerLaw(0).smeared(0.5),
    InversePowerLaw(1).smeared(0.5),
    Yukawa(0.3).smeared(0.5),
    TabulatedPotential([0.0, 0.5, 1.0, 1.5], [1.0, 0.8, 0.3, 0.0]).smeared(0.5),
]
MEMBERS = {name: member for name, member in vars(SmearedLaw).items() if not name.startswith("_")}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_laws_have_all_members(law):
    assert len(MEMBERS) == 11
    for name, member in MEMBERS.items():
        if callable(member):
            arguments = list(inspect.signature(member).parameters)[1:]  # without self
            assert list(inspect.signature(getattr(law, name)).parameters) == arguments, name
        else:
            assert isinstance(getattr(law, name), float), name
