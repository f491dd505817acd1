"""Threads inside one structure."""

from concurrent.futures import ThreadPoolExecutor


def in_threads(function, jobs, n_threads):
    """Call a function for every job; the jobs must not write to the same memory."""
    if n_threads == 1:
        for job in jobs:
            function(job)
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            for _ in pool.map(function, jobs):  # raises what a job has raised
                pass
