"""CIFAR-10 and CIFAR-100: 32 x 32 colour images, in the "binary version".

A record is one label byte (CIFAR-100: two, coarse and fine), then the red, green and blue planes, row by row.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..errors import DataError
from .cache import cache_folder, download
from .dataset import ArrayDataset, NDArray

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
        If a file is missing, damaged, is not a whole number of records, or has a label above 9.
    """
    return _records(_contents(Path(path), members), 1, (10,))


def read_cifar100(path: str | os.PathLike[str], members: Sequence[str] | None = None) -> tuple[NDArray, NDArray]:
    """Read CIFAR-100 records; labels are int64 [N, 2], coarse and fine. See :func:`read_cifar10`."""
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
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:*") as archive:
            for entry in archive:
                name = entry.name.rsplit("/", 1)[-1]
                if name not in members or not entry.isreg():
                    continue
                if entry.size > MAX_FILE:
                    raise DataError(
                        f"{path}: member {entry.name} claims {entry.size} bytes, expected at most {MAX_FILE}"
                    )
                file = archive.extractfile(entry)
                found[name] = b"" if file is None else file.read()
                if len(found[name]) != entry.size:
                    raise DataError(
                        f"{path}: member {entry.name} is truncated: {len(found[name])} of {entry.size} bytes"
                    )
                if len(found) == len(set(members)):
                    break
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path}: the archive is damaged, truncated or of another kind ({error})") from None
    missing = [name for name in members if name not in found]
    if missing:
        raise DataError(f"{path}: the archive lacks {', '.join(missing)}")
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
    images, labels = [], []
    for name, content in contents.items():
        if not content or len(content) % length:
            raise DataError(f"{name}: {len(content)} bytes are not a whole number of records of {length} bytes")
        records = np.frombuffer(content, np.uint8).reshape(-1, length)
        for column, count in enumerate(classes):
            row = int(records[:, column].argmax())
            if records[row, column] >= count:
                raise DataError(f"{name}: label {records[row, column]} of record {row} is not below {count}")
        labels.append(records[:, :label_bytes].astype(np.int64))
        planes = records[:, label_bytes:].reshape(-1, 3, 32, 32)
        images.append(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)))
    joined = np.concatenate(labels)
    return np.concatenate(images), joined[:, 0] if label_bytes == 1 else joined


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
        Whether to compare the SHA-1 of each ``.bin`` file with that of the original.

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
    archive_checksum: ClassVar[str] = "md5:c32a1d4ab5d03f1284b67883e8d87530"
    train_files: ClassVar[Sequence[str]] = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
    test_files: ClassVar[Sequence[str]] = ("test_batch.bin",)
    file_checksums: ClassVar[Mapping[str, str]] = {  # SHA-1
        "data_batch_1.bin": "aadd24acce27caa71bf4b10992e9e7b2d74c2540",
        "data_batch_2.bin": "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795",
        "data_batch_3.bin": "1dd00a74ab1d17a6e7d73e185b69dbf31242f295",
        "data_batch_4.bin": "aab85764eb3584312d3c7f65fd2fd016e36a258e",
        "data_batch_5.bin": "26e2849e66a845b7f1e4614ae70f4889ae604628",
        "test_batch.bin": "67eb016db431130d61cd03c7ad570b013799c88c",
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
                found = hashlib.sha1(content, usedforsecurity=False).hexdigest()
                if name in self.file_checksums and found != self.file_checksums[name]:
                    raise DataError(f"{label}: SHA-1 {found}, the original has {self.file_checksums[name]}")
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

    As :class:`CIFAR10`, with labels int64 [N, 2]: the group and the class.
    """

    classes = ()
    archive = "cifar-100-binary"
    folder = "cifar-100-binary"
    urls = ("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",)
    archive_checksum = "md5:03b5dce01913d631647c71ecec9e9cb8"
    train_files = ("train.bin",)
    test_files = ("test.bin",)
    file_checksums: ClassVar[Mapping[str, str]] = {}
    _label_bytes = 2
    _counts = (20, 100)
