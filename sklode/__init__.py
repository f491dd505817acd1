"""Long-range features of atoms for scikit-learn.

Lists of ``ase.Atoms`` go in, feature matrices come out: local densities, generalised LODE
potentials of any 1/r^p, and their rotational invariants; a ridge regression of energies, forces
and stresses on top of them.
"""

from importlib.metadata import PackageNotFoundError, version

from .composition import Composition
from .density import DensityProjector
from .inputs.fragments import spread_charges
from .interaction import InteractionFeatures
from .label_checks import SuspiciousLabelWarning, check_labels
from .long_range import LongRangePotential
from .multipoles import MultipoleFeatures
from .parquet.featurization import featurize
from .power_spectrum import PowerSpectrum
from .preprocessing import BlockScaler
from .regression import AtomisticRidgeCV
from .saving import load_model, save_model

try:
    __version__ = version("sklode")
except PackageNotFoundError:  # imported from a source tree that is not installed
    __version__ = "0+unknown"

__all__ = [
    "AtomisticRidgeCV",
    "BlockScaler",
    "Composition",
    "DensityProjector",
    "InteractionFeatures",
    "LongRangePotential",
    "MultipoleFeatures",
    "PowerSpectrum",
    "SuspiciousLabelWarning",
    "check_labels",
    "featurize",
    "load_model",
    "save_model",
    "spread_charges",
]
