"""How a call is timed."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable

# A sample repeats a short call so often that reading the clock (some 50 ns) does not count.
SHORTEST_SAMPLE = 100e-6
# Threads of BLAS and OpenMP libraries wait for more work in a loop, OpenBLAS's for about 26 ms.
LONGEST_SPIN = 0.3


def settle() -> None:
    """Waits until no thread of this process computes or spins any more."""
    end = time.perf_counter() + LONGEST_SPIN
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(0.004)
        if time.process_time() - before < 0.0004:
            return


def median(call: Callable[[], object], seconds: float, least: int = 3) -> float:
    """The median time of a call, from as many samples as fit into `seconds`, at least `least`.

    Calls before that warm the caches and wake the threads: at least one, for up to a quarter of the time.
    """
    clock = time.perf_counter
    begin = clock()
    shortest = float("inf")
    while True:
        start = clock()
        call()
        now = clock()
        shortest = min(shortest, now - start)
        if now - begin > 0.25 * seconds:
            break
    repeats = max(1, round(SHORTEST_SAMPLE / max(shortest, 1e-9)))
    samples: list[float] = []
    end = clock() + seconds
    while len(samples) < least or clock() < end:
        loop = itertools.repeat(None, repeats)
        start = clock()
        for _ in loop:
            call()
        samples.append((clock() - start) / repeats)
    return statistics.median(samples)
