"""What an operation costs beside its arithmetic: tiny tensors, and memory."""

from __future__ import annotations

import numpy as np

from bench.case import Arrays, Case, Spec

WIDTH = 16
STAGES = ("forward", "forward + backward", "forward + backward + optimizer")


def add_inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    return {"a": rng.normal(size=4).astype(np.float32), "b": rng.normal(size=4).astype(np.float32)}


def add_reference(spec: Spec, arrays: Arrays) -> Arrays:
    return {"sum": arrays["a"].astype(np.float64) + arrays["b"]}


def mlp_inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    """Three dense layers of width 16 and one sample."""
    weights = {f"w{i}": rng.normal(0, (2 / WIDTH) ** 0.5, size=(WIDTH, WIDTH)) for i in range(3)}
    biases = {f"b{i}": rng.normal(0, 0.1, size=WIDTH) for i in range(3)}
    data = {"x": rng.normal(size=(1, WIDTH)), "target": rng.normal(size=(1, WIDTH))}
    return {name: array.astype(np.float32) for name, array in {**weights, **biases, **data}.items()}


def mlp_reference(spec: Spec, arrays: Arrays) -> Arrays:
    """The loss, and the gradient of the last bias: 2 (y - target) / 16."""
    y = arrays["x"].astype(np.float64)
    for i in range(3):
        y = y @ arrays[f"w{i}"].astype(np.float64) + arrays[f"b{i}"]
        y = np.maximum(y, 0) if i < 2 else y
    difference = y - arrays["target"]
    found = {"loss": np.asarray((difference**2).mean())}
    if spec["stage"] > 0:
        found["gradient"] = 2 * difference[0] / WIDTH
    return found


def bytes_name(count: int) -> str:
    return f"{count >> 20} MB" if count >= 1 << 20 else f"{count >> 10} KB"


CASES = [
    Case(
        "overhead", "tiny op", "add of 4 numbers", "add4", {"recorded": False}, add_inputs, add_reference, 1e-6,
        quick=True,
    ),
    Case(
        "overhead", "recording", "add of 4 numbers, recorded", "add4", {"recorded": True}, add_inputs, add_reference,
        1e-6, sides=("ours", "torch"), quick=True,
    ),
    *(
        Case(
            "overhead", f"MLP of width 16, {stage}", f"MLP of width 16, {stage}", "mlp16", {"stage": number},
            mlp_inputs, mlp_reference, sides=("ours", "torch"), quick=True,
        )
        for number, stage in enumerate(STAGES)
    ),
    *(
        Case(
            "overhead", "allocator", f"{'fill' if fill else 'allocate'} and free {bytes_name(count)}", "allocate",
            {"bytes": count, "fill": fill}, reference=lambda spec, arrays: {},
            sides=("ours", "numpy", "torch", "torch-plain"), quick=count <= 1 << 20,
        )
        for count in (4 << 10, 1 << 20, 64 << 20)
        for fill in (False, True)
    ),
]  # fmt: skip
