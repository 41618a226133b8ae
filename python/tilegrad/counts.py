"""Counts that a user gives: of epochs to wait, of samples in a batch, of bins."""

from __future__ import annotations

from typing import Any

from ._C import ArgumentError

__all__ = ["check_count"]


def check_count(owner: str, name: str, value: Any) -> None:
    """Raise where something else than an integer from 1 up was given."""
    if type(value) is not int or value < 1:
        raise ArgumentError(f"{owner}: {name} must be a positive integer, found {value!r}")
