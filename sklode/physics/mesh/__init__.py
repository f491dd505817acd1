"""Sums over k-vectors on a mesh, and their derivatives (theory, section 4.5)."""
