"""Images, by the package Pillow."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import numpy as np

from ..._C import ArgumentError
from ...errors import DataError, require
from .elements import NDArray
from .png import SIGNATURE, check_png, too_large

__all__ = ["read_image"]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP")
MAX_PIXELS = 1 << 26  # 8192 x 8192
CHANNELS = {"RGB": 3, "L": 1, "RGBA": 4}


def read_image(path: str | os.PathLike[str], mode: str = "RGB", max_pixels: int = MAX_PIXELS) -> NDArray:
    """Read an image; needs the extra ``examples``.

    Parameters
    ----------
    path
        A PNG, JPEG, BMP, GIF (its first picture), PPM or WebP file.
    mode : {"RGB", "L", "RGBA"}
        What it is turned into: colours, grey, or colours with opacity.
    max_pixels
        The most that its header may claim, height times width.

    Returns
    -------
    numpy.ndarray
        uint8 [H, W, C] with 3, 1 or 4 channels.

    Raises
    ------
    DataError
        If the file is no such image, is damaged or truncated, or claims more than ``max_pixels``, which is compared
        before memory is taken for them; also if something follows the end of a PNG file.
    MissingExtraError
        If the package Pillow is not installed.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> from PIL import Image
    >>> Image.fromarray(np.full((2, 3, 3), 7, np.uint8)).save("x.png")
    >>> tg.data.readers.read_image("x.png").shape
    (2, 3, 3)
    """
    if mode not in CHANNELS:
        raise ArgumentError(f"read_image: mode must be one of {', '.join(CHANNELS)}, found {mode!r}")
    where = os.fspath(path)
    require("PIL", "examples", f"reading {where}")
    pillow: Any = import_module("PIL.Image")
    with open(path, "rb") as file:
        if file.read(8) == SIGNATURE:
            check_png(file, where, max_pixels)
        file.seek(0)
        try:
            with pillow.open(file, formats=FORMATS) as image:
                width, height = image.size
                if width * height > max_pixels:
                    raise too_large(where, width, height, max_pixels)
                found = _pixels(pillow, image, mode)
        except DataError:
            raise
        except Exception as error:  # Pillow has many for what is not whole
            raise DataError(f"{where}: no image, or a damaged or truncated one ({error})") from None
    return found


def _pixels(pillow: Any, image: Any, mode: str) -> NDArray:
    if image.mode == "F":
        raise ValueError("its pixels are floating numbers")
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip
        image = pillow.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    array: NDArray = np.array(image if image.mode == mode else image.convert(mode))
    return array.reshape(*array.shape[:2], CHANNELS[mode])
