"""Checks of the numbers that optimizers are made with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .. import _C

__all__ = ["check_betas", "check_number"]


def check_number(
    owner: str, name: str, value: Any, low: float = 0.0, high: float = math.inf, open_low: bool = False
) -> float:
    """A finite number in [low, high), or (low, high) with ``open_low``."""
    try:
        if isinstance(value, (str, bytes)):  # which float() would read
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise _C.ArgumentError(f"{owner}: {name} must be a number, found {type(value).__name__}") from None
    if not (math.isfinite(number) and low <= number < high) or (open_low and number == low):
        least = f"above {low:g}" if open_low else f"at least {low:g}"
        below = f" and below {high:g}" if high < math.inf else ""
        raise _C.ArgumentError(f"{owner}: {name} must be finite, {least}{below}, found {number:g}")
    return number


def check_betas(owner: str, options: Mapping[str, Any]) -> None:
    """``betas`` are two numbers in [0, 1), ``eps`` is above 0."""
    try:
        first, second = options["betas"]
    except (TypeError, ValueError):
        raise _C.ArgumentError(f"{owner}: betas must be two numbers, found {options['betas']!r}") from None
    check_number(owner, "betas[0]", first, high=1.0)
    check_number(owner, "betas[1]", second, high=1.0)
    check_number(owner, "eps", options["eps"], open_low=True)
