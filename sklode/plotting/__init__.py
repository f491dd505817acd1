"""Pictures of predictions, in the manner of scikit-learn's displays, and maps of structures."""

from .binding_curves import BindingCurveDisplay
from .distance_errors import DistanceErrorDisplay
from .error_bars import ErrorBarDisplay
from .explorer import explore
from .parity import ParityDisplay

__all__ = [
    "BindingCurveDisplay",
    "DistanceErrorDisplay",
    "ErrorBarDisplay",
    "ParityDisplay",
    "explore",
]
