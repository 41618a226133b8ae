"""Zip archives, of which nothing is believed that the file's own bytes do not bear out.

The end of the central directory, the directory and each member's own header must agree; members must lie one after the
other without overlap (else a small file could hold the same bomb many times) from the first byte on
(https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT).
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import BinaryIO, NamedTuple

from ...errors import DataError
from .gzip import MAX_RATIO

__all__ = ["Member", "MemberStream", "directory", "members"]

END, END64, LOCATOR, ENTRY, LOCAL = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2", b"PK\3\4"
MAX_MEMBERS = 10_000
STORED, DEFLATED = 0, 8
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF
ENCRYPTED, DESCRIPTOR, UTF8 = 1, 8, 0x800
DESCRIPTOR_SIZE = 24  # at most


class Member(NamedTuple):
    """A file in an archive."""

    name: str
    method: int
    checksum: int
    stored: int  # bytes in the archive
    size: int
    start: int  # of its bytes


def members(file: BinaryIO, where: str) -> list[Member]:
    """The members of an archive, in the order of their bytes.

    Raises
    ------
    DataError
        If it is damaged, truncated, inconsistent, encrypted, or of another method than storing and deflate.
    """
    size = os.fstat(file.fileno()).st_size
    count, start, length = directory(file, size, where)
    if count > MAX_MEMBERS:
        raise DataError(f"{where}: {count} members, allowed are {MAX_MEMBERS}")
    if count * 46 > length:
        raise DataError(f"{where}: {count} members in a directory of {length} bytes, which has room for {length // 46}")
    file.seek(start)
    left, entries = length, []
    for position in range(count):
        entry, offset, used = _entry(file, left, f"{where}: member {position}")
        entries.append((offset, entry))
        left -= used
    if left:
        raise DataError(f"{where}: {left} bytes follow the {count} members in the directory")
    return _placed(file, sorted(entries, key=lambda entry: entry[0]), start, where)


def directory(file: BinaryIO, size: int, where: str) -> tuple[int, int, int]:
    """The number of members of an archive, and where its directory is and how long; its end alone is read."""
    first = max(0, size - 22 - FULL16)
    file.seek(first)
    tail = file.read(22 + FULL16)
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < 22:
        raise DataError(f"{where}: no zip archive, or a truncated one: the end of its directory is not there")
    disk, start_disk, here, count, length, offset, comment = struct.unpack("<4H2LH", tail[at + 4 : at + 22])
    if at + 22 + comment != len(tail):
        raise DataError(f"{where}: {len(tail) - at - 22} bytes follow the archive, {comment} are its comment")
    end = first + at
    file.seek(max(0, end - 20))
    if file.read(4) == LOCATOR or FULL16 in (count, here) or FULL32 in (length, offset):  # some write it always
        end, here, count, length, offset = _end64(file, end, where)
    if disk or start_disk or here != count:
        raise DataError(f"{where}: part of an archive of several files")
    if offset + length != end:
        raise DataError(f"{where}: the directory is at {offset} with {length} bytes, but its end at {end}")
    return count, offset, length


def _end64(file: BinaryIO, end: int, where: str) -> tuple[int, int, int, int, int]:
    file.seek(max(0, end - 20))
    locator = file.read(20)
    if len(locator) != 20 or locator[:4] != LOCATOR:
        raise DataError(f"{where}: the locator of the large directory is not there")
    at = struct.unpack("<L", locator[4:8])[0] + struct.unpack("<Q", locator[8:16])[0]
    if at + 56 + 20 != end:
        raise DataError(f"{where}: the end of the large directory is at {at}, expected {end - 76}")
    file.seek(at)
    record = file.read(56)
    if record[:4] != END64:
        raise DataError(f"{where}: the end of the large directory begins with {record[:4]!r}, expected {END64!r}")
    here, count, length, offset = struct.unpack("<4Q", record[24:56])
    return at, here, count, length, offset


def _entry(file: BinaryIO, left: int, where: str) -> tuple[Member, int, int]:
    """A member (its start is that of its own header's), and the bytes that its entry takes."""
    head = file.read(46) if left >= 46 else b""
    if len(head) != 46 or head[:4] != ENTRY:
        raise DataError(f"{where}: its entry in the directory begins with {head[:4]!r}, expected {ENTRY!r}")
    _, _, flags, method, _, _, checksum, stored, size, *lengths, disk, _, _, offset = struct.unpack(
        "<6H3L5H2L", head[4:]
    )
    used = 46 + sum(lengths)
    rest = file.read(used - 46) if used <= left else b""
    if len(rest) != used - 46:
        raise DataError(f"{where}: its entry needs {used} bytes of the directory, {left} are left")
    raw, extra = rest[: lengths[0]], rest[lengths[0] : lengths[0] + lengths[1]]
    name = _name(raw, flags, where)
    wide = _wide(extra, [size, stored, offset], f"{where} {name!r}")
    size, stored, offset = wide
    if flags & ENCRYPTED:
        raise DataError(f"{where} {name!r} is encrypted")
    if method not in (STORED, DEFLATED):
        raise DataError(f"{where} {name!r}: method {method}, allowed are {STORED} (stored) and {DEFLATED} (deflate)")
    if disk:
        raise DataError(f"{where} {name!r} is on disk {disk}, expected 0")
    if size > stored * MAX_RATIO if method == DEFLATED else size != stored:
        raise DataError(f"{where} {name!r} claims {size} bytes, which {stored} bytes cannot hold by method {method}")
    return Member(name, method, checksum, stored, size, bool(flags & DESCRIPTOR)), offset, used


def _name(raw: bytes, flags: int, where: str) -> str:
    try:
        name = raw.decode("utf-8" if flags & UTF8 else "cp437")
    except UnicodeDecodeError:
        raise DataError(f"{where}: its name {raw!r} is not UTF-8") from None
    if not name or "\0" in name or "\\" in name or name.startswith("/") or ".." in name.split("/"):
        raise DataError(f"{where}: its name {name!r} leads out of the archive's folder, or is none")
    return name


def _wide(extra: bytes, sizes: list[int], where: str) -> list[int]:
    """The sizes, those that do not fit 32 bits from the extra field for it."""
    full = [position for position, size in enumerate(sizes) if size == FULL32]
    while len(extra) >= 4:
        kind, length = struct.unpack("<2H", extra[:4])
        content, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind != 1:
            continue
        if len(content) < 8 * len(full):
            raise DataError(f"{where}: the field of large sizes has {len(content)} bytes, {8 * len(full)} are needed")
        for position, start in zip(full, range(0, len(content), 8), strict=False):
            sizes[position] = int.from_bytes(content[start : start + 8], "little")
        return sizes
    return sizes


def _placed(file: BinaryIO, entries: list[tuple[int, Member]], last: int, where: str) -> list[Member]:
    """The members with the places of their bytes, which follow one another."""
    end, slack, found = 0, 0, []
    names: set[str] = set()
    for offset, member in entries:
        about = f"{where}: member {member.name!r}"
        if member.name in names:
            raise DataError(f"{about} is there twice")
        names.add(member.name)
        if not end <= offset <= end + slack:
            raise DataError(
                f"{about} begins at byte {offset}, expected {end}" + (f" to {end + slack}" if slack else "")
            )
        file.seek(offset)
        head = file.read(30)
        if len(head) != 30 or head[:4] != LOCAL:
            raise DataError(f"{about}: its header begins with {head[:4]!r}, expected {LOCAL!r}")
        _, flags, method, _, _, checksum, stored, size, n, extra = struct.unpack("<5H3L2H", head[4:])
        if method != member.method or flags & ENCRYPTED or _name(file.read(n), flags, about) != member.name:
            raise DataError(f"{about}: its own header has another name or method than the directory")
        described = bool(flags & DESCRIPTOR)
        sizes = _wide(file.read(extra), [size, stored], about)
        if not described and (checksum, *sizes) != (member.checksum, member.size, member.stored):
            raise DataError(f"{about}: its own header has other sizes or another checksum than the directory")
        start = offset + 30 + n + extra
        end, slack = start + member.stored, DESCRIPTOR_SIZE if described else 0
        if end > last:
            raise DataError(f"{about} claims {member.stored} bytes, {max(0, last - start)} are there")
        found.append(member._replace(start=start))
    if end + slack < last or (entries and not slack and end != last):
        raise DataError(f"{where}: {last - end} bytes lie between the last member and the directory")
    return found


class MemberStream:
    """The content of a member, whose size and checksum are compared when its end is read."""

    def __init__(self, file: BinaryIO, member: Member, where: str) -> None:
        self._file, self._member, self._where = file, member, where
        self._at, self._end = member.start, member.start + member.stored
        self._inflate = zlib.decompressobj(-15) if member.method == DEFLATED else None
        self._checksum = self._count = 0

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        piece = self._inflated(size) if self._inflate else self._raw(size)
        self._count += len(piece)
        self._checksum = zlib.crc32(piece, self._checksum)
        if self._count > self._member.size or (not piece and size and self._count != self._member.size):
            raise DataError(f"{self._where}: {self._count} bytes or more, the archive claims {self._member.size}")
        if self._count == self._member.size and self._checksum != self._member.checksum:
            raise DataError(
                f"{self._where}: damaged: checksum {self._checksum:08x}, expected {self._member.checksum:08x}"
            )
        return piece

    def _raw(self, size: int) -> bytes:
        self._file.seek(self._at)
        piece = self._file.read(min(size, self._end - self._at))
        self._at += len(piece)
        return piece

    def _inflated(self, size: int) -> bytes:
        inflate = self._inflate
        assert inflate is not None
        while not inflate.eof and size:
            fed = inflate.unconsumed_tail or self._raw(1 << 16)
            try:
                piece = inflate.decompress(fed, size)
            except zlib.error as error:
                raise DataError(f"{self._where}: damaged: {error}") from None
            if piece:
                return piece
            if not fed:
                raise DataError(
                    f"{self._where}: truncated: {self._count} bytes, the archive claims {self._member.size}"
                )
        if inflate.eof and (inflate.unused_data or self._at < self._end):
            raise DataError(f"{self._where}: bytes follow its compressed content")
        return b""
