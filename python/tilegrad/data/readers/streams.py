"""Reading into memory that is already there, in pieces."""

from __future__ import annotations

from typing import Protocol

__all__ = ["PIECE", "Readable", "fill"]

PIECE = 1 << 18  # a read takes memory for as much as it asks for


class Readable(Protocol):
    """What bytes come from."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


def fill(stream: Readable, target: memoryview | bytearray) -> int:
    """Fills ``target`` as far as the stream goes; the number of bytes that there were."""
    position = 0
    while position < len(target):
        piece = stream.read(min(len(target) - position, PIECE))
        if not piece:
            break
        target[position : position + len(piece)] = piece
        position += len(piece)
    return position
