"""PyTorch's checkpoint files, read without PyTorch and without executing anything.

A file is a zip archive (PyTorch 1.6 and newer) of one pickle stream, ``NAME/data.pkl``, and the bytes of each storage,
``NAME/data/KEY``; or, older, four pickle streams (a magic number, the version, sizes, the value), one with the keys of
storages, and for each storage its number of elements and its bytes.
"""

from __future__ import annotations

import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from .. import _C, ops
from ..errors import CheckpointError
from ..tensor import Tensor
from .restricted_pickle import RefusedError, ordered_dict, read
from .safetensors import as_bytes
from .safetensors_header import MAX_RANK

__all__ = ["read_torch_checkpoint"]

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
MAX_DEPTH = 64
MAX_ENTRIES = 1 << 16
# What zipfile raises where an archive is not whole.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, KeyError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True)
class _Element:
    """How an element lies in the file, and the dtype that it is read as."""

    stored: str  # of NumPy
    dtype: str  # ours


# By the name of the storage's class; bfloat16 is moved as it is.
ELEMENTS = {
    "Float": _Element("<f4", "float32"),
    "Double": _Element("<f8", "float64"),
    "Half": _Element("<f2", "float16"),
    "BFloat16": _Element("<u2", "bfloat16"),
    "Long": _Element("<i8", "int64"),
    "Int": _Element("<i4", "int32"),
    "Short": _Element("<i2", "int32"),  # we have no 8 and 16-bit integers with a sign
    "Char": _Element("<i1", "int32"),
    "Byte": _Element("<u1", "uint8"),
    "Bool": _Element("<u1", "bool"),
}
DTYPES = {
    "float32": "Float", "float": "Float", "float64": "Double", "double": "Double", "float16": "Half", "half": "Half",
    "bfloat16": "BFloat16", "int64": "Long", "long": "Long", "int32": "Int", "int": "Int", "int16": "Short",
    "short": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool",
}  # fmt: skip
NAMES: dict[str, Any] = {
    **{f"torch.{kind}Storage": element for kind, element in ELEMENTS.items()},
    **{f"torch.{name}": _C.dtype(ELEMENTS[kind].dtype) for name, kind in DTYPES.items()},
}


@dataclass(frozen=True)
class _Storage:
    key: str
    element: _Element
    length: int


