"""Training loops."""

from __future__ import annotations

from .trainer import Trainer

__all__ = ["Trainer"]
