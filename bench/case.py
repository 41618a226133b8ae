"""What a benchmark case is, and what a side (ours or a rival) makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One thing to measure, on equal terms for all sides.

    Attributes
    ----------
    family, name
        Identify the case; ``group`` is what goals select by.
    kind
        Which builder of a side makes it: the key of its table ``BUILDERS``.
    spec
        What the builder needs to know: plain values.
    inputs
        Draws the arrays that every side gets, images in NHWC and filters in [R, S, C, K].
    reference
        The expected outputs in float64, by name; an output may be left out, a first axis may be cut short, and NaN is
        not compared. None: a side's own run in float64 is the reference (see ``Run.mode``).
    tolerance
        The largest error allowed, relative to the largest magnitude of the reference.
    flops, bytes
        The work done by the algorithm as defined, and the memory read and written at least.
    bound
        What limits it, and so which measured peak its share is printed of: "flops", "stream" or "".
    unit
        "s" for times; what a probe's figure counts otherwise.
    sides
        Who takes part; None for everyone whose table has the kind.
    fresh
        Whether each side measures it in a process of its own.
    quick
        Whether it belongs to the smoke test.
    limit
        Seconds that a side may take to prepare it (compilers are slow).
    """

    family: str
    group: str
    name: str
    kind: str
    spec: Spec = field(default_factory=dict)
    inputs: Callable[[Spec, np.random.Generator], Arrays] = lambda spec, rng: {}
    reference: Callable[[Spec, Arrays], Arrays] | None = None
    tolerance: float = 1e-5
    flops: float = 0.0
    bytes: float = 0.0
    bound: str = ""
    unit: str = "s"
    sides: tuple[str, ...] | None = None
    fresh: bool = False
    quick: bool = False
    limit: float = 60.0

    @property
    def key(self) -> str:
        return f"{self.family}/{self.name}"

    def draw(self) -> Arrays:
        """The inputs, the same in every run and on every side."""
        return self.inputs(self.spec, np.random.default_rng(0))


@dataclass(frozen=True)
class Run:
    """One way in which a side runs a case.

    ``value`` gives the outputs to be checked; it is called once, before ``call`` is ever timed. ``mode`` is what goals
    select by: "eager", "captured", "compiled", or "reference" for a run in float64 that is never timed.
    """

    variant: str
    call: Callable[[], object]
    value: Callable[[], Arrays]
    mode: str = "eager"


@dataclass(frozen=True)
class Probe:
    """A measurement that is not the time of a call.

    ``measure(seconds)`` takes as much care as a side's turn of that length, and returns its ``figure`` and whatever
    explains it.
    """

    variant: str
    measure: Callable[[float], dict[str, float]]
    mode: str = "eager"


Builder = Callable[[Spec, Arrays], list[Run] | list[Probe]]


def compare(case: Case, found: Arrays, reference: Arrays) -> str:
    """What is wrong with the outputs, or nothing."""
    for name, want in reference.items():
        if name not in found:
            return f"gave no {name}"
        got = found[name]
        if got.ndim and got.shape != want.shape:
            got = got[: want.shape[0]]
        if got.shape != want.shape:
            return f"{name} has shape {got.shape}, expected {want.shape}"
        with np.errstate(invalid="ignore"):
            errors = np.abs(got.astype(np.float64) - want)[~np.isnan(want)]
        scale = float(np.nanmax(np.abs(want))) if errors.size else 0.0
        error = float(errors.max()) if errors.size else 0.0
        if not error <= case.tolerance * scale:
            return f"{name} is off by {error:.2g}, {error / scale if scale else 0:.2g} of its largest value"
    return ""
