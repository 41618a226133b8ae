"""Tar archives, plain or compressed by gzip, bzip2 or xz."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ..._C import ArgumentError
from ...errors import DataError
from .lists import check_lists
from .tar_stream import TarStream

__all__ = ["extract_tar", "read_tar_members"]

LIMIT = 1 << 34  # 16 GiB
MAX_MEMBERS = 1_000_000


def read_tar_members(path: str | os.PathLike[str], members: Sequence[str], limit: int = LIMIT) -> dict[str, bytes]:
    """Read some files of an archive; nothing is written.

    Parameters
    ----------
    path
        The archive: ``.tar``, ``.tar.gz``, ``.tar.bz2`` or ``.tar.xz``.
    members
        The names of the files, without folders.
    limit
        The most bytes that the archive may have, decompressed.

    Returns
    -------
    dict
        The content of each file, in the order of ``members``.

    Raises
    ------
    DataError
        If the archive is damaged or truncated, lacks a file or has it twice, or is larger than ``limit``.

    Examples
    --------
    >>> import tarfile, tilegrad as tg
    >>> with open("x.bin", "wb") as file:
    ...     _ = file.write(b"content")
    >>> with tarfile.open("x.tar.gz", "w:gz") as archive:
    ...     archive.add("x.bin", "folder/x.bin")
    >>> tg.data.readers.read_tar_members("x.tar.gz", ["x.bin"])
    {'x.bin': b'content'}
    """
    check_lists("read_tar_members", members=members)
    where, wanted = os.fspath(path), set(members)
    found: dict[str, bytes] = {}
    for entry, content in _entries(path, limit):
        name = entry.name.rsplit("/", 1)[-1]
        if name not in wanted or not entry.isreg():
            continue
        if name in found:
            raise DataError(f"{where}: two members are called {name!r}, the second is {entry.name!r}")
        collected = io.BytesIO()
        for piece in content:
            collected.write(piece)
        found[name] = collected.getvalue()
    missing = [name for name in members if name not in found]
    if missing:
        raise DataError(f"{where}: the archive lacks {', '.join(missing)}")
    return {name: found[name] for name in members}


def extract_tar(path: str | os.PathLike[str], folder: str | os.PathLike[str], limit: int = LIMIT) -> None:
    """Unpack an archive into a folder that appears when all of it is there.

    Parameters
    ----------
    path
        The archive, as for :func:`read_tar_members`.
    folder
        Is made; it must not be there yet, or be empty.
    limit
        The most bytes that the archive may have, decompressed.

    Raises
    ------
    DataError
        If the archive is damaged, truncated or larger than ``limit``, or a member leads out of the folder, is there
        twice, or is neither a file nor a folder (links are not made). Nothing is left behind then.
    ArgumentError
        If ``folder`` holds something.

    Examples
    --------
    >>> import os, tarfile, tilegrad as tg
    >>> with open("x.bin", "wb") as file:
    ...     _ = file.write(b"content")
    >>> with tarfile.open("x.tar", "w") as archive:
    ...     archive.add("x.bin", "folder/x.bin")
    >>> tg.data.readers.extract_tar("x.tar", "out")
    >>> os.listdir("out/folder")
    ['x.bin']
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ArgumentError(f"extract_tar: {os.fspath(folder)!r} holds something; give a new folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(8)}.partial")
    partial.mkdir()
    try:
        for entry, content in _entries(path, limit):
            place = partial.joinpath(*_parts(entry, os.fspath(path)))
            try:
                if entry.isdir():
                    place.mkdir(parents=True, exist_ok=True)
                    continue
                place.parent.mkdir(parents=True, exist_ok=True)
                file = open(place, "xb")  # noqa: SIM115 - what goes wrong in its body is not about the name
            except (FileExistsError, NotADirectoryError):
                raise DataError(f"{os.fspath(path)}: member {entry.name!r} is where another one is") from None
            with file:
                for piece in content:
                    file.write(piece)
        if target.exists():
            target.rmdir()
        os.replace(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _parts(entry: tarfile.TarInfo, where: str) -> tuple[str, ...]:
    """The folders and the name of a member that may be written."""
    if not (entry.isreg() or entry.isdir()):
        raise DataError(f"{where}: member {entry.name!r} is of type {entry.type!r}, expected a file or a folder")
    parts = tuple(part for part in entry.name.split("/") if part not in ("", "."))
    outside = entry.name.startswith("/") or ".." in parts or any(c in entry.name for c in "\\\0")
    if (
        outside
        or any(PurePosixPath(part).name != part or ":" in part for part in parts)
        or not (parts or entry.isdir())
    ):
        raise DataError(f"{where}: member {entry.name!r} leads out of the folder, or has no name")
    return parts


def _entries(path: str | os.PathLike[str], limit: int) -> Iterator[tuple[tarfile.TarInfo, Iterator[bytes]]]:
    """The members with the pieces of their content, which may be left unread."""
    where = os.fspath(path)
    with open(path, "rb") as file:
        stream = TarStream(file, where, limit)
        archive: tarfile.TarFile | None = None
        count = 0
        while True:
            stream.begin_header()
            try:
                if archive is None:
                    archive = tarfile.TarFile(fileobj=stream, mode="r")  # type: ignore[arg-type]
                entry = archive.next()
            except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
                raise DataError(f"{where}: the archive is damaged, truncated or of another kind ({error})") from None
            archive.members = []  # type: ignore[attr-defined]  # else it keeps them all
            if entry is None:
                stream.check_end(archive.offset)
                return
            count += 1
            if count > MAX_MEMBERS:
                raise DataError(f"{where}: more than {MAX_MEMBERS} members")
            if entry.isreg() and (entry.issparse() or not 0 <= entry.size <= limit):
                raise DataError(
                    f"{where}: member {entry.name!r} claims {entry.size} bytes, expected at most {limit} and no holes"
                )
            yield entry, stream.pieces(entry.size if entry.isreg() else 0, entry.name)
