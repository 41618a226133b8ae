"""Writing a file so that its path always holds the old content or the new, whole."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from .._C import ArgumentError

__all__ = ["write_atomically"]

Chunk = bytes | memoryview


def write_atomically(path: str | os.PathLike[str], chunks: Iterable[Chunk]) -> None:
    """Write ``chunks`` one after the other into a file that appears under ``path`` when it is complete.

    The content goes to a temporary file in the same folder, reaches the disk (fsync), takes the place of the old file
    (rename, which is atomic), and the folder's entry reaches the disk too. Where anything fails the old file stays and
    the temporary one is removed; a process killed in between leaves a file ``.NAME.*.partial`` that nobody reads.
    """
    target = Path(os.path.realpath(path))  # a link stays a link to the new content
    if target.is_dir():
        raise ArgumentError(f"save: {str(path)!r} is a folder; give the name of a file")
    if not target.parent.is_dir():  # else the error would name the temporary file
        raise FileNotFoundError(errno.ENOENT, "the file's folder does not exist", str(target.parent))
    partial = target.with_name(f".{target.name}.{secrets.token_hex(8)}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:  # of a folder that is not ours: tell the path that was given
        error.filename = os.fspath(path)
        raise
    try:
        try:
            for chunk in chunks:
                _write_all(descriptor, chunk)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _write_all(descriptor: int, chunk: Chunk) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened; the rename is journaled by the file system
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
