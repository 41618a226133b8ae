"""Layers and what they are made of."""

from __future__ import annotations

from . import init
from .activations import (
    ELU,
    GELU,
    SELU,
    HardSigmoid,
    Hardswish,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Step,
    Tanh,
)
from .channel_normalization import GroupNorm, InstanceNorm1d, InstanceNorm2d, LocalResponseNorm
from .containers import ModuleDict, ModuleList, Sequential
from .conv import Conv2d
from .dropout import Dropout, AlphaDropout, Dropout2d, SpatialDropout
from .embedding import Embedding
from .gates import HardConcrete, L0Linear
from .learned_activations import Maxout, PReLU
from .linear import Linear
from .losses import CrossEntropyLoss, KLDivLoss, MultiMarginLoss, NLLLoss
from .metric_losses import ContrastiveLoss, CosineEmbeddingLoss, TripletMarginLoss
from .module import Module
from .normalization import BatchNorm1d, BatchNorm2d, LayerNorm, RMSNorm
from .paired_losses import BCELoss, BCEWithLogitsLoss, HingeLoss, HuberLoss, L1Loss, MSELoss, SmoothL1Loss
from .parameter import Parameter
from .pooling import AvgPool2d, GlobalAvgPool2d, GlobalMaxPool2d, MaxPool2d
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from .registry import register
from .shape import Flatten, Reshape

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "SELU",
    "AlphaDropout",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "ContrastiveLoss",
    "Conv2d",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Dropout2d",
    "Flatten",
    "GRUCell",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "HardConcrete",
    "L0Linear",
    "LSTMCell",
    "GroupNorm",
    "HardSigmoid",
    "Hardswish",
    "HingeLoss",
    "HuberLoss",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "KLDivLoss",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Maxout",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiMarginLoss",
    "NLLLoss",
    "PReLU",
    "Parameter",
    "RNNCell",
    "RMSNorm",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "SpatialDropout",
    "Step",
    "Tanh",
    "TripletMarginLoss",
    "init",
    "register",
]
