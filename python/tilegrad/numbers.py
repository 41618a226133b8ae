"""Checks of the numbers that a user gives: counts of epochs or bins, rates, shares."""

from __future__ import annotations

import math
from typing import Any

from ._C import ArgumentError

__all__ = ["check_count", "check_number"]


def check_count(owner: str, name: str, value: Any) -> None:
    """Raise where something else than an integer from 1 up was given."""
    if type(value) is not int or value < 1:
        raise ArgumentError(f"{owner}: {name} must be a positive integer, found {value!r}")


def check_number(
    owner: str, name: str, value: Any, low: float = 0.0, high: float = math.inf, open_low: bool = False
) -> float:
    """A finite number in [low, high), or (low, high) with ``open_low``."""
    try:
        if isinstance(value, (str, bytes)):  # which float() would read
            raise TypeError
        number = float(value)
    except OverflowError:  # an integer beyond all floating numbers
        number = math.inf
    except (TypeError, ValueError):
        raise ArgumentError(f"{owner}: {name} must be a number, found {type(value).__name__}") from None
    if not (math.isfinite(number) and low <= number < high) or (open_low and number == low):
        least = f"above {low:g}" if open_low else f"at least {low:g}"
        below = f" and below {high:g}" if high < math.inf else ""
        raise ArgumentError(f"{owner}: {name} must be finite, {least}{below}, found {number:g}")
    return number
