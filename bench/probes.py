"""Measurements that are not the time of one call."""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.case import Probe
from bench.import_time import importing, with_bytecode
from bench.timing import median, settle

STEPS = 5
IMPORTS = 15
PRODUCT = 512
TURN = 0.06  # the turn that the numbers here are for; a shorter one lowers them
PHASE = 0.4


def import_time(module: str, source_tree: bool = False) -> Probe:
    """Milliseconds that importing a module takes over importing NumPy, in fresh processes, by turns."""

    def measure(seconds: float) -> dict[str, float]:
        with tempfile.TemporaryDirectory(prefix="bench-import-") as compiled:
            surroundings = with_bytecode(compiled) if source_tree else dict(os.environ)

            def milliseconds(name: str) -> float:
                return importing(name, surroundings)

            for name in ("numpy", module):  # fills the file cache and that of compiled files
                milliseconds(name)
            count = max(2, min(round(IMPORTS * seconds / TURN), IMPORTS if milliseconds(module) < 300 else 3))
            rounds = [(milliseconds("numpy"), milliseconds(module)) for _ in range(count)]
        over = statistics.median(ours - numpy for numpy, ours in rounds)
        return {"figure": over, "numpy": statistics.median(numpy for numpy, _ in rounds)}

    return Probe("import", measure)


def peak_memory(step: Callable[[], object], seconds: float) -> dict[str, float]:
    """The most memory that this process has had in use at once, in MB, after a few steps."""
    for _ in range(STEPS):
        step()
    return {"figure": peak_resident()}


def peak_resident() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent had before this program was started
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    scale = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6


def alternating(step: Callable[[], object], seconds: float) -> dict[str, float]:
    """A step and NumPy's matrix product, each alone and by turns: the larger of the two slowdowns."""
    phase = PHASE * min(1.0, seconds / TURN)
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(PRODUCT, PRODUCT)).astype(np.float32) for _ in range(2))
    out = np.empty_like(a)

    def product() -> object:
        return np.matmul(a, b, out=out)

    ratios = []
    for _ in range(3):
        settle()
        step_alone = median(step, phase)
        settle()
        product_alone = median(product, phase)
        steps: list[float] = []
        products: list[float] = []
        end = time.perf_counter() + phase
        while time.perf_counter() < end or len(steps) < 5:
            start = time.perf_counter()
            step()
            middle = time.perf_counter()
            product()
            steps.append(middle - start)
            products.append(time.perf_counter() - middle)
        ratios.append((statistics.median(steps) / step_alone, statistics.median(products) / product_alone))
    of_step, of_product = min(ratios, key=max)
    return {"figure": max(of_step, of_product), "step": of_step, "numpy": of_product}
