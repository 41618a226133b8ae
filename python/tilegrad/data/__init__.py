"""Data sets and mini-batches."""

from __future__ import annotations

from . import readers, transforms
from .cifar import CIFAR10, CIFAR100, read_cifar10, read_cifar100
from .collate import collate
from .dataset import ArrayDataset, Dataset
from .encoders import BinaryEncoder, LabelEncoder, OneHotEncoder
from .idx import read_idx
from .images import ImageFolder
from .loader import DataLoader
from .mnist import MNIST, FashionMNIST
from .scalers import FixedScaler, MinMaxScaler, RunningStatistics, StandardScaler
from .split import Subset, k_fold, split_indices, train_validation_split, train_validation_test_split
from .stream import GeneratorDataset, IterableDataset, from_generator, shuffled_through
from .tables import CSVDataset

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "MNIST",
    "ArrayDataset",
    "BinaryEncoder",
    "CSVDataset",
    "DataLoader",
    "Dataset",
    "FashionMNIST",
    "FixedScaler",
    "GeneratorDataset",
    "ImageFolder",
    "IterableDataset",
    "LabelEncoder",
    "MinMaxScaler",
    "OneHotEncoder",
    "RunningStatistics",
    "StandardScaler",
    "Subset",
    "collate",
    "from_generator",
    "k_fold",
    "read_cifar10",
    "read_cifar100",
    "read_idx",
    "readers",
    "shuffled_through",
    "split_indices",
    "train_validation_split",
    "train_validation_test_split",
    "transforms",
]
