"""Import time, memory while training, and the peace kept with NumPy's threads: probes with figures of their own."""

from __future__ import annotations

from bench.case import Case
from bench.cases.training import inputs

CASES = [
    Case(
        "footprint", "import", "import over NumPy's", "import", unit="ms", fresh=True, quick=True, limit=120.0,
        sides=("ours", "torch-plain", "jax", "tensorflow", "onnxruntime", "sklearn"),
    ),
    Case(
        "footprint", "peak memory", "peak memory training (c)", "peak memory", {"net": "c"}, inputs, unit="MB",
        fresh=True, limit=240.0, sides=("ours", "torch-plain", "jax", "tensorflow"),
    ),
    Case(
        "footprint", "alternating", "step (a) alternating with NumPy 512³", "alternate", {"net": "a"}, inputs,
        unit="times alone", fresh=True, quick=True, sides=("ours", "torch-plain"),
    ),
]  # fmt: skip
