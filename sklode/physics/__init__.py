"""The mathematics: arrays in, arrays out, no scikit-learn and no ASE.

Equation numbers refer to the theory page of the documentation.
"""
