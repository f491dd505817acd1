"""From features and targets to the equations of a fit."""
