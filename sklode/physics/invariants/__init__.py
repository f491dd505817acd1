"""From coefficients to rotational invariants, and their derivatives (theory, section 7)."""
