"""Training: the trainer, its callbacks, metrics and history."""

from __future__ import annotations

from . import metrics
from .callback import Callback
from .history import History
from .trainer import Trainer

__all__ = ["Callback", "History", "Trainer", "metrics"]
