"""Which layer first gave something that is not finite."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Finding"]


class Finding(NamedTuple):
    """What was found."""

    message: str
