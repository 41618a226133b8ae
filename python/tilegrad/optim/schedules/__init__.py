"""Learning rates as functions of the step.

A schedule is any object that, called with the number of steps done so far, returns the rate of the next one. Give it to
an optimizer in place of a number: ``SGD(parameters, lr=Cosine(0.1, steps=1000))``. All but :class:`ReduceOnPlateau`
hold no state, so that resuming needs nothing but the step; a plain function of the step does as well.

    rate = schedule(step)      step = 0 for the first update

Steps are updates, not epochs: ``steps=epochs * len(loader)``. :class:`PerEpoch` makes any schedule one of epochs.
"""

from __future__ import annotations

from .composed import PerEpoch, Product, Sequential, Warmup
from .cosines import Cosine, CosineRestarts, OneCycle
from .decays import (
    Constant,
    Exponential,
    InverseSqrt,
    InverseTime,
    Linear,
    MultiStep,
    NaturalExponential,
    Polynomial,
    StepDecay,
)
from .plateau import ReduceOnPlateau

__all__ = [
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Exponential",
    "InverseSqrt",
    "InverseTime",
    "Linear",
    "MultiStep",
    "NaturalExponential",
    "OneCycle",
    "PerEpoch",
    "Polynomial",
    "Product",
    "ReduceOnPlateau",
    "Sequential",
    "StepDecay",
    "Warmup",
]
