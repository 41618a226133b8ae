"""Rates that fall and do not rise again."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ... import _C
from .checks import check, check_milestones

__all__ = [
    "Constant",
    "Exponential",
    "InverseSqrt",
    "InverseTime",
    "Linear",
    "MultiStep",
    "NaturalExponential",
    "Polynomial",
    "StepDecay",
]


@dataclass(frozen=True)
class Constant:
    """The same rate at every step.

    Parameters
    ----------
    rate
        From 0.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

    Examples
    --------
    >>> from tilegrad.optim.schedules import Constant
    >>> Constant(0.1)(7)
    0.1
    """

    rate: float

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, step: int) -> float:
        return self.rate


@dataclass(frozen=True)
class StepDecay:
    """A staircase: every ``every`` steps the rate is multiplied by ``factor``.

    ``rate * factor ** (step // every)``

    Parameters
    ----------
    rate
        The first rate, from 0.
    every
        The steps of one stair, from 1.
    factor
        From 0; above 1 the rate grows.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

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
        check(self, every=1)

    def __call__(self, step: int) -> float:
        return float(self.rate * self.factor ** (step // self.every))


@dataclass(frozen=True)
class MultiStep:
    """At each of the milestones the rate is multiplied by ``factor``: ``rate * factor ** (milestones passed)``.

    Parameters
    ----------
    rate
        The first rate, from 0.
    milestones
        Numbers of steps, from 1, that grow: the first update with the lower rate is step ``milestones[0]``.
    factor
        From 0; above 1 the rate grows.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

    Examples
    --------
    >>> from tilegrad.optim.schedules import MultiStep
    >>> [MultiStep(1.0, milestones=(2, 3), factor=0.5)(step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.25]
    """

    rate: float
    milestones: Sequence[int]
    factor: float = 0.1

    def __post_init__(self) -> None:
        check(self)
        check_milestones(self, self.milestones)

    def __call__(self, step: int) -> float:
        return float(self.rate * self.factor ** bisect_right(self.milestones, step))


@dataclass(frozen=True)
class Exponential:
    """Falls by the same factor at every step: ``rate * factor ** step``.

    Parameters
    ----------
    rate
        The first rate, from 0.
    factor
        From 0; above 1 the rate grows.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

    Examples
    --------
    >>> from tilegrad.optim.schedules import Exponential
    >>> Exponential(1.0, factor=0.5)(3)
    0.125
    """

    rate: float
    factor: float

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, step: int) -> float:
        return float(self.rate * self.factor**step)


@dataclass(frozen=True)
class NaturalExponential:
    """Falls to 1 / e in every ``constant`` steps: ``rate * exp(-step / constant)``.

    Parameters
    ----------
    rate
        The first rate, from 0.
    constant
        Steps, above 0; need not be whole.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

    Examples
    --------
    >>> from tilegrad.optim.schedules import NaturalExponential
    >>> round(NaturalExponential(1.0, constant=100.0)(100), 6)
    0.367879
    """

    rate: float
    constant: float

    def __post_init__(self) -> None:
        check(self)
        if self.constant == 0:
            raise _C.ArgumentError("NaturalExponential: constant must be above 0, found 0")

    def __call__(self, step: int) -> float:
        return self.rate * math.exp(-step / self.constant)


@dataclass(frozen=True)
class InverseTime:
    """Falls as a hyperbola: ``rate / (1 + decay * step)``.

    Parameters
    ----------
    rate
        The first rate, from 0.
    decay
        From 0; after ``1 / decay`` steps the rate is half the first.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

    Examples
    --------
    >>> from tilegrad.optim.schedules import InverseTime
    >>> InverseTime(1.0, decay=0.5)(2)
    0.5
    """

    rate: float
    decay: float

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, step: int) -> float:
        return self.rate / (1 + self.decay * step)


@dataclass(frozen=True)
class InverseSqrt:
    """Falls with the root of the number of the update: ``rate / sqrt(n)`` for update ``n = step + 1``.

    Parameters
    ----------
    rate
        The first rate, from 0.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

    Examples
    --------
    >>> from tilegrad.optim.schedules import InverseSqrt
    >>> [InverseSqrt(1.0)(step) for step in (0, 3, 15)]
    [1.0, 0.5, 0.25]
    """

    rate: float

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, step: int) -> float:
        return self.rate / math.sqrt(step + 1)


@dataclass(frozen=True)
class Linear:
    """From ``rate`` to ``last`` in equal steps, then ``last``.

    Parameters
    ----------
    rate
        The first rate, from 0.
    steps
        After how many steps it has come to ``last``, from 1.
    last
        The last rate, from 0.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

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
        check(self, steps=1)

    def __call__(self, step: int) -> float:
        return self.rate + (self.last - self.rate) * (min(step, self.steps) / self.steps)


@dataclass(frozen=True)
class Polynomial:
    """From ``rate`` to ``last`` as a power: ``last + (rate - last) * (1 - step / steps) ** power``, then ``last``.

    Parameters
    ----------
    rate, steps, last
        As in :class:`Linear`.
    power
        From 0; 1 is :class:`Linear`, more falls faster at first.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

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
        check(self, steps=1)

    def __call__(self, step: int) -> float:
        return float(self.last + (self.rate - self.last) * (1 - min(step, self.steps) / self.steps) ** self.power)
