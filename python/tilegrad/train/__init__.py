"""Training: the trainer, its callbacks, metrics and history."""

from __future__ import annotations

from . import metrics
from .callback import Callback
from .checkpoint_folder import Checkpoint, CheckpointFolder
from .history import History
from .trainer import Trainer

__all__ = [
    "Callback",
    "Checkpoint",
    "CheckpointFolder",
    "History",
    "Trainer",
    "metrics",
]
