"""The bytes of a tar archive, decompressed, for :mod:`tarfile`, which believes what headers say."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from ...errors import DataError
from .streams import PIECE, Readable

__all__ = ["TarStream"]

BLOCK = 512
MAX_HEADER = 1 << 20  # of one member, with its long names
MAX_MEMORY = 1 << 27  # of the decompressor of xz: twice what its strongest preset needs


class TarStream:
    """Read forwards only, at most ``limit`` bytes in all, and little at a time."""

    def __init__(self, file: BinaryIO, where: str, limit: int) -> None:
        start = file.read(6)
        file.seek(0)
        self._source: Readable = file
        if start[:2] == b"\x1f\x8b":
            self._source = gzip.GzipFile(fileobj=file, mode="rb")
        elif start[:3] == b"BZh":
            self._source = _Streams(file, bz2.BZ2Decompressor)
        elif start == b"\xfd7zXZ\0":
            self._source = _Streams(file, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_MEMORY))
        self._where, self._limit, self._position = where, limit, 0
        self._header = 0  # bytes read of a member's header
        self._last = b""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; fewer at the end alone."""
        self._header += size
        if self._header > MAX_HEADER:
            raise DataError(f"{self._where}: a header claims {self._header} bytes, allowed are {MAX_HEADER}")
        self._last = self._read(size)
        return self._last

    def _read(self, size: int) -> bytes:
        pieces = []
        while size > 0:
            try:
                piece = self._source.read(min(size, PIECE))
            except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
                raise DataError(f"{self._where}: the archive is damaged or truncated ({error})") from None
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
            self._position += len(piece)
            if self._position > self._limit:
                raise DataError(f"{self._where}: the archive is larger than the {self._limit} bytes that are allowed")
        return b"".join(pieces)

    def tell(self) -> int:
        """The number of bytes read."""
        return self._position

    def seek(self, position: int, /) -> int:
        """Goes on to ``position``, or to the end."""
        if position < self._position:
            raise DataError(f"{self._where}: the archive is damaged: a size leads back to byte {position}")
        while self._position < position and self._read(min(PIECE, position - self._position)):
            pass
        return self._position

    def begin_header(self) -> None:
        """What is read from here on is the header of one member."""
        self._header = 0

    def pieces(self, size: int, name: str) -> Iterator[bytes]:
        """The content of the member whose header was read last."""
        while size > 0:
            piece = self._read(min(PIECE, size))
            if not piece:
                raise DataError(f"{self._where}: member {name!r} is truncated: {size} of its bytes are missing")
            size -= len(piece)
            yield piece

    def check_end(self, offset: int) -> None:
        """After a block of zeros, which ends an archive, there are zeros alone."""
        if self._position != offset + BLOCK or self._last != bytes(BLOCK):
            raise DataError(
                f"{self._where}: the archive is damaged or truncated: byte {offset} begins neither a member nor the end"
            )
        while piece := self._read(PIECE):
            if piece.strip(b"\0"):
                raise DataError(f"{self._where}: bytes follow the archive's end at byte {offset}")


class _Streams:
    """Like bz2.BZ2File and lzma.LZMAFile; but memory has a bound, and what follows the last stream is no secret."""

    def __init__(self, file: BinaryIO, new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> None:
        self._file, self._new, self._fed = file, new, b""
        self._decompressor: bz2.BZ2Decompressor | lzma.LZMADecompressor | None = None

    def read(self, size: int, /) -> bytes:
        while True:
            if not self._fed and (self._decompressor is None or self._decompressor.needs_input):
                self._fed = self._file.read(1 << 16)
                if not self._fed and self._decompressor is None:
                    return b""
                if not self._fed:
                    raise EOFError("the compressed data end before their mark")
            if self._decompressor is None:
                self._fed = self._fed.lstrip(b"\0")  # padding between streams
                if not self._fed:
                    continue
                self._decompressor = self._new()
            piece = self._decompressor.decompress(self._fed, size)
            self._fed = b""
            if self._decompressor.eof:
                self._fed, self._decompressor = self._decompressor.unused_data, None
            if piece:
                return piece
