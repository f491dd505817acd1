"""Tables, quadrature, special functions and threads: numbers without physics."""
