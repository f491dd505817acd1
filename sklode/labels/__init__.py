"""What may be wrong with energies, forces and stresses to learn from."""
