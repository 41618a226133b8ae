"""A run as one page."""

from __future__ import annotations

from .report import report

__all__ = ["report"]
