"""Folders of images."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .._C import ArgumentError
from ..errors import DataError, require
from .dataset import NDArray
from .readers.image import CHANNELS, MAX_PIXELS, read_image

__all__ = ["ImageFolder"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".webp")


class ImageFolder:
    """Images in a folder for each class: ``root/cat/1.png``, ``root/dog/2.jpg``; needs the extra ``examples``.

    Images are read when they are asked for, by Pillow, which works without the GIL: give the loader ``workers``.

    Parameters
    ----------
    root
        The folder. In the folder of a class, images may lie in folders of their own. Files of other kinds (by their
        suffix), and those whose name begins with a dot, are passed over.
    size
        (rows, columns) that all images get; or one integer: their shorter side gets it, and the longer one is cut to it
        at both ends. Without it they keep their own, and a batch needs images that have one.
    mode : {"RGB", "L", "RGBA"}
        Colours, grey, or colours with opacity.
    max_pixels
        The most that an image's header may claim, height times width.

    Attributes
    ----------
    classes : list of str
        The names of the folders, sorted.
    paths : list of pathlib.Path
        The images, sorted within their class.
    labels : numpy.ndarray
        int64 [N], positions in ``classes``.

    Raises
    ------
    DataError
        If the folder has no folders of images, or one of them none; when an image is asked for that cannot be read.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> for kind in ("cat", "dog"):
    ...     Path("pets", kind).mkdir(parents=True)
    ...     Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(f"pets/{kind}/1.png")
    >>> pets = tg.data.ImageFolder("pets", size=32)
    >>> pets.classes, len(pets)
    (['cat', 'dog'], 2)
    >>> image, label = pets[1]
    >>> image.shape, label
    ((32, 32, 3), 1)
    """

    def __init__(
        self, root: str | os.PathLike[str], size: Any = None, mode: str = "RGB", max_pixels: int = MAX_PIXELS
    ) -> None:
        sizes = list(size) if isinstance(size, (tuple, list)) else [size, size]
        if size is not None and (len(sizes) != 2 or not all(type(s) is int and 0 < s < 1 << 15 for s in sizes)):
            raise ArgumentError(f"ImageFolder: size must be a positive integer or two, (rows, columns); found {size!r}")
        if mode not in CHANNELS:
            raise ArgumentError(f"ImageFolder: mode must be one of {', '.join(CHANNELS)}, found {mode!r}")
        require("PIL", "examples", "ImageFolder")
        self.root, self.size, self.mode, self.max_pixels = Path(root), size, mode, max_pixels
        if not self.root.is_dir():
            raise DataError(f"ImageFolder: {self.root} is no folder")
        folders = sorted(path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith("."))
        self.classes = [folder.name for folder in folders]
        self.paths: list[Path] = []
        labels = []
        for label, folder in enumerate(folders):
            found = sorted(path for path in folder.rglob("*") if _is_image(path))
            if not found:
                raise DataError(f"ImageFolder: {folder} has no image; they end in {', '.join(SUFFIXES)}")
            self.paths += found
            labels += [label] * len(found)
        if not folders:
            raise DataError(
                f"ImageFolder: {self.root} has no folders; there must be one for each class, with its images"
            )
        self.labels: NDArray = np.array(labels, np.int64)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[NDArray, int]:
        image = read_image(self.paths[index], self.mode, self.max_pixels)
        return image if self.size is None else _resized(image, self.size), int(self.labels[index])

    def __repr__(self) -> str:
        return f"ImageFolder({os.fspath(self.root)!r}, size={self.size!r}, mode={self.mode!r})"


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _resized(image: NDArray, size: Any) -> NDArray:
    """By Pillow, which averages over all pixels that become one."""
    pillow: Any = import_module("PIL.Image")
    H, W, C = image.shape
    rows, columns = (size, size) if isinstance(size, int) else size
    box = (0.0, 0.0, float(W), float(H))
    if isinstance(size, int):
        cut = abs(H - W) / 2
        box = (cut, 0.0, W - cut, float(H)) if W > H else (0.0, cut, float(W), H - cut)
    picture = pillow.fromarray(image[..., 0] if C == 1 else image)
    result: NDArray = np.asarray(picture.resize((columns, rows), pillow.Resampling.BILINEAR, box=box))
    return result.reshape(rows, columns, C)
