"""Fitted models in simulations: error bars along the way, and a driver for i-PI."""

from .driver import run_driver
from .error_bars import ErrorBarExceeded, watch_error_bars

__all__ = ["ErrorBarExceeded", "run_driver", "watch_error_bars"]
