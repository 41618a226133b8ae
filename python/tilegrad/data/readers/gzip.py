"""Files that gzip has compressed."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import DataError

__all__ = ["MAX_RATIO", "GzipStream", "open_gzip"]

MAX_RATIO = 1032  # deflate's best: 258 bytes from 2 bits


@contextmanager
def open_gzip(path: str | os.PathLike[str], limit: int | None = None) -> Iterator[GzipStream]:
    """Open a gzip-compressed file for reading, in a ``with`` statement.

    Parameters
    ----------
    path
        The file.
    limit
        The most bytes that its content may have; by default as many as deflate can make of the file's size.

    Returns
    -------
    GzipStream
        With ``read(size)``, which holds no more than it returns and some buffers.

    Raises
    ------
    DataError
        While reading, if the file is damaged or truncated, something else follows, or the content exceeds ``limit``.

    Examples
    --------
    >>> import gzip, tilegrad as tg
    >>> with gzip.open("x.gz", "wb") as file:
    ...     _ = file.write(b"content")
    >>> with tg.data.readers.open_gzip("x.gz", limit=100) as file:
    ...     file.read(100)
    b'content'
    """
    with open(path, "rb") as raw:
        size = os.fstat(raw.fileno()).st_size
        if size == 0:  # gzip would take it for an archive of nothing
            raise DataError(f"{os.fspath(path)}: the compressed file is truncated: it is empty")
        with gzip.GzipFile(fileobj=raw, mode="rb") as file:
            yield GzipStream(file, os.fspath(path), size * MAX_RATIO if limit is None else limit)


class GzipStream:
    """What :func:`open_gzip` returns."""

    def __init__(self, file: gzip.GzipFile, path: str, limit: int) -> None:
        self._file, self._path, self._limit, self._count = file, path, limit, 0

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        try:
            piece = self._file.read(min(size, self._limit - self._count + 1))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{self._path}: the compressed file is damaged or truncated ({error})") from None
        self._count += len(piece)
        if self._count > self._limit:
            raise DataError(f"{self._path}: the content is larger than the {self._limit} bytes that are allowed")
        return piece
