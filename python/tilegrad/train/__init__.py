"""Training: the trainer, its callbacks, metrics and history."""

from __future__ import annotations

from . import metrics
from .averages import EMA, SWA
from .batch_statistics import update_batch_norm
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
from .ensemble import Ensemble
from .history import History
from .trainer import Trainer

__all__ = [
    "EMA",
    "SWA",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "CheckpointFolder",
    "EarlyStopping",
    "Ensemble",
    "Finding",
    "History",
    "LambdaCallback",
    "LearningRateLogger",
    "ModelCheckpoint",
    "TensorBoard",
    "TerminateOnNaN",
    "Trainer",
    "metrics",
    "update_batch_norm",
]
