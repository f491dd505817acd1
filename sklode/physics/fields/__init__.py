"""Density, potential and multipoles: of which sums their coefficients consist."""
