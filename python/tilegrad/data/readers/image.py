"""Images, by the package Pillow."""

from __future__ import annotations

import os
import zlib
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np

from ..._C import ArgumentError
from ...errors import DataError, require
from .gzip import MAX_RATIO
from .npy import NDArray
from .streams import PIECE

__all__ = ["read_image"]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP")
MAX_PIXELS = 1 << 26  # 8192 x 8192
CHANNELS = {"RGB": 3, "L": 1, "RGBA": 4}
PNG = b"\x89PNG\r\n\x1a\n"


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
        if file.read(8) == PNG:
            _check_png(file, where, max_pixels)
        file.seek(0)
        try:
            with pillow.open(file, formats=FORMATS) as image:
                width, height = image.size
                if width * height > max_pixels:
                    raise _too_large(where, width, height, max_pixels)
                found = _pixels(pillow, image, mode)
        except DataError:
            raise
        except Exception as error:  # Pillow has many for what is not whole
            raise DataError(f"{where}: no image, or a damaged or truncated one ({error})") from None
    return found


def _too_large(where: str, width: int, height: int, max_pixels: int) -> DataError:
    return DataError(f"{where}: the image claims {height} x {width} pixels, allowed are {max_pixels} (max_pixels=)")


def _pixels(pillow: Any, image: Any, mode: str) -> NDArray:
    if image.mode == "F":
        raise ValueError("its pixels are floating numbers")
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip
        image = pillow.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    array: NDArray = np.array(image if image.mode == mode else image.convert(mode))
    return array.reshape(*array.shape[:2], CHANNELS[mode])


def _check_png(file: BinaryIO, where: str, max_pixels: int) -> None:
    """The chunks follow one another to the file's end, and their checksums are right."""
    size = os.fstat(file.fileno()).st_size
    position, data, kind = len(PNG), 0, b""
    while kind != b"IEND":
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or length > size - position - 12:
            raise DataError(f"{where}: truncated: a chunk at byte {position} claims {length} bytes")
        if (kind == b"IHDR") != (position == len(PNG)):
            raise DataError(f"{where}: chunk {kind!r} at byte {position}; IHDR must be the first, and only that")
        content = file.read(min(length, PIECE))
        if kind == b"IHDR" and length == 13:
            width, height = int.from_bytes(content[:4], "big"), int.from_bytes(content[4:8], "big")
            if width * height > max_pixels:
                raise _too_large(where, width, height, max_pixels)
            data = width * height * content[8] // 8
        checksum, left = zlib.crc32(content, zlib.crc32(kind)), length - len(content)
        while left:
            content = file.read(min(left, PIECE))
            checksum, left = zlib.crc32(content, checksum), left - len(content)
        if checksum != int.from_bytes(file.read(4), "big"):
            raise DataError(f"{where}: the checksum of chunk {kind!r} at byte {position} differs")
        position += length + 12
    if position != size:
        raise DataError(f"{where}: {size - position} bytes follow the end of the image")
    if data > size * MAX_RATIO:
        raise DataError(f"{where}: truncated: {size} bytes cannot hold the pixels that the header claims")
