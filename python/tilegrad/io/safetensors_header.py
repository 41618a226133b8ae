"""The header of a safetensors file, decoded piece by piece: all at once it can take many times the file's memory."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NamedTuple

from .. import _C
from ..errors import CheckpointError

__all__ = ["DTYPES", "MAX_HEADER", "NAMES", "Place", "parse"]

NAMES = {
    "float64": "F64", "int64": "I64", "float32": "F32", "int32": "I32", "bfloat16": "BF16", "float16": "F16",
    "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
DTYPES = {code: name for name, code in NAMES.items()}
MAX_HEADER = 100_000_000  # the format's own bound
MAX_RANK = 32
MAX_NAMES = 1 << 16
MAX_ENTRY = 4096  # characters of a tensor's description

_decode = json.JSONDecoder().raw_decode
_blank = re.compile(r"[ \t\n\r]*").match


class Place(NamedTuple):
    """Where a tensor is, in bytes behind the header, and what."""

    start: int
    end: int
    name: str
    dtype: str
    shape: tuple[int, ...]


def parse(header: bytes, available: int, path: str) -> tuple[list[Place], dict[str, str]]:
    """The tensors in the order of their bytes, which fill the ``available`` ones without gaps, and the texts.

    Raises
    ------
    CheckpointError
        If the header is no such thing.
    """
    try:
        reader = _Reader(header.decode(), path)
        places, texts = reader.members()
    except (ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: the header is not the JSON that it must be ({error})") from None
    places.sort(key=lambda place: place[:2])
    end = 0
    for place in places:
        if place.start != end:
            raise CheckpointError(f"{path}: tensor {place.name!r} begins at byte {place.start}, expected {end}")
        end = place.end
    if end != available:
        raise CheckpointError(f"{path}: the tensors have {end} bytes, but {available} follow the header")
    return places, texts


class _Reader:
    def __init__(self, text: str, path: str) -> None:
        self._text, self._path, self._at = text, path, 0

    def members(self) -> tuple[list[Place], dict[str, str]]:
        """Of the whole header."""
        places: list[Place] = []
        texts: dict[str, str] = {}
        for name in self._names():
            if name == "__metadata__":
                texts = {key: self._value(key) for key in self._names()}
            else:
                places.append(self._place(name))
        if self._text[self._at :].strip(" \t\n\r"):
            raise ValueError(f"more follows the object's end at character {self._at}")
        return places, texts

    def _names(self) -> Any:
        """The names of an object, each when its value is next; whoever iterates reads the values."""
        if not self._take("{"):
            raise ValueError(f"not a JSON object at character {self._at}")
        known: set[str] = set()
        while not (self._take("}") if not known else self._ends()):
            name = self._string()
            if name in known:
                raise ValueError(f"{name[:80]!r} stands there twice")
            known.add(name)
            if len(known) > MAX_NAMES:
                raise ValueError(f"more than {MAX_NAMES} names")
            if not self._take(":"):
                raise ValueError(f"':' expected at character {self._at}")
            yield name

    def _ends(self) -> bool:
        if self._take(","):
            return False
        if self._take("}"):
            return True
        raise ValueError(f"',' or '}}' expected at character {self._at}")

    def _take(self, character: str) -> bool:
        """Whether this comes next, behind blanks; goes on behind it then."""
        self._at = _blank(self._text, self._at).end()  # type: ignore[union-attr]
        found = self._text.startswith(character, self._at)
        self._at += len(character) if found else 0
        return found

    def _string(self) -> str:
        self._take("")
        if not self._text.startswith('"', self._at):
            raise ValueError(f"a name expected at character {self._at}")
        found, self._at = _decode(self._text, self._at)
        return str(found)

    def _value(self, key: str) -> str:
        self._take("")
        if not self._text.startswith('"', self._at):
            raise CheckpointError(f"{self._path}: __metadata__ is not an object of texts: {key[:80]!r} is none")
        return self._string()

    def _place(self, name: str) -> Place:
        """From the description of a tensor, inside of which there are no objects."""
        path, entry = self._path, None
        self._take("")
        if self._text.startswith("{", self._at):
            end = self._text.find("}", self._at, self._at + MAX_ENTRY)
            if end < 0:
                raise ValueError(f"the description of {name[:80]!r} has no end or more than {MAX_ENTRY} characters")
            entry = json.loads(self._text[self._at : end + 1])
            self._at = end + 1
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise CheckpointError(f"{path}: tensor {name!r} is not described by dtype, shape and data_offsets")
        code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(code, str) or code not in DTYPES:
            raise CheckpointError(f"{path}: tensor {name!r} has dtype {code!r}, expected one of {', '.join(DTYPES)}")
        if not _sizes(shape) or len(shape) > MAX_RANK or not _sizes(offsets) or len(offsets) != 2:
            raise CheckpointError(
                f"{path}: tensor {name!r} has shape {shape} at {offsets}, which are not lists of sizes"
            )
        size = math.prod(shape) * _C.dtype(DTYPES[code]).itemsize
        if offsets[1] - offsets[0] != size:
            raise CheckpointError(
                f"{path}: tensor {name!r} has {offsets[1] - offsets[0]} bytes, but {code} {shape} has {size}"
            )
        return Place(offsets[0], offsets[1], name, DTYPES[code], tuple(shape))


def _sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**62 for value in values)
