"""Sums over pairs of atoms and their derivatives (theory, sections 5.1 and 7)."""
