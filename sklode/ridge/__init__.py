"""Ridge regression on arrays: solutions, errors of what is left out, normal equations."""