@dataclass(frozen=True)
class _View:
    """A tensor, before the bytes of its storage are there."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_checkpoint(path: str | os.PathLike[str]) -> Any:
    """What ``torch.save`` has written: dicts, lists, tuples, numbers, texts and tensors.

    PyTorch is not needed. Nothing in the file is executed or imported: a file that names anything else, such as a class
    of your own, is refused by that name.

    Parameters
    ----------
    path
        A file in the zip format of PyTorch 1.6 and newer, or in the older format of pickle streams.

    Returns
    -------
    Any
        The value that was saved, with tilegrad's tensors in place of PyTorch's; those that shared memory still do, but
        for bfloat16 tensors with gaps. int8 and int16 become int32, a dtype is tilegrad's, ``torch.device`` becomes its
        name and ``torch.Size`` a tuple. Attributes that were set on dicts are dropped.

    Raises
    ------
    CheckpointError
        If the file is damaged, truncated, of another format, or names what is not allowed. Sizes are compared with what
        the file holds before memory is taken.

    Notes
    -----
    Layouts are as PyTorch has them, such as [K, C, R, S] for filters; :func:`load_torch` fills a model.

    Examples
    --------
    >>> import tilegrad as tg
    >>> state = tg.io.read_torch_checkpoint("resnet18.pth")  # doctest: +SKIP
    >>> state["conv1.weight"].shape  # doctest: +SKIP
    (64, 3, 7, 7)
    """
    where = os.fspath(path)
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(4)
            file.seek(0)
            if start == b"PK\x03\x04":
                return _read_zip(file, size)
            if start[:1] == b"\x80":
                return _read_streams(file, size)
            raise RefusedError("not a checkpoint of PyTorch: it is no zip archive and no pickle stream")
    except RefusedError as error:
        raise CheckpointError(f"{where}: {error}") from None


# The two formats.


def _read_zip(file: BinaryIO, size: int) -> Any:
    from ..data.readers.zip import directory  # where such a file is read, not before

    try:
        count, _, length = directory(file, size, "the archive")
        if max(count, length // 46) > MAX_ENTRIES:  # zipfile makes an object of each
            raise RefusedError(f"the archive has up to {max(count, length // 46)} entries, allowed are {MAX_ENTRIES}")
        with zipfile.ZipFile(file) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            if len(entries) != len(archive.infolist()):
                raise RefusedError("the archive has two entries of one name")
            for entry in entries.values():
                if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                    raise RefusedError(
                        f"entry {entry.filename!r} is compressed or encrypted, which PyTorch's never are"
                    )
            if sum(entry.file_size for entry in entries.values()) > size:
                raise RefusedError(f"the archive's entries claim more bytes than the file has ({size})")
            found = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
            if len(found) != 1:
                raise RefusedError(f"the archive has {len(found)} entries NAME/data.pkl, expected one")
            folder = found[0][: -len("data.pkl")]
            order = entries.get(f"{folder}byteorder")
            if order is not None and archive.read(order) != b"little":
                raise RefusedError("the numbers are not little-endian")
            loaded: dict[str, tuple[_Storage, Tensor]] = {}

            def load(storage: _Storage) -> Tensor:
                name = f"{folder}data/{storage.key}"
                claimed = storage.length * np.dtype(storage.element.stored).itemsize
                if name not in entries:
                    raise RefusedError(f"the archive lacks the entry {name!r}")
                if entries[name].file_size != claimed:
                    raise RefusedError(
                        f"entry {name!r} has {entries[name].file_size} bytes, its tensors need {claimed}"
                    )
                with archive.open(entries[name]) as data:
                    return _numbers(data, storage)

            stream = archive.read(entries[found[0]])
            keep = _Storages(loaded, load)
            value = read(io.BytesIO(stream), len(stream), NAMES, BUILDERS, keep.persistent)
            return _finished(value, keep.tensor)
    except DAMAGE as error:
        raise RefusedError(f"the archive is damaged or truncated ({error})") from None


def _read_streams(file: BinaryIO, size: int) -> Any:
    if read(file, size, {}, {}, None) != MAGIC:
        raise RefusedError("not a checkpoint of PyTorch: the magic number is wrong")
    if read(file, size, {}, {}, None) != VERSION:
        raise RefusedError(f"written in another version of the format, expected {VERSION}")
    about = read(file, size, {}, {}, None)
    if not isinstance(about, dict) or about.get("little_endian") is not True:
        raise RefusedError("the numbers are not little-endian")
    loaded: dict[str, tuple[_Storage, Tensor]] = {}
    keep = _Storages(loaded, lambda storage: _missing(storage.key))
    value = read(file, size, NAMES, BUILDERS, keep.persistent)
    keys = read(file, size, {}, {}, None)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
        raise RefusedError("the keys of the storages are not a list of different texts")
    for key in keys:
        storage = keep.known.get(key)
        if storage is None:
            raise RefusedError(f"storage {key[:80]!r} belongs to no tensor")
        length = int.from_bytes(file.read(8), "little", signed=True)
        claimed = length * np.dtype(storage.element.stored).itemsize
        if length != storage.length or claimed > size - file.tell():
            raise RefusedError(
                f"storage {key[:80]!r} has {length} elements, its tensors need {storage.length}, and "
                f"{size - file.tell()} bytes follow"
            )
        loaded[key] = storage, _numbers(file, storage)
    if file.tell() != size:
        raise RefusedError(f"{size - file.tell()} bytes follow the last storage")
    return _finished(value, keep.tensor)


def _missing(key: str) -> Tensor:
    raise RefusedError(f"the file lacks storage {key[:80]!r}")


def _numbers(file: Any, storage: _Storage) -> Tensor:
    """The storage's elements, read from where the file stands; it is known to hold as many bytes."""
    element = storage.element
    raw = ops.empty(storage.length, element.dtype)
    if np.dtype(element.stored).itemsize == raw.dtype.itemsize:
        _fill(file, as_bytes(raw), storage)
    else:
        narrow = np.empty(storage.length, element.stored)
        _fill(file, memoryview(narrow.view(np.uint8)), storage)
        raw = ops.tensor(narrow.astype(element.dtype))
    if element.dtype == "bool":
        content = np.asarray(as_bytes(raw))
        if content.size and content.max() > 1:
            raise RefusedError(f"storage {storage.key[:80]!r} of bools has a byte {content.max()}")
    return raw


def _fill(file: Any, target: memoryview, storage: _Storage) -> None:
    filled = 0
    while filled < len(target):
        count = file.readinto(target[filled:])
        if not count:
            raise RefusedError(f"the file ends within storage {storage.key[:80]!r}")
        filled += count


class _Storages:
    """The storages that a stream names, and their tensors, which are loaded when the stream has been read."""

    def __init__(self, loaded: dict[str, tuple[_Storage, Tensor]], load: Callable[[_Storage], Tensor]) -> None:
        self.known: dict[str, _Storage] = {}
        self._loaded, self._load = loaded, load

    def persistent(self, identity: Any) -> _Storage:
        if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
            raise RefusedError("a persistent id is not that of a storage")
        _, element, key, _, length = identity[:5]
        if not isinstance(element, _Element) or not isinstance(key, str) or not _is_size(length):
            raise RefusedError("a storage is not described by its kind, key and length")
        if len(identity) == 6 and identity[5] is not None:
            raise RefusedError(f"storage {key[:80]!r} is a view of another, as PyTorch before 0.4 wrote them")
        storage = self.known.setdefault(key, _Storage(key, element, length))
        if storage != _Storage(key, element, length):
            raise RefusedError(f"storage {key[:80]!r} is described in two ways")
        return storage

    def tensor(self, storage: _Storage) -> Tensor:
        if storage.key not in self._loaded:
            self._loaded[storage.key] = storage, self._load(storage)
        return self._loaded[storage.key][1]


