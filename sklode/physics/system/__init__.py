"""Structures as arrays, their neighbors and their k-vectors."""
