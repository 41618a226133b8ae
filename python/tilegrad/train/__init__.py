"""Training: the trainer, its callbacks, metrics and history."""

from __future__ import annotations

from . import metrics
from .callback import Callback
from .callbacks import (
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateLogger,
    ModelCheckpoint,
    TensorBoard,
    TerminateOnNaN,
)
from .checkpoint_folder import Checkpoint, CheckpointFolder
from .diagnosis import Finding
from .history import History
from .trainer import Trainer

__all__ = [
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "CheckpointFolder",
    "EarlyStopping",
    "Finding",
    "History",
    "LambdaCallback",
    "LearningRateLogger",
    "ModelCheckpoint",
    "TensorBoard",
    "TerminateOnNaN",
    "Trainer",
    "metrics",
]
