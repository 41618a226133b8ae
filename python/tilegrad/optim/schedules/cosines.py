"""Rates along half cosines."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .checks import check, check_share

__all__ = ["Cosine", "CosineRestarts", "OneCycle"]


def _between(first: float, last: float, part: float) -> float:
    """From ``first`` at part 0 to ``last`` at part 1 along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * part)) / 2


@dataclass(frozen=True)
class Cosine:
    """From ``rate`` to ``last`` along half a cosine, then ``last``.

    ``last + (rate - last) * (1 + cos(pi * step / steps)) / 2``

    Source: Loshchilov and Hutter, "SGDR", ICLR 2017, without its restarts: see :class:`CosineRestarts`.

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
    >>> from tilegrad.optim.schedules import Cosine
    >>> Cosine(0.5, steps=10)(0), Cosine(0.5, steps=10)(10)
    (0.5, 0.0)
    """

    rate: float
    steps: int
    last: float = 0.0

    def __post_init__(self) -> None:
        check(self, steps=1)

    def __call__(self, step: int) -> float:
        return _between(self.rate, self.last, min(step, self.steps) / self.steps)


@dataclass(frozen=True)
class CosineRestarts:
    """Half a cosine from ``rate`` to ``last``, again and again.

    The first lasts ``period`` steps, each other ``multiplier`` times as many as the one before.

    Source: Loshchilov and Hutter, "SGDR", ICLR 2017.

    Parameters
    ----------
    rate
        The first rate of each, from 0.
    period
        The steps of the first, from 1.
    multiplier
        An integer from 1.
    last
        What each goes down to, from 0; the step that would take it takes ``rate`` again.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

    Examples
    --------
    >>> from tilegrad.optim.schedules import CosineRestarts
    >>> schedule = CosineRestarts(1.0, period=2, multiplier=2)
    >>> [round(schedule(step), 3) for step in range(8)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0, 0.962]
    """

    rate: float
    period: int
    multiplier: int = 1
    last: float = 0.0

    def __post_init__(self) -> None:
        check(self, period=1, multiplier=1)

    def __call__(self, step: int) -> float:
        length = self.period
        if self.multiplier == 1:
            step %= length
        while step >= length:
            step -= length
            length *= self.multiplier
        return _between(self.rate, self.last, step / length)


@dataclass(frozen=True)
class OneCycle:
    """Up to ``rate`` during the first ``pct_start`` of the steps, then down to almost nothing, along half cosines.

    From ``rate / div_factor`` up to ``rate``, and from there down to ``rate / div_factor / final_div_factor`` at the
    last step, ``steps - 1``. As PyTorch's OneCycleLR, with its numbers; but where the way up has no step of its own
    (``pct_start * steps`` below 1) the first step takes ``rate``.

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

    Raises
    ------
    ArgumentError
        If a number is out of its range.

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
        check(self, steps=1, div_factor=1, final_div_factor=1)
        check_share(self, "pct_start")

    def __call__(self, step: int) -> float:
        first = self.rate / self.div_factor
        last = first / self.final_div_factor
        top = max(self.pct_start * self.steps - 1, 0.0)  # the step of the largest rate
        step = min(step, self.steps - 1)
        if step <= top:
            return _between(first, self.rate, step / top if top > 0 else 1.0)
        falling = self.steps - 1 - top
        return _between(self.rate, last, (step - top) / falling)
