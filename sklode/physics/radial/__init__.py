"""Functions of one length: bases, potentials, switches, integrals (theory, sections 2 and 3)."""
