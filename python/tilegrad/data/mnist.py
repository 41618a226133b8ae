"""MNIST and Fashion-MNIST: 28 x 28 grey images of ten classes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ..errors import DataError
from .cache import cache_folder, download
from .dataset import ArrayDataset, NDArray
from .idx import read_idx

__all__ = ["MNIST", "FashionMNIST"]


class MNIST(ArrayDataset):
    """Handwritten digits: 60,000 images for training, 10,000 for testing.

    Parameters
    ----------
    root
        A folder with the four IDX files (``train-images-idx3-ubyte.gz`` ..., plain or compressed). None: they are
        downloaded into the cache folder, which needs the extra ``examples``, and their checksums compared.
    train
        Whether to read the training images or the test images.

    Attributes
    ----------
    images : numpy.ndarray
        uint8 [N, 28, 28, 1], 0 is background.
    labels : numpy.ndarray
        int64 [N], 0 to 9.

    Raises
    ------
    DataError
        If a file is missing or damaged, or the numbers of images and labels differ.

    Source: Y. LeCun, C. Cortes, C. Burges, the MNIST database of handwritten digits.
    """

    classes: ClassVar[Sequence[str]] = tuple("0123456789")
    folder: ClassVar[str] = "mnist"
    mirrors: ClassVar[Sequence[str]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    checksums: ClassVar[Mapping[str, str]] = {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    }

    images: NDArray
    labels: NDArray

    def __init__(self, root: str | os.PathLike[str] | None = None, train: bool = True) -> None:
        part = "train" if train else "t10k"
        images_path = self._find(root, f"{part}-images-idx3-ubyte")
        labels_path = self._find(root, f"{part}-labels-idx1-ubyte")
        images = read_idx(images_path, (None, 28, 28))
        labels = read_idx(labels_path, (None,))
        if len(images) != len(labels):
            raise DataError(f"{images_path} has {len(images)} images, but {labels_path} has {len(labels)} labels")
        if images.dtype != "uint8" or labels.dtype != "uint8":
            raise DataError(f"{images_path} and {labels_path} have {images.dtype} and {labels.dtype}, expected uint8")
        if len(labels) and labels.max() >= len(self.classes):
            row = int(labels.argmax())
            raise DataError(f"{labels_path}: label {labels[row]} of row {row} is not below {len(self.classes)}")
        self.images, self.labels = images[..., None], labels.astype("int64")
        super().__init__(self.images, self.labels)

    @classmethod
    def _find(cls, root: str | os.PathLike[str] | None, name: str) -> Path:
        if root is None:
            archive = f"{name}.gz"
            urls = [mirror + archive for mirror in cls.mirrors]
            return download(urls, f"sha256:{cls.checksums[archive]}", cache_folder() / cls.folder, archive)
        for path in (Path(root) / f"{name}.gz", Path(root) / name):
            if path.is_file():
                return path
        if not Path(root).is_dir():
            raise DataError(f"{os.fspath(root)}: no such folder; without a folder the files are downloaded")
        raise DataError(f"{os.fspath(root)}: neither {name}.gz nor {name} is in this folder")


class FashionMNIST(MNIST):
    """Articles of clothing in the form of :class:`MNIST`: 60,000 images for training, 10,000 for testing.

    Source: H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, 2017.
    """

    classes = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip
    folder = "fashion-mnist"
    mirrors = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    )
    checksums: ClassVar[Mapping[str, str]] = {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    }
