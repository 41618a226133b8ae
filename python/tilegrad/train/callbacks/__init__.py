"""The callbacks that come with the trainer."""

from __future__ import annotations

from .csv_logger import CSVLogger
from .early_stopping import EarlyStopping
from .functions import LambdaCallback
from .learning_rate import LearningRateLogger
from .model_checkpoint import ModelCheckpoint
from .tensorboard import TensorBoard
from .terminate_on_nan import TerminateOnNaN

__all__ = [
    "CSVLogger",
    "EarlyStopping",
    "LambdaCallback",
    "LearningRateLogger",
    "ModelCheckpoint",
    "TensorBoard",
    "TerminateOnNaN",
]