# What the stream may call.


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *about: Any) -> _View:
    """``torch._utils._rebuild_tensor_v2``; whether a gradient was wanted, hooks and metadata are left out."""
    if not isinstance(storage, _Storage):
        raise RefusedError("a tensor is made of what is no storage")
    if not isinstance(shape, tuple) or not isinstance(strides, tuple) or len(shape) != len(strides):
        raise RefusedError(f"a tensor of storage {storage.key[:80]!r} has sizes and strides that do not fit each other")
    if not all(_is_size(value) for value in (offset, *shape, *strides)) or len(shape) > MAX_RANK:
        raise RefusedError(f"a tensor of storage {storage.key[:80]!r} has sizes or strides that cannot be")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if offset > storage.length or (0 not in shape and last >= storage.length):
        raise RefusedError(
            f"a tensor of sizes {list(shape)} and strides {list(strides)} at {offset} reaches beyond the "
            f"{storage.length} elements of storage {storage.key[:80]!r}"
        )
    return _View(storage, offset, shape, strides)


def _parameter(data: Any, *about: Any) -> _View:
    if not isinstance(data, _View):
        raise RefusedError("a parameter is made of what is no tensor")
    return data


def _size(values: Any = ()) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or not all(_is_size(value) for value in values):
        raise RefusedError("a torch.Size is made of what are no sizes")
    return tuple(values)


def _device(kind: Any, index: Any = None) -> str:
    if not isinstance(kind, str) or not (index is None or _is_size(index)):
        raise RefusedError("a torch.device is made of what is no name")
    return kind if index is None else f"{kind}:{index}"


BUILDERS: Mapping[str, Callable[..., Any]] = {
    "collections.OrderedDict": ordered_dict,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": _size,
    "torch.device": _device,
}


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


# From what the stream has built to the result.


def _finished(value: Any, tensor: Callable[[_Storage], Tensor]) -> Any:
    """The value with tensors in place of views; what stands at several places stays one."""
    made: dict[int, Any] = {}
    open_: set[int] = set()

    def finish(value: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise RefusedError(f"the value is nested deeper than {MAX_DEPTH}")
        if isinstance(value, (_Storage, _Element)):
            raise RefusedError("a storage stands where a tensor was expected")
        if not isinstance(value, (dict, list, tuple, _View)):
            return value
        if id(value) in open_:
            raise RefusedError("a container holds itself")
        if id(value) not in made:
            open_.add(id(value))
            if isinstance(value, _View):
                made[id(value)] = _strided(tensor(value.storage), value)
            elif isinstance(value, dict):
                made[id(value)] = type(value)((key, finish(item, depth + 1)) for key, item in value.items())
            else:
                made[id(value)] = type(value)(finish(item, depth + 1) for item in value)
            open_.remove(id(value))
        return made[id(value)]

    return finish(value, 0)


def _strided(storage: Tensor, view: _View) -> Tensor:
    count = math.prod(view.shape)
    if count == 0:
        return ops.zeros(view.shape, storage.dtype)
    dense, expected = 1, []
    for size in reversed(view.shape):
        expected.append(dense)
        dense *= size
    if all(size == 1 or a == b for size, a, b in zip(view.shape, view.strides, reversed(expected), strict=True)):
        return ops.reshape(_C.slice(storage, 0, view.offset, count, 1), view.shape)
    if storage.dtype.name == "bfloat16":  # which NumPy lacks: moved as integers of as many bytes
        if count > storage.size:
            raise RefusedError(f"a bfloat16 tensor of sizes {list(view.shape)} repeats its {storage.size} elements")
        result = ops.empty(view.shape, "bfloat16")
        source, target = (np.asarray(as_bytes(tensor)).view(np.uint16) for tensor in (storage, result))
        target.reshape(view.shape)[...] = _view_of(source, view)
        return result
    try:
        return ops.from_numpy(_view_of(storage.numpy(), view))
    except (_C.TilegradError, ValueError) as error:
        raise RefusedError(f"a tensor of sizes {list(view.shape)} cannot be: {error}") from None


def _view_of(numbers: np.ndarray[Any, Any], view: _View) -> np.ndarray[Any, Any]:
    strides = [stride * numbers.itemsize for stride in view.strides]
    # Within the storage: _tensor has looked.
    return np.lib.stride_tricks.as_strided(numbers[view.offset :], view.shape, strides)
