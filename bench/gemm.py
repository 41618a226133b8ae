"""Matrix products against the machine's peak and NumPy's BLAS.

    python bench/gemm.py --threads 1 2 --dtype float32 --shapes square network small vector

Prints, for every shape and operand layout, GFLOP/s (GB/s of the matrix for vectors), the share of the peak that this
run measured, and NumPy's time over ours. Values are compared before anything is timed; ours and NumPy's are timed in
turn, and the figure is the smallest of the rounds' medians. OpenBLAS settings of the environment are removed before
NumPy loads, or it might run kernels of another machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial

for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)

import numpy as np  # noqa: E402
from shapes import MATMULS as SHAPES  # noqa: E402

import tilegrad as tg  # noqa: E402
from tilegrad import _C  # noqa: E402

# OpenBLAS's threads wait for more work in a loop, for about 26 ms of CPU time, and meanwhile keep a CPU from others.
LONGEST_SPIN = 0.15


def cpu_model() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
        return f"{names[0]} x {len(names)}"
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def blas() -> tuple[str, Callable[[int], object]]:
    """NumPy's BLAS by name, and a function that limits its threads."""
    try:
        from threadpoolctl import threadpool_info, threadpool_limits
    except ImportError:
        return "BLAS unknown (threadpoolctl is not installed; its threads are as they are)", lambda count: None
    found = [info for info in threadpool_info() if info["user_api"] == "blas"]
    text = ", ".join(f"{info['internal_api']} {info.get('version')} {info.get('architecture')}" for info in found)
    return text, lambda count: threadpool_limits(count, user_api="blas")


def operand(rng: np.random.Generator, rows: int, columns: int, layout: str, dtype: str) -> np.ndarray:
    if layout == "N":
        return rng.normal(size=(rows, columns)).astype(dtype)
    return rng.normal(size=(columns, rows)).astype(dtype).T


def median(function: Callable[[], object], seconds: float) -> float:
    """The median time of as many calls as fit into `seconds`, once the other side's threads have stopped spinning."""
    time.sleep(LONGEST_SPIN)
    times = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def in_turn(ours: Callable[[], object], theirs: Callable[[], object], seconds: float) -> tuple[float, float]:
    """The smaller median of five rounds of each, round by round in turn."""
    ours(), theirs()
    rounds = [(median(ours, seconds / 5), median(theirs, seconds / 5)) for _ in range(5)]
    return min(r[0] for r in rounds), min(r[1] for r in rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", default=_C.isa(), choices=_C.available_isas())
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, tg.get_num_threads()}))
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--shapes", nargs="+", default=["square", "network"], choices=list(SHAPES))
    parser.add_argument("--seconds", type=float, default=0.3, help="about how long each shape is timed, for each side")
    arguments = parser.parse_args()

    _C.set_isa(arguments.isa)
    name, limit = blas()
    print(f"{cpu_model()}; tilegrad {arguments.isa} {arguments.dtype}; NumPy {np.__version__} with {name}")
    for threads in arguments.threads:
        tg.set_num_threads(threads)
        limit(threads)
        peak = _C.measure_fma_peak(arguments.dtype, threads)
        print(f"{threads} thread(s): measured fma peak {peak:.0f} GFLOP/s")
        ratios = []
        for M, N, K, layout in (shape for group in arguments.shapes for shape in SHAPES[group]):
            rng = np.random.default_rng(0)
            a, b = operand(rng, M, K, layout[0], arguments.dtype), operand(rng, K, N, layout[1], arguments.dtype)
            left, right, out = tg.from_numpy(a), tg.from_numpy(b), np.empty((M, N), arguments.dtype)
            bound = np.finfo(arguments.dtype).eps * (min(K, 1024) + 32) * (np.abs(a) @ np.abs(b))
            if not (np.abs(tg.matmul(left, right).numpy() - a @ b) <= bound).all():
                raise SystemExit(f"{M}x{N}x{K} {layout}: values differ from NumPy's")
            seconds, numpy_seconds = in_turn(
                partial(_C.matmul, left, right), partial(np.matmul, a, b, out=out), arguments.seconds
            )
            rate = 2e-9 * M * N * K / seconds
            share = f"{100 * rate / peak:4.0f} % of peak"
            if M == 1:
                share = f"{np.dtype(arguments.dtype).itemsize * 1e-9 * N * K / seconds:5.1f} GB/s"
            ratios.append(numpy_seconds / seconds)
            print(
                f"  {layout} {M:>5} x {N:>4} x {K:>5}: {1e6 * seconds:9.1f} us {rate:7.1f} GFLOP/s {share}; NumPy "
                f"{1e6 * numpy_seconds:9.1f} us, ratio {ratios[-1]:.2f}"
            )
        print(f"  geometric mean of the ratios {statistics.geometric_mean(ratios):.2f}, least {min(ratios):.2f}")


if __name__ == "__main__":
    main()
