"""Names that a user gives as a list."""

from __future__ import annotations

from typing import Any

from ..._C import ArgumentError

__all__ = ["check_lists"]


def check_lists(owner: str, **given: Any) -> None:
    """Refuse a text where a list of them is expected: its characters would be taken one by one."""
    for name, value in given.items():
        if isinstance(value, str):
            raise ArgumentError(f"{owner}: {name} must be a list, found {value!r}; give [{value!r}]")
