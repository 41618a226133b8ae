"""One training step: forward, cross-entropy, backward and Adam, on a batch that is there already."""

from __future__ import annotations

import numpy as np

from bench import nets
from bench.case import Arrays, Case, Spec
from bench.nets import NETS

STEPS = 5  # whose losses are compared
RATE = 1e-3


def inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    net = NETS[spec["net"]]
    x = rng.normal(size=(net.batch, *net.sample)).astype(np.float32)
    labels = rng.integers(0, net.classes, size=net.batch)
    return {"x": x, "labels": labels, **nets.initial_weights(net, rng)}


CASES = [
    Case(
        family="training",
        group=f"step {letter}",
        name=f"({letter}) {net.title}, batch {net.batch}",
        kind="train",
        spec={"net": letter},
        inputs=inputs,
        # The losses of the first steps against float64: single gradients that rounding turns about move them so much.
        tolerance=1e-3,
        quick=letter in "ab",
        limit=240.0,
    )
    for letter, net in NETS.items()
]
