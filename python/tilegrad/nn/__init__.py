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
from .attention import MultiheadAttention
from .channel_normalization import GroupNorm, InstanceNorm1d, InstanceNorm2d, LocalResponseNorm
from .containers import ModuleDict, ModuleList, Sequential
from .conv import Conv1d, Conv2d
from .conv_transpose import ConvTranspose1d, ConvTranspose2d
from .dropout import AlphaDropout, Dropout, Dropout2d, SpatialDropout
from .embedding import Embedding
from .gates import HardConcrete, L0Linear
from .learned_activations import Maxout, PReLU
from .linear import Linear
from .losses import CrossEntropyLoss, KLDivLoss, MultiMarginLoss, NLLLoss
from .merging import Add, Concat, Residual
from .metric_losses import ContrastiveLoss, CosineEmbeddingLoss, TripletMarginLoss
from .module import Module
from .normalization import BatchNorm1d, BatchNorm2d, LayerNorm, RMSNorm
from .paired_losses import BCELoss, BCEWithLogitsLoss, HingeLoss, HuberLoss, L1Loss, MSELoss, SmoothL1Loss
from .parameter import Parameter
from .plot import plot_model
from .pooling import (
    AdaptiveAvgPool2d,
    AdaptiveMaxPool2d,
    AvgPool1d,
    AvgPool2d,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    GlobalMaxPool1d,
    GlobalMaxPool2d,
    MaxPool1d,
    MaxPool2d,
)
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from .registry import register
from .shape import Cropping2d, Flatten, Identity, Lambda, Permute, Reshape, Upsample, ZeroPad2d
from .transformer import PositionalEncoding, TransformerEncoderLayer, sinusoidal_encoding

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "SELU",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "Add",
    "AlphaDropout",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Concat",
    "ContrastiveLoss",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "CosineEmbeddingLoss",
    "Cropping2d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GlobalMaxPool1d",
    "GlobalMaxPool2d",
    "GroupNorm",
    "HardConcrete",
    "HardSigmoid",
    "Hardswish",
    "HingeLoss",
    "HuberLoss",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "KLDivLoss",
    "L0Linear",
    "L1Loss",
    "LSTMCell",
    "Lambda",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "Maxout",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiMarginLoss",
    "MultiheadAttention",
    "NLLLoss",
    "PReLU",
    "Parameter",
    "Permute",
    "PositionalEncoding",
    "RMSNorm",
    "RNNCell",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "SpatialDropout",
    "Step",
    "Tanh",
    "TransformerEncoderLayer",
    "TripletMarginLoss",
    "Upsample",
    "ZeroPad2d",
    "init",
    "plot_model",
    "register",
    "sinusoidal_encoding",
]
