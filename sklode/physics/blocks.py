"""Sizes of blocks, and the numbers from which on another way of computing is faster.

All of them stand here, read when they are needed, so that tests can shrink them until a few atoms
cross every border. Results depend on them by rounding errors at most, and on MANY_WAVES and
FEW_WAVES, by which k-vectors and modes are chosen, within ``tol``.
"""

# pairs of atoms
PAIRS_LISTED = 2**14  # of the structures that are searched at once, so that these stay in cache
PAIRS = 2**13  # expanded at once at most
PAIR_NUMBERS = 2**20  # in the tables of a block of pairs: few for the cache, many for threads
SHARED_FUNCTIONS = 2**21  # numbers of all pairs' functions, up to which both ends share them
SEARCHED_ATOMS = 300  # more of them are searched for neighbors; else all pairs are looked at
SHORT_KEYS = 2**16  # sorted by radix, since 16 bits hold them

# sums over k-vectors
PHASES = 2**15  # held at once, so that they and their products stay in cache
FEWEST_WAVES = 32  # k-vectors of a block, so that the matrix products are not too thin
ROWS_OF_WAVES = 64  # atoms of small structures that are summed at once
SMALL_PRODUCT = 10**6  # multiplications of a product that BLAS does not rearrange before
PHASES_OF_SMALL_CELL = 2**13  # of a structure that is summed together with those in other cells
KERNEL_WAVES = 2**13  # k-vectors whose kernels are made at once, those of one cell at least
DECAY_NUMBERS = 2**20  # of waves along slabs and wires, and of an integral for each
SIMILAR_BOUNDS = 3  # cells whose boxes of integers differ by less are enumerated together
LISTED_WAVES = 2**16  # k-vectors of the cells that are listed together to choose their spheres
KEPT_PLANS = 1024  # plans of matrix products
KEPT_ACCURACIES = 8  # of the batches that were summed last, for their derivatives
CHECKED_ATOMS = 2  # of a structure, whose coefficients mostly show how large all are
MANY_WAVES = 1000  # of a cell, from which on shells are as dense as their mean
FEW_WAVES = 200  # too few for a mean over waves, and nothing to gain by radial modes

# their derivatives
WAVE_NUMBERS = 2**17  # in the waves of a block of k-vectors, so that they stay in cache
MANY_ATOMS = 24  # of a structure, from which on structure factors are faster than pairs
MANY_ATOMS_STANDING = 40  # the same where pairs are summed over standing waves
STANDING_POSITIONS = 2**10  # handled at once
GRADIENT_NUMBERS = 2**21  # in the gradients of pairs and the products of a block of atoms

# meshes
WINDOW_NUMBERS = 2**19  # in the windows of a block of atoms
FEWEST_ATOMS = 8  # of such a block
SLAB_WIDTHS = 3  # thickness of slabs of the mesh that atoms are spread to, in widths of a spline
PLANES = 8  # of the mesh that a thread copies at once
FIELD_NUMBERS = 2**25  # in the fields of one round of transforms: 256 MB

# invariants
SPECTRUM_NUMBERS = 2**18  # products of a block of rows, still in cache when they are arranged
SPECTRUM_GRADIENT_NUMBERS = 2**17  # the same of their derivatives

# tables and lattice sums
RULE_NODES = 64  # of one rule of quadrature; more nodes are several rules
SERIES_POINTS = 512  # of a Chebyshev series at once, so that the polynomials stay in cache
BESSEL_NUMBERS = 2**17  # in the Bessel functions that are evaluated at once
LATTICE_PHASES = 2**18  # atoms times k-vectors of the reference sums: 4 MB

# memory of one step of the work on one structure, beyond which it is refused before it begins
MOST_BYTES = 2**33
MOST_NODES = 2**20  # of a quadrature

# fits
LEFT_OUT_NUMBERS = 2**20  # of the systems of equations that are solved at once

# chunks of structures and workers
CHUNK_ATOMS = 1024
CHUNK_ATOMS_WITH_GRADIENTS = 2048  # gradients are made block by block anyway
EQUAL_WORKERS = 8  # at most so many, a power of 2, have equally many chunks
CHUNKS_PER_TASK = 4  # at most, of a worker's task, which costs some milliseconds
SHARED_BYTES = 2**22  # of rows, from which on sending costs more than a file in memory
KEPT_SHARED_BYTES = 2**28  # of such a file that is used again
EQUATION_BYTES = 2**26  # of a batch of equations
CACHED_EQUATION_BYTES = 2**29  # of all equations, up to which they are kept

# sources of structures that do not fit in memory
BATCH_ATOMS = 2**14  # of a file of features, and of what a worker gets at once
BATCH_NUMBERS = 2**22  # features of such a file
BATCHES_AHEAD = 4  # that are read before they are needed
BATCHES_PER_WORKER = 2  # on their way: one in work, one waiting
OPEN_PER_WORKER = 4  # batches, those included whose results wait to be used
DATABASE_ROWS = 500  # that are fetched at once
WAITING_ROWS = 3  # in numbers of columns, until one QR decomposition takes all of them
MOST_BIN_BYTES = 2**32  # of the equations of folds that lie scattered in a source


def atoms_per_block(numbers_per_atom):
    """How many atoms are handled at once, so that their windows of a mesh stay in cache."""
    return max(FEWEST_ATOMS, WINDOW_NUMBERS // int(numbers_per_atom))
