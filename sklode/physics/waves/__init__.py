"""Sums over k-vectors as matrix products, and their derivatives (theory, section 4.1)."""
