"""From coefficients of atoms to rows and columns with names."""
