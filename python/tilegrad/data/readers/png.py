"""What Pillow does not look at in a PNG file: checksums of all chunks, the number of bytes of pixels, and the end.

(https://www.w3.org/TR/png-3/)
"""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO

from ...errors import DataError
from .gzip import MAX_RATIO
from .streams import PIECE

__all__ = ["SIGNATURE", "check_png", "too_large"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # Adam7


def too_large(where: str, width: int, height: int, max_pixels: int) -> DataError:
    """The error for an image with more than ``max_pixels``."""
    return DataError(f"{where}: the image claims {height} x {width} pixels, allowed are {max_pixels} (max_pixels=)")


def check_png(file: BinaryIO, where: str, max_pixels: int) -> None:
    """From behind the signature on, the chunks follow one another to the file's end and hold an image's bytes.

    Raises
    ------
    DataError
        If not, or the image has more than ``max_pixels``.
    """
    size = os.fstat(file.fileno()).st_size
    position, kind = len(SIGNATURE), b""
    pixels: _Pixels | None = None
    while kind != b"IEND":
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or length > size - position - 12:
            raise DataError(f"{where}: truncated: a chunk at byte {position} claims {length} bytes")
        if (kind == b"IHDR") != (position == len(SIGNATURE)):
            raise DataError(f"{where}: chunk {kind!r} at byte {position}; IHDR must be the first, and only that")
        checksum, left = zlib.crc32(kind), length
        while left:
            content = file.read(min(left, PIECE))
            checksum, left = zlib.crc32(content, checksum), left - len(content)
            if kind == b"IHDR":
                pixels = _Pixels(content, size, where, max_pixels)
            elif kind == b"IDAT" and pixels is not None:
                pixels.add(content)
        if checksum != int.from_bytes(file.read(4), "big"):
            raise DataError(f"{where}: the checksum of chunk {kind!r} at byte {position} differs")
        position += length + 12
    if position != size:
        raise DataError(f"{where}: {size - position} bytes follow the end of the image")
    if pixels is None:
        raise DataError(f"{where}: IHDR is empty, expected 13 bytes")
    pixels.check_end()


class _Pixels:
    """Counts the bytes that the header claims and the data hold."""

    def __init__(self, header: bytes, size: int, where: str, max_pixels: int) -> None:
        width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
        if len(header) != 13 or header[9] not in CHANNELS or header[12] > 1 or not width or not height:
            raise DataError(f"{where}: IHDR is {header[:13].hex()}, which is no size, depth and kind of pixels")
        if width * height > max_pixels:
            raise too_large(where, width, height, max_pixels)
        bits = header[8] * CHANNELS[header[9]]
        parts = [(width, height)]
        if header[12]:
            parts = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in PASSES]
        self._claimed = sum(h * (1 + -(-w * bits // 8)) for w, h in parts if w > 0 and h > 0)
        if self._claimed > size * MAX_RATIO:
            raise DataError(f"{where}: truncated: {size} bytes cannot hold the pixels that the header claims")
        self._where, self._found, self._inflate = where, 0, zlib.decompressobj()

    def add(self, content: bytes) -> None:
        """Data of the next chunk."""
        try:
            while content and not self._inflate.eof and self._found <= self._claimed:
                self._found += len(self._inflate.decompress(content, PIECE))
                content = self._inflate.unconsumed_tail
        except zlib.error as error:
            raise DataError(f"{self._where}: the compressed pixels are damaged ({error})") from None

    def check_end(self) -> None:
        """All that was claimed is there, and no more."""
        if self._found != self._claimed or not self._inflate.eof:
            raise DataError(
                f"{self._where}: {self._found} bytes of pixels or more, expected {self._claimed} and their end"
            )
