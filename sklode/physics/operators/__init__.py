"""What sums of all kinds share: groups of structures, derivatives that are never formed."""
