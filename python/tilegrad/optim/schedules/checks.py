"""Checks of the numbers that schedules are made with."""

from __future__ import annotations

import operator
from dataclasses import fields
from typing import Any

from ... import _C
from ...numbers import check_number


def check(schedule: Any, **at_least: float) -> None:
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
        check_number(owner, item.name, value, low=at_least.get(item.name, 0))


def check_share(schedule: Any, name: str) -> None:
    """A number from 0 to 1."""
    owner = type(schedule).__name__
    if check_number(owner, name, getattr(schedule, name)) > 1:
        raise _C.ArgumentError(f"{owner}: {name} must be from 0 to 1, found {getattr(schedule, name):g}")


def check_milestones(schedule: Any, milestones: Any) -> None:
    """Whole numbers above 0 that grow."""
    owner = type(schedule).__name__
    try:
        steps = [operator.index(step) for step in milestones]
    except TypeError:
        raise _C.ArgumentError(f"{owner}: milestones must be whole numbers of steps, found {milestones!r}") from None
    if any(later <= earlier for earlier, later in zip([0, *steps], steps, strict=False)):
        raise _C.ArgumentError(f"{owner}: milestones must be above 0 and grow, found {milestones!r}")
