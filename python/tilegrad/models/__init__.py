"""Networks that are known by name, ready to be trained or filled with weights (:func:`tilegrad.io.load_torch`)."""

from __future__ import annotations

from .alexnet import alexnet
from .char_lstm import CharLSTM, char_lstm
from .densenet import densenet121
from .googlenet import googlenet
from .image_model import AuxiliaryLoss, ImageModel, Outputs
from .inception import inception_v3
from .lenet import lenet5
from .mlp import mlp, xor_net
from .mobilenet import mobilenet_v2
from .perceptron import Perceptron
from .preprocessing import Preprocessing
from .regression import logistic_regression, softmax_regression
from .resnet import resnet18, resnet20, resnet34, resnet50, resnet56, resnet101, resnet110, resnet152
from .vgg import small_vgg, vgg11, vgg16, vgg19

__all__ = [
    "AuxiliaryLoss",
    "CharLSTM",
    "ImageModel",
    "Outputs",
    "Perceptron",
    "Preprocessing",
    "alexnet",
    "char_lstm",
    "densenet121",
    "googlenet",
    "inception_v3",
    "lenet5",
    "logistic_regression",
    "mlp",
    "mobilenet_v2",
    "resnet18",
    "resnet20",
    "resnet34",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "small_vgg",
    "softmax_regression",
    "vgg11",
    "vgg16",
    "vgg19",
    "xor_net",
]
