"""The cores of a step, and how its processes share them."""

from __future__ import annotations

import os

# Libraries of numbers start so many threads: by themselves one a core of the machine.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def own_cores() -> int:
    """How many cores the step has; outside of one, the machine."""
    said = os.environ.get(THREADS[0], "")
    return int(said) if said.isdigit() and int(said) else os.cpu_count() or 1


def share_out(cores: int, share: int) -> None:
    """Let the processes that are started from here on take `share` of `cores`, unless the step says otherwise. Before one of
    the libraries is imported."""
    for name in THREADS:
        if os.environ.get(name) == str(cores):
            os.environ[name] = str(share)
