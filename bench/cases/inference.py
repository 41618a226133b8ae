"""Trained networks: one sample, and batches of 256."""

from __future__ import annotations

import numpy as np

from bench import nets
from bench.case import Arrays, Case, Spec
from bench.nets import NETS

COMPARED = 4  # samples


def inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    net = NETS[spec["net"]]
    return {
        **nets.initial_weights(net, rng),
        "x": rng.normal(size=(spec["batch"], *net.sample)).astype(np.float32),
    }


def reference(spec: Spec, arrays: Arrays) -> Arrays:
    return {"logits": nets.forward(NETS[spec["net"]], arrays, arrays["x"][:COMPARED])}


CASES = [
    Case(
        family="inference",
        group="MLP, 256" if (letter, batch) == ("a", 256) else "one sample" if batch == 1 else "256",
        name=f"({letter}) {NETS[letter].title}, " + ("one sample" if batch == 1 else f"batch {batch}"),
        kind="infer",
        spec={"net": letter, "batch": batch},
        inputs=inputs,
        reference=reference,
        tolerance=1e-4,
        sides=("ours", "torch", "jax", "tensorflow", "onnxruntime"),
        quick=letter in "ab",
        limit=120.0,
    )
    for letter in "abcd"
    for batch in (1, 256)
]
