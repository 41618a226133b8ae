"""Data sets and mini-batches."""

from __future__ import annotations

from . import readers, transforms
from .cifar import CIFAR10, CIFAR100, read_cifar10, read_cifar100
from .collate import collate
from .dataset import ArrayDataset, Dataset
from .idx import read_idx
from .loader import DataLoader
from .mnist import MNIST, FashionMNIST
from .split import train_validation_split
from .stream import GeneratorDataset, IterableDataset, from_generator, shuffled_through

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "MNIST",
    "ArrayDataset",
    "DataLoader",
    "Dataset",
    "FashionMNIST",
    "GeneratorDataset",
    "IterableDataset",
    "collate",
    "from_generator",
    "read_cifar10",
    "read_cifar100",
    "read_idx",
    "readers",
    "shuffled_through",
    "train_validation_split",
    "transforms",
]
