"""The check of Adam's constants, which other optimizers have too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import _C
from ..numbers import check_number

__all__ = ["check_betas"]


def check_betas(owner: str, options: Mapping[str, Any]) -> None:
    """``betas`` are two numbers in [0, 1), ``eps`` is above 0."""
    try:
        first, second = options["betas"]
    except (TypeError, ValueError):
        raise _C.ArgumentError(f"{owner}: betas must be two numbers, found {options['betas']!r}") from None
    check_number(owner, "betas[0]", first, high=1.0)
    check_number(owner, "betas[1]", second, high=1.0)
    check_number(owner, "eps", options["eps"], open_low=True)
