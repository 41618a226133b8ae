"""How images are prepared for a model: size, range, mean and deviation of each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _C, ops
from ..errors import require
from ..tensor import Tensor

__all__ = ["Preprocessing"]

NDArray = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Preprocessing:
    """Turns uint8 images into what a model was trained on: ``(pixel / 255 - mean) / std``, resized and cropped.

    Parameters
    ----------
    size
        Rows and columns of the images that the model sees.
    resize
        The length of the shorter side before the middle is cropped; None if images are to have ``size`` already.
    mean, std
        Of each channel, of values from 0 to 1.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> prepare = tg.models.Preprocessing((2, 2), mean=(0.5,), std=(0.5,))
    >>> prepare(np.uint8([[[[0], [255]], [[255], [0]]]])).reshape(4)
    tensor([-1.,  1.,  1., -1.])
    """

    size: tuple[int, int]
    resize: int | None = None
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not all(value > 0 for value in self.std):
            raise _C.ArgumentError(
                f"Preprocessing: mean and std must have one value per channel and std be positive, found {self.mean} "
                f"and {self.std}"
            )
        if len(self.size) != 2 or min(self.size) < 1 or (self.resize is not None and self.resize < max(self.size)):
            raise _C.ArgumentError(
                f"Preprocessing: size must be two positive integers, none above resize; found size={self.size}, "
                f"resize={self.resize}"
            )

    def __call__(self, images: NDArray | Tensor | Sequence[NDArray]) -> Tensor:
        """Prepare images.

        Parameters
        ----------
        images
            uint8 [N, H, W, C], one image [H, W, C], or a sequence of images that differ in size.

        Returns
        -------
        Tensor
            float32 [N, *size, C].

        Raises
        ------
        DTypeError
            If an image is not uint8.
        ShapeError
            If an image is not [H, W, C] with as many channels as ``mean``, or has another size and there is no
            ``resize``.
        MissingExtraError
            If an image is to be resized and the package Pillow is not installed.
        """
        if isinstance(images, Tensor):
            images = images.numpy()
        if isinstance(images, np.ndarray):
            images = images[None] if images.ndim == 3 else images
        fitted = [self._fit(_checked(image, len(self.mean))) for image in images]
        if not fitted:
            return ops.zeros((0, *self.size, len(self.mean)))
        mean, deviation = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return ops.from_numpy((np.stack(fitted).astype(np.float32) / np.float32(255) - mean) / deviation)

    def _fit(self, image: NDArray) -> NDArray:
        rows, columns = image.shape[:2]
        if (rows, columns) == tuple(self.size):
            return image
        if self.resize is None:
            raise _C.ShapeError(
                f"Preprocessing: an image is {rows} x {columns}, expected {self.size[0]} x {self.size[1]}; give "
                "Preprocessing a resize to have images resized"
            )
        shorter = min(rows, columns)
        if shorter != self.resize:
            rows, columns = (max(self.resize, side * self.resize // shorter) for side in (rows, columns))
            image = _resized(image, rows, columns)
        top, left = round((rows - self.size[0]) / 2), round((columns - self.size[1]) / 2)
        return image[top : top + self.size[0], left : left + self.size[1]]


def _checked(image: Any, channels: int) -> NDArray:
    array = np.asarray(image.numpy() if isinstance(image, Tensor) else image)
    if array.dtype != np.uint8:
        raise _C.DTypeError(f"Preprocessing: images must be uint8 from 0 to 255, found {array.dtype}")
    if array.ndim != 3 or array.shape[2] != channels or 0 in array.shape:
        raise _C.ShapeError(f"Preprocessing: an image must be [H, W, {channels}], found {list(array.shape)}")
    return array


def _resized(image: NDArray, rows: int, columns: int) -> NDArray:
    pillow = require("PIL.Image", "examples", "resizing images")
    planes = [
        np.asarray(pillow.fromarray(np.ascontiguousarray(plane)).resize((columns, rows), pillow.Resampling.BILINEAR))
        for plane in np.moveaxis(image, 2, 0)
    ]
    return np.stack(planes, axis=2)
