"""Optimizers, their schedules, the clipping of gradients, penalties and constraints."""

from __future__ import annotations

from . import penalties, schedules
from .adam import Adam, AdamW, NAdam
from .adaptive import Adadelta, Adagrad, RMSprop
from .clipping import clip_grad_norm_, clip_grad_value_
from .constraints import max_norm_
from .lamb import LAMB
from .loss_scaler import LossScaler
from .optimizer import Optimizer
from .sgd import SGD

__all__ = [
    "LAMB",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "LossScaler",
    "NAdam",
    "Optimizer",
    "RMSprop",
    "clip_grad_norm_",
    "clip_grad_value_",
    "max_norm_",
    "penalties",
    "schedules",
]
