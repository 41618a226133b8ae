"""Training loops."""

from __future__ import annotations

from .checkpoint_folder import Checkpoint, CheckpointFolder
from .trainer import Trainer

__all__ = ["Checkpoint", "CheckpointFolder", "Trainer"]
