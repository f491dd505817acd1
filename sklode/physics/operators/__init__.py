"""The contract of sums of all kinds, groups of structures, derivatives never formed."""
