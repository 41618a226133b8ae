"""Matrix products, float32, float64 and capped at AVX2."""

from __future__ import annotations

import numpy as np

from bench.case import Arrays, Case, Spec
from bench.shapes import MATMULS


def inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    """A and B as they lie in memory: a transposed one has its axes swapped."""
    sizes = {"a": (spec["M"], spec["K"]), "b": (spec["K"], spec["N"])}
    return {
        name: rng.normal(size=sizes[name][:: -1 if letter == "T" else 1]).astype(spec["dtype"])
        for name, letter in zip("ab", spec["layout"], strict=True)
    }


def reference(spec: Spec, arrays: Arrays) -> Arrays:
    """The first rows of the product, in float64."""
    a, b = (
        arrays[name].T if letter == "T" else arrays[name] for name, letter in zip("ab", spec["layout"], strict=True)
    )
    return {"product": a[:64].astype(np.float64) @ b.astype(np.float64)}


def case(
    group: str,
    shape: tuple[int, int, int, str],
    dtype: str = "float32",
    sides: tuple[str, ...] | None = None,
    suffix: str = "",
    quick: bool = False,
) -> Case:
    M, N, K, layout = shape
    size = np.dtype(dtype).itemsize
    narrow = min(M, N) < 16
    return Case(
        family="gemm",
        group=group,
        name=f"{layout} {M}x{N}x{K}{suffix}",
        kind="matmul",
        spec={"M": M, "N": N, "K": K, "layout": layout, "dtype": dtype},
        inputs=inputs,
        reference=reference,
        tolerance=1e-5 if dtype == "float32" else 1e-13,
        flops=2.0 * M * N * K,
        bytes=float(size * (M * K + K * N + M * N)),
        bound="" if narrow else "flops" if dtype == "float32" else "flops64",
        sides=sides or ("ours", "numpy", "torch"),
        quick=quick,
    )


EVERY = [shape for group in MATMULS.values() for shape in group]
NARROW = [shape for shape in EVERY if min(shape[:2]) < 16]
SMALL = [shape for shape in EVERY if shape not in NARROW and max(shape[:3]) <= 128]
# K and N of 192 and more; other shapes of networks are reported without a goal of their own.
LARGE = [shape for shape in EVERY if min(shape[1:3]) >= 192 and shape not in NARROW]
OTHER = [shape for shape in EVERY if shape not in NARROW + SMALL + LARGE]
CAPPED = [shape for shape in LARGE if max(shape[:3]) <= 1024]
DOUBLE = [(s, s, s, layout) for s in (256, 512, 1024) for layout in ("NN", "NT", "TN")]

CASES = [
    *(case("large", shape, quick=shape == (256, 256, 256, "NN")) for shape in LARGE),
    *(case("small", shape, quick=shape[0] == 64) for shape in SMALL),
    *(case("narrow", shape, quick=shape[1] == 512) for shape in NARROW),
    *(case("other", shape) for shape in OTHER),
    *(case("avx2", shape, sides=("ours-avx2", "numpy-avx2"), suffix=", AVX2") for shape in CAPPED),
    *(case("double", shape, "float64", suffix=", float64", quick=shape == (256, 256, 256, "NT")) for shape in DOUBLE),
]
