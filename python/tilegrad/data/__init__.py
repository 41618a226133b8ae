"""Data sets and mini-batches."""

from __future__ import annotations

from . import readers, transforms
from .cifar import CIFAR10, CIFAR100, read_cifar10, read_cifar100
from .dataset import ArrayDataset, Dataset
from .idx import read_idx
from .loader import DataLoader
from .mnist import MNIST, FashionMNIST
from .split import train_validation_split

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "MNIST",
    "ArrayDataset",
    "DataLoader",
    "Dataset",
    "FashionMNIST",
    "read_cifar10",
    "read_cifar100",
    "read_idx",
    "readers",
    "train_validation_split",
    "transforms",
]
