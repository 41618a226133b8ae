"""Learning rates as functions of the step.

A schedule is any object that, called with the number of steps done so far, returns the rate of the next one. Give it to
an optimizer in place of a number: ``SGD(parameters, lr=Cosine(0.1, steps=1000))``. The ones here hold no state, so that
resuming needs nothing but the step; a plain function of the step does as well.

    rate = schedule(step)      step = 0 for the first update
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from .. import _C

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "Linear",
    "OneCycle",
    "Polynomial",
    "StepDecay",
    "Warmup",
]

Rate = Callable[[int], float]


def _check(schedule: Any, **at_least: float) -> None:
    """Every number of a schedule is finite and not below its bound."""
    owner = type(schedule).__name__
    for item in fields(schedule):
        if item.type not in ("int", "float"):
            continue
        value = getattr(schedule, item.name)
        if item.type == "int":
            try:
                operator.index(value)
            except TypeError:
                raise _C.ArgumentError(
                    f"{owner}: {item.name} must be an integer, found {type(value).__name__}"
                ) from None
        least = at_least.get(item.name, 0)
        if not (math.isfinite(value) and value >= least):
            raise _C.ArgumentError(f"{owner}: {item.name} must be finite and at least {least:g}, found {value:g}")


def _below_one(schedule: Any, name: str) -> None:
    value = getattr(schedule, name)
    if not 0 <= value <= 1:
        raise _C.ArgumentError(f"{type(schedule).__name__}: {name} must be from 0 to 1, found {value:g}")


def _between(first: float, last: float, part: float) -> float:
    """From ``first`` at part 0 to ``last`` at part 1 along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * part)) / 2


@dataclass(frozen=True)
class Constant:
    """The same rate at every step.

    Examples
    --------
    >>> from tilegrad.optim.schedules import Constant
    >>> Constant(0.1)(7)
    0.1
    """

    rate: float

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, step: int) -> float:
        return self.rate


@dataclass(frozen=True)
class StepDecay:
    """A staircase: every ``every`` steps the rate is multiplied by ``factor``.

    ``rate * factor ** (step // every)``

    Examples
    --------
    >>> from tilegrad.optim.schedules import StepDecay
    >>> [StepDecay(1.0, every=2, factor=0.5)(step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    rate: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        _check(self, every=1)

    def __call__(self, step: int) -> float:
        return float(self.rate * self.factor ** (step // self.every))


@dataclass(frozen=True)
class Exponential:
    """Falls by the same factor at every step: ``rate * factor ** step``.

    Examples
    --------
    >>> from tilegrad.optim.schedules import Exponential
    >>> Exponential(1.0, factor=0.5)(3)
    0.125
    """

    rate: float
    factor: float

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, step: int) -> float:
        return float(self.rate * self.factor**step)


@dataclass(frozen=True)
class Linear:
    """From ``rate`` to ``last`` in equal steps, then ``last``.

    Examples
    --------
    >>> from tilegrad.optim.schedules import Linear
    >>> [Linear(1.0, steps=4)(step) for step in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    rate: float
    steps: int
    last: float = 0.0

    def __post_init__(self) -> None:
        _check(self, steps=1)

    def __call__(self, step: int) -> float:
        return self.rate + (self.last - self.rate) * (min(step, self.steps) / self.steps)


@dataclass(frozen=True)
class Polynomial:
    """From ``rate`` to ``last`` as a power: ``last + (rate - last) * (1 - step / steps) ** power``, then ``last``.

    Examples
    --------
    >>> from tilegrad.optim.schedules import Polynomial
    >>> Polynomial(1.0, steps=4, power=2.0)(2)
    0.25
    """

    rate: float
    steps: int
    last: float = 0.0
    power: float = 1.0

    def __post_init__(self) -> None:
        _check(self, steps=1)

    def __call__(self, step: int) -> float:
        return float(self.last + (self.rate - self.last) * (1 - min(step, self.steps) / self.steps) ** self.power)


@dataclass(frozen=True)
class Cosine:
    """From ``rate`` to ``last`` along half a cosine, then ``last``.

    ``last + (rate - last) * (1 + cos(pi * step / steps)) / 2``

    Source: Loshchilov and Hutter, "SGDR", ICLR 2017, without its restarts.

    Examples
    --------
    >>> from tilegrad.optim.schedules import Cosine
    >>> Cosine(0.5, steps=10)(0), Cosine(0.5, steps=10)(10)
    (0.5, 0.0)
    """

    rate: float
    steps: int
    last: float = 0.0

    def __post_init__(self) -> None:
        _check(self, steps=1)

    def __call__(self, step: int) -> float:
        return _between(self.rate, self.last, min(step, self.steps) / self.steps)


@dataclass(frozen=True)
class Warmup:
    """Another schedule after a linear start.

    Step ``s`` below ``steps`` takes ``(s + 1) / (steps + 1)`` of the other's first rate. The other begins, at its step
    0, when the start is over. A number stands for a constant rate.

    Examples
    --------
    >>> from tilegrad.optim.schedules import Cosine, Warmup
    >>> schedule = Warmup(Cosine(1.0, steps=100), steps=3)
    >>> [schedule(step) for step in range(4)]
    [0.25, 0.5, 0.75, 1.0]
    """

    after: Rate | float
    steps: int
    _schedule: Rate = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check(self)
        schedule = self.after if callable(self.after) else Constant(self.after)
        object.__setattr__(self, "_schedule", schedule)

    def __call__(self, step: int) -> float:
        if step < self.steps:
            return self._schedule(0) * (step + 1) / (self.steps + 1)
        return self._schedule(step - self.steps)


@dataclass(frozen=True)
class OneCycle:
    """Up to ``rate`` during the first ``pct_start`` of the steps, then down to almost nothing, along half cosines.

    From ``rate / div_factor`` up to ``rate``, and from there down to ``rate / div_factor / final_div_factor`` at the
    last step, ``steps - 1``. As PyTorch's OneCycleLR, with its numbers.

    Parameters
    ----------
    rate
        The largest rate.
    steps
        The number of updates in all.
    pct_start
        The share of them that goes up, from 0 to 1.
    div_factor
        The largest rate over the first one.
    final_div_factor
        The first rate over the last one.

    Notes
    -----
    Source: Smith and Topin, "Super-convergence", 2017.

    Examples
    --------
    >>> from tilegrad.optim.schedules import OneCycle
    >>> schedule = OneCycle(1.0, steps=101, pct_start=0.5)
    >>> round(schedule(0), 6), round(schedule(49), 2), round(schedule(100), 9)
    (0.04, 1.0, 4e-06)
    """

    rate: float
    steps: int
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        _check(self, steps=1, div_factor=1, final_div_factor=1)
        _below_one(self, "pct_start")

    def __call__(self, step: int) -> float:
        first = self.rate / self.div_factor
        last = first / self.final_div_factor
        top = max(self.pct_start * self.steps - 1, 0.0)  # the step of the largest rate
        step = min(step, self.steps - 1)
        if step <= top:
            return _between(first, self.rate, step / top if top > 0 else 1.0)
        falling = self.steps - 1 - top
        return _between(self.rate, last, (step - top) / falling)
