"""What transforms become: the steps of native passes over whole batches (csrc/params/augment.h)."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from ..._C import ArgumentError
from ...tensor import Tensor

__all__ = ["Kind", "Pass", "Plan", "Step"]

MAX_STEPS = 16  # of a pass: kMaxAugmentSteps


class Kind:
    """The numbers of AugmentKind."""

    CROP, FLIP, AFFINE, RESIZE, RESIZED_CROP, SCALE, JITTER, CUTOUT = range(8)


BORDERS = {"none": 0, "constant": 1, "edge": 2, "reflect": 3}


class Step(NamedTuple):
    """A step as the binding takes it."""

    kind: int
    border: int
    nearest: bool
    fill: float
    number: int
    probability: float
    rows: int
    columns: int
    values: tuple[float, ...]


@dataclass
class Pass:
    """Steps that are taken in one pass, and the factors and shifts [K, 2, C] of those that scale."""

    steps: list[Step] = field(default_factory=list)
    scales: list[np.ndarray[Any, Any]] = field(default_factory=list)
    table: Tensor | None = None  # the scales, once the plan is complete


class Plan:
    """Collects the steps of a list of transforms for images [H, W, C] whose values go up to ``largest``."""

    def __init__(self, H: int, W: int, C: int, largest: float) -> None:
        self.H, self.W, self.C = H, W, C
        self.largest: float | None = largest  # None once values may be anything
        self.number = 0  # of the transform whose steps are added
        self.passes = [Pass()]

    def add(
        self,
        kind: int,
        *values: float,
        size: tuple[int, int] | None = None,
        border: str = "none",
        nearest: bool = False,
        fill: float = 0.0,
        probability: float = 1.0,
    ) -> None:
        """Append a step; a new pass begins where the one before cannot take it."""
        self.H, self.W = size or (self.H, self.W)
        geometric = kind <= Kind.RESIZED_CROP
        steps = self.passes[-1].steps
        # A pass takes pixels from where they lie, then changes them.
        if len(steps) == MAX_STEPS or (geometric and any(step.kind > Kind.RESIZED_CROP for step in steps)):
            self.passes.append(Pass())
        rule = (BORDERS[border], nearest, float(fill))
        if kind == Kind.AFFINE and self._continues(rule, probability):
            rule = (BORDERS["none"], False, 0.0)
        self.passes[-1].steps.append(
            Step(kind, *rule, self.number, probability, self.H, self.W, tuple(map(float, values)))
        )

    def _continues(self, rule: tuple[int, bool, float], probability: float) -> bool:
        """Whether a step before is an affine map with the same border, and nothing lies between: both are one map."""
        for step in reversed(self.passes[-1].steps):
            if step.kind == Kind.AFFINE:
                inherits = step.border == BORDERS["none"]
                if inherits:
                    continue
                return step[1:4] == rule and step.probability == probability == 1
            if step.kind != Kind.FLIP:
                return False
        return False

    def scale(self, factor: Any, shift: Any) -> None:
        """``value * factor + shift``, numbers or one for each channel; steps that follow one another are folded."""
        table = np.empty((2, self.C))
        table[0], table[1] = factor, shift
        current = self.passes[-1]
        if current.steps and current.steps[-1].kind == Kind.SCALE:
            before = current.scales[-1]
            current.scales[-1] = np.stack([before[0] * table[0], before[1] * table[0] + table[1]])
            return
        if len(current.steps) == MAX_STEPS:
            self.passes.append(current := Pass())
        current.scales.append(table)
        self.add(Kind.SCALE, len(current.scales) - 1)


# What arguments of transforms may be.


def number(owner: str, name: str, value: Any, low: float = -1e9, high: float = 1e9) -> float:
    """A finite number within bounds."""
    if isinstance(value, bool) or not isinstance(value, (Real, np.number)) or not low <= float(value) <= high:
        bounds = f"from {low:g} to {high:g}" if (low, high) != (-1e9, 1e9) else "finite"
        raise ArgumentError(f"{owner}: {name} must be a number {bounds}, found {value!r}")
    return float(value)


def bounds(owner: str, name: str, value: Any, low: float, high: float, around: float = 0.0) -> tuple[float, float]:
    """Two numbers, or one that says how far a draw may be from ``around``."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ArgumentError(f"{owner}: {name} must be a number or two, (least, most); found {value!r}")
        first, second = (number(owner, name, v, low, high) for v in value)
        if first > second:
            raise ArgumentError(f"{owner}: {name} must go from the lesser to the greater number, found {value!r}")
        return first, second
    distance = number(owner, name, value, 0.0, max(high - around, around - low))
    return max(around - distance, low), min(around + distance, high)


def probability(owner: str, value: Any) -> float:
    """From 0 to 1."""
    return number(owner, "p", value, 0.0, 1.0)


def whole(owner: str, name: str, value: Any, low: int = 0) -> int:
    """An integer of at least ``low``."""
    try:
        result = operator.index(value)
    except TypeError:
        result = low - 1
    if isinstance(value, bool) or not low <= result < 2**30:
        raise ArgumentError(f"{owner}: {name} must be an integer from {low} up, found {value!r}")
    return result


def pair(owner: str, name: str, value: Any, low: int = 1) -> tuple[int, int]:
    """An integer for rows and columns, or two."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ArgumentError(f"{owner}: {name} must be an integer or two, (rows, columns); found {value!r}")
        return whole(owner, name, value[0], low), whole(owner, name, value[1], low)
    return (whole(owner, name, value, low),) * 2


def sides(owner: str, value: Any) -> tuple[int, int, int, int]:
    """Padding as convolutions take it: an integer, (rows, columns) or ((top, bottom), (left, right))."""
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(v, (tuple, list)) for v in value):
        return (*pair(owner, "padding", value[0], 0), *pair(owner, "padding", value[1], 0))
    rows, columns = pair(owner, "padding", value, 0)
    return rows, rows, columns, columns


def border(owner: str, value: Any) -> str:
    """One of the padding modes."""
    if value not in ("constant", "edge", "reflect"):
        raise ArgumentError(f"{owner}: padding_mode must be 'constant', 'edge' or 'reflect', found {value!r}")
    return str(value)


def nearest(owner: str, value: Any) -> bool:
    """Whether the interpolation is by the nearest pixel."""
    if value not in ("nearest", "bilinear"):
        raise ArgumentError(f"{owner}: interpolation must be 'nearest' or 'bilinear', found {value!r}")
    return bool(value == "nearest")
