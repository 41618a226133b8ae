"""The sides of the benchmarks: ours and every rival, each in a process of its own and at its best.

A side's module has ``versions()``, ``set_threads(count)`` and ``BUILDERS``, from kinds of cases to what makes them.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass, field
from typing import Any

# What glibc does with large blocks is decided before a process starts: keep freed memory instead of unmapping it.
KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "67108864",
}


@dataclass(frozen=True)
class Side:
    """One process: which module runs in it, what must be installed, and its environment."""

    module: str
    package: str
    title: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None

    def load(self) -> Any:
        return importlib.import_module(self.module)


SIDES: dict[str, Side] = {
    "ours": Side("bench.ours", "tilegrad", "tilegrad"),
    "numpy": Side("bench.rivals.numpy", "numpy", "NumPy"),
    "torch": Side("bench.rivals.torch", "torch", "PyTorch, glibc keeping its memory", KEEP_MEMORY),
    "torch-plain": Side("bench.rivals.torch", "torch", "PyTorch in the plain environment"),
    "torch-compile": Side("bench.rivals.torch_compile", "torch", "torch.compile", KEEP_MEMORY),
    "jax": Side("bench.rivals.jax", "jax", "JAX jit, donated buffers"),
    "tensorflow": Side("bench.rivals.tensorflow", "tensorflow", "TensorFlow and Keras, tf.function"),
    "onnxruntime": Side("bench.rivals.onnxruntime", "onnxruntime", "onnxruntime"),
    "sklearn": Side("bench.rivals.sklearn", "sklearn", "scikit-learn"),
    # Both capped at AVX2, for the kernels that most machines run.
    "ours-avx2": Side("bench.ours", "tilegrad", "tilegrad capped at AVX2", {"TILEGRAD_ISA": "avx2"}),
    "numpy-avx2": Side("bench.rivals.numpy", "numpy", "NumPy with AVX2 kernels", {"OPENBLAS_CORETYPE": "Haswell"}),
}
OURS = ("ours", "ours-avx2")
RIVALS = tuple(name for name in SIDES if name not in OURS)
