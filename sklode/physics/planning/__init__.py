"""How far to sum over k-vectors and in which way, for a given accuracy (section 4.5)."""
