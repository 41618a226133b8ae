"""Schedules made of others."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from ... import _C
from ...numbers import check_number
from .checks import check, check_milestones

__all__ = ["PerEpoch", "Product", "Sequential", "Warmup"]

Rate = Callable[[int], float]


def _rate(schedule: Rate | float, step: int) -> float:
    return float(schedule(step) if callable(schedule) else schedule)


def _check_rates(schedule: Any, rates: Sequence[Rate | float]) -> None:
    """Each is a function, or a constant rate."""
    if not isinstance(rates, Sequence) or isinstance(rates, str):
        raise _C.ArgumentError(f"{type(schedule).__name__}: schedules must be a list, found {type(rates).__name__}")
    for rate in rates:
        if not callable(rate):
            check_number(type(schedule).__name__, "a constant rate", rate)


def parts_of(schedule: Any) -> Iterator[Any]:
    """A schedule and all that it is made of."""
    yield schedule
    for item in fields(schedule) if is_dataclass(schedule) else ():
        value = getattr(schedule, item.name)
        for inside in value if isinstance(value, (list, tuple)) else (value,):
            if callable(inside):
                yield from parts_of(inside)


@dataclass(frozen=True)
class Warmup:
    """Another schedule after a linear start.

    Step ``s`` below ``steps`` takes ``(s + 1) / (steps + 1)`` of the other's first rate. The other begins, at its step
    0, when the start is over. A number stands for a constant rate.

    Parameters
    ----------
    after
        What follows: a schedule, or a number from 0 for a constant rate.
    steps
        How many steps the start takes; 0 leaves it out.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

    Examples
    --------
    >>> from tilegrad.optim.schedules import Cosine, Warmup
    >>> schedule = Warmup(Cosine(1.0, steps=100), steps=3)
    >>> [schedule(step) for step in range(4)]
    [0.25, 0.5, 0.75, 1.0]
    """

    after: Rate | float
    steps: int

    def __post_init__(self) -> None:
        check(self)
        _check_rates(self, [self.after])

    def __call__(self, step: int) -> float:
        if step < self.steps:
            return _rate(self.after, 0) * (step + 1) / (self.steps + 1)
        return _rate(self.after, step - self.steps)


@dataclass(frozen=True)
class Sequential:
    """One schedule after the other: the next begins, at its step 0, at each milestone.

    Numbers stand for constant rates.

    Parameters
    ----------
    schedules
        One more than milestones.
    milestones
        The steps at which the next one takes over.

    Raises
    ------
    ArgumentError
        If milestones do not grow from above 0, a constant rate is negative or not finite, or the numbers of schedules
        and milestones do not fit.

    Examples
    --------
    >>> from tilegrad.optim.schedules import Linear, Sequential
    >>> schedule = Sequential([0.1, Linear(1.0, steps=2)], milestones=[2])
    >>> [schedule(step) for step in range(6)]
    [0.1, 0.1, 1.0, 0.5, 0.0, 0.0]
    """

    schedules: Sequence[Rate | float]
    milestones: Sequence[int]

    def __post_init__(self) -> None:
        check_milestones(self, self.milestones)
        _check_rates(self, self.schedules)
        if len(self.schedules) != len(self.milestones) + 1:
            raise _C.ArgumentError(
                f"Sequential: {len(self.schedules)} schedules need {max(len(self.schedules) - 1, 0)} milestones, found "
                f"{len(self.milestones)}"
            )

    def __call__(self, step: int) -> float:
        position = bisect_right(self.milestones, step)
        return _rate(self.schedules[position], step - (self.milestones[position - 1] if position else 0))


@dataclass(frozen=True)
class Product:
    """Schedules at once: their rates multiplied. The first gives the rate, the others factors of it.

    Numbers stand for constant factors.

    Parameters
    ----------
    schedules
        At least one; numbers are finite and from 0.

    Raises
    ------
    ArgumentError
        If there is none, or a number is out of its range.

    Examples
    --------
    >>> from tilegrad.optim.schedules import Exponential, Product, StepDecay
    >>> schedule = Product([StepDecay(0.5, every=2, factor=0.5), Exponential(1.0, 0.5)])
    >>> [schedule(step) for step in range(4)]
    [0.5, 0.25, 0.0625, 0.03125]
    """

    schedules: Sequence[Rate | float]

    def __post_init__(self) -> None:
        _check_rates(self, self.schedules)
        if not self.schedules:
            raise _C.ArgumentError("Product: there are no schedules")

    def __call__(self, step: int) -> float:
        return math.prod(_rate(schedule, step) for schedule in self.schedules)


@dataclass(frozen=True)
class PerEpoch:
    """Another schedule, called with the number of epochs done instead of steps.

    ``schedule(step // steps_per_epoch)``: the rate stays the same during an epoch. ``len(loader)`` is the number of
    steps in one.

    Parameters
    ----------
    schedule
        A function of the epoch, from 0, or a number from 0.
    steps_per_epoch
        From 1.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

    Examples
    --------
    >>> from tilegrad.optim.schedules import Exponential, PerEpoch
    >>> schedule = PerEpoch(Exponential(1.0, 0.5), steps_per_epoch=3)
    >>> [schedule(step) for step in range(7)]
    [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    """

    schedule: Rate | float
    steps_per_epoch: int

    def __post_init__(self) -> None:
        check(self, steps_per_epoch=1)
        _check_rates(self, [self.schedule])

    def __call__(self, step: int) -> float:
        return _rate(self.schedule, step // self.steps_per_epoch)
