"""Large arrays that are made again and again should be the same memory, not new pages."""

from functools import cache

import numpy as np

_LARGEST = 2**25 - 2**15  # bytes; glibc learns from blocks up to 32 MB


@cache  # once in a process is enough
def keep_freed_memory():
    """Have glibc keep what is freed for the next array.

    It returns free memory to the system beyond twice the largest block that it has seen freed, and
    to get that back page by page may cost a tenth of all time. The block freed here is never
    touched, so that it takes no memory itself.
    """
    np.empty(_LARGEST, np.uint8)
