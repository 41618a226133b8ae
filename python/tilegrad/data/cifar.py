"""CIFAR-10 and CIFAR-100: 32 x 32 colour images, in the "binary version".

A record is one label byte (CIFAR-100: two, coarse and fine), then the red, green and blue planes, row by row.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from .._C import ArgumentError
from ..errors import DataError
from .cache import cache_folder, download
from .dataset import ArrayDataset, NDArray
from .readers.lists import check_lists
from .readers.tar import read_tar_members

__all__ = ["CIFAR10", "CIFAR100", "read_cifar10", "read_cifar100"]

PIXELS = 3 * 32 * 32
MAX_FILE = 1 << 30  # far above any file of these sets


def read_cifar10(path: str | os.PathLike[str], members: Sequence[str] | None = None) -> tuple[NDArray, NDArray]:
    """Read CIFAR-10 records.

    Parameters
    ----------
    path
        A ``.bin`` file; a folder or a tar archive (``.tar.gz``, ``.tar.xz``, ``.tar``) that has the ``members``.
    members
        Names of the files to read from a folder or archive, without folders; their records follow one another.

    Returns
    -------
    tuple
        Images, uint8 [N, 32, 32, 3], and labels, int64 [N].

    Raises
    ------
    DataError
        If a file is missing, damaged, is not a whole number of records, or has a label above 9; or if ``path`` is a
        folder and ``members`` is not given.
    ArgumentError
        If ``members`` is one text.
    """
    check_lists("read_cifar10", members=members)
    return _records(_contents(Path(path), members), 1, (10,))


def read_cifar100(path: str | os.PathLike[str], members: Sequence[str] | None = None) -> tuple[NDArray, NDArray]:
    """Read CIFAR-100 records.

    Parameters
    ----------
    path, members
        As of :func:`read_cifar10`.

    Returns
    -------
    tuple
        Images, uint8 [N, 32, 32, 3], and labels, int64 [N, 2]: the coarse one, below 20, and the fine one, below 100.

    Raises
    ------
    DataError, ArgumentError
        As of :func:`read_cifar10`.
    """
    check_lists("read_cifar100", members=members)
    return _records(_contents(Path(path), members), 2, (20, 100))


def _contents(path: Path, members: Sequence[str] | None) -> dict[str, bytes]:
    """The bytes of each file, by a name for messages."""
    if path.is_dir():
        if members is None:
            raise DataError(f"{path}: a folder; say which files of it to read (members)")
        return {str(path / name): _read_file(path / name) for name in members}
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder")
    if members is None:
        return {str(path): _read_file(path)}
    found = read_tar_members(path, members, MAX_FILE)
    return {f"{path}: {name}": found[name] for name in members}


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    size = path.stat().st_size
    if size > MAX_FILE:
        raise DataError(f"{path}: {size} bytes, expected at most {MAX_FILE}")
    return path.read_bytes()


def _records(contents: Mapping[str, bytes], label_bytes: int, classes: tuple[int, ...]) -> tuple[NDArray, NDArray]:
    length = label_bytes + PIXELS
    for name, content in contents.items():
        if not content or len(content) % length:
            raise DataError(f"{name}: {len(content)} bytes are not a whole number of records of {length} bytes")
    total = sum(len(content) // length for content in contents.values())
    images, labels = np.empty((total, 32, 32, 3), np.uint8), np.empty((total, label_bytes), np.int64)
    start = 0
    for name, content in contents.items():
        records = np.frombuffer(content, np.uint8).reshape(-1, length)
        for column, count in enumerate(classes):
            row = int(records[:, column].argmax())
            if records[row, column] >= count:
                raise DataError(f"{name}: label {records[row, column]} of record {row} is not below {count}")
        end = start + len(records)
        labels[start:end] = records[:, :label_bytes]
        images[start:end] = records[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        start = end
    return images, labels[:, 0] if label_bytes == 1 else labels


class CIFAR10(ArrayDataset):
    """Photographs of ten classes: 50,000 for training, 10,000 for testing.

    Parameters
    ----------
    root
        The archive (``cifar-10-binary.tar.gz`` or ``.tar.xz``), a folder that has it, or a folder with the ``.bin``
        files, itself or in ``cifar-10-batches-bin``. None: the archive is downloaded into the cache folder, which needs
        the extra ``examples``.
    train
        Whether to read the training images or the test images.
    check
        Whether to compare the SHA-256 of each ``.bin`` file with that of the original.

    Attributes
    ----------
    images : numpy.ndarray
        uint8 [N, 32, 32, 3], red, green, blue.
    labels : numpy.ndarray
        int64 [N]; ``classes`` has their names.

    Raises
    ------
    DataError
        If a file is missing or damaged.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """

    classes: ClassVar[Sequence[str]] = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    archive: ClassVar[str] = "cifar-10-binary"
    folder: ClassVar[str] = "cifar-10-batches-bin"
    urls: ClassVar[Sequence[str]] = ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",)
    archive_checksum: ClassVar[str] = "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    train_files: ClassVar[Sequence[str]] = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
    test_files: ClassVar[Sequence[str]] = ("test_batch.bin",)
    file_checksums: ClassVar[Mapping[str, str]] = {  # SHA-256
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    }
    _label_bytes: ClassVar[int] = 1
    _counts: ClassVar[tuple[int, ...]] = (10,)

    images: NDArray
    labels: NDArray

    def __init__(self, root: str | os.PathLike[str] | None = None, train: bool = True, check: bool = True) -> None:
        names = self.train_files if train else self.test_files
        contents = _contents(self._find(root), names)
        if check:
            for name, (label, content) in zip(names, contents.items(), strict=True):
                found = hashlib.sha256(content).hexdigest()
                if name in self.file_checksums and found != self.file_checksums[name]:
                    raise DataError(f"{label}: SHA-256 {found}, the original has {self.file_checksums[name]}")
        self.images, self.labels = _records(contents, self._label_bytes, self._counts)
        super().__init__(self.images, self.labels)

    @classmethod
    def _find(cls, root: str | os.PathLike[str] | None) -> Path:
        if root is None:
            return download(cls.urls, cls.archive_checksum, cache_folder() / "cifar", f"{cls.archive}.tar.gz")
        path = Path(root)
        for candidate in (
            path / f"{cls.archive}.tar.gz",
            path / f"{cls.archive}.tar.xz",
            path / cls.folder,
        ):
            if candidate.exists():
                return candidate
        return path


class CIFAR100(CIFAR10):
    """Photographs of a hundred classes in twenty groups: 50,000 for training, 10,000 for testing.

    As :class:`CIFAR10`, with files ``cifar-100-binary.tar.gz`` or ``train.bin`` and ``test.bin``.

    Parameters
    ----------
    root, train, check
        As for :class:`CIFAR10`.
    target : {"class", "group", "both"}
        What the labels are: int64 [N] among the hundred ``classes`` or the twenty ``groups``, or [N, 2], group and
        class.
    """

    classes = (
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl",
        "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee",
        "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant",
        "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower",
        "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom",
        "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate",
        "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark",
        "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower",
        "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor", "train", "trout", "tulip",
        "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
    )  # fmt: skip
    groups: ClassVar[Sequence[str]] = (
        "aquatic_mammals", "fish", "flowers", "food_containers", "fruit_and_vegetables", "household_electrical_devices",
        "household_furniture", "insects", "large_carnivores", "large_man-made_outdoor_things",
        "large_natural_outdoor_scenes", "large_omnivores_and_herbivores", "medium_mammals", "non-insect_invertebrates",
        "people", "reptiles", "small_mammals", "trees", "vehicles_1", "vehicles_2",
    )  # fmt: skip
    archive = "cifar-100-binary"
    folder = "cifar-100-binary"
    urls = ("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",)
    archive_checksum = "sha256:58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
    train_files = ("train.bin",)
    test_files = ("test.bin",)
    file_checksums: ClassVar[Mapping[str, str]] = {
        "train.bin": "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
        "test.bin": "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
    }
    _label_bytes = 2
    _counts = (20, 100)

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        check: bool = True,
        target: str = "class",
    ) -> None:
        columns = {"group": 0, "class": 1, "both": None}
        if target not in columns:
            raise ArgumentError(f"CIFAR100: target must be 'class', 'group' or 'both', found {target!r}")
        super().__init__(root, train, check)
        column = columns[target]
        if column is not None:
            self.labels = np.ascontiguousarray(self.labels[:, column])
            self.arrays = (self.images, self.labels)
