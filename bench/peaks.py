"""The machine's peaks, measured in the same run as what is compared with them.

FLOP/s come from multiply-adds between registers. Bytes per second of a copy, a read and a write come from arrays that
no cache holds, each by the quicker of our kernels and NumPy's (memcpy, one part a thread): a copy counts what is read
and what is written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

import tilegrad as tg
from tilegrad import _C

ELEMENTS = 26_000_000  # 104 MB: three times an L3 of 32 MB
REPEATS = 5


def measure() -> dict[str, float]:
    threads = tg.get_num_threads()
    found = {name: 1e9 * max(_C.measure_fma_peak(dtype, threads) for _ in range(3)) for name, dtype in FLOPS.items()}
    source, target = np.ones(ELEMENTS, np.float32), np.ones(ELEMENTS, np.float32)
    x, y = tg.from_numpy(source), tg.from_numpy(target)
    parts = [slice(ELEMENTS * i // threads, ELEMENTS * (i + 1) // threads) for i in range(threads)]

    def each_part(work: Callable[[slice], object]) -> None:
        others = [threading.Thread(target=work, args=(part,)) for part in parts[1:]]
        for thread in others:
            thread.start()
        work(parts[0])
        for thread in others:
            thread.join()

    size = source.nbytes
    copies: list[Callable[[], object]] = [
        lambda: _C.copy_into(x, y),
        lambda: each_part(lambda part: np.copyto(target[part], source[part])),
    ]
    found["copy"] = max(2 * size / shortest(call) for call in copies)
    found["read"] = size / shortest(lambda: _C.sum(x))
    writes: list[Callable[[], object]] = [
        lambda: _C.fill_(y, 1.0),
        lambda: each_part(lambda part: target[part].fill(1.0)),
    ]
    found["write"] = max(size / shortest(call) for call in writes)
    return found


FLOPS = {"flops": "float32", "flops64": "float64"}


def shortest(call: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)
