"""Taking apart what functions take and return: nested tuples, lists, dictionaries and dataclasses of tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any

from . import _C

__all__ = ["flatten", "replace", "tensors_in"]

_CONSTANTS = (int, float, str, bool, bytes, type(None), complex)


class _Same:
    """An object that is compared by identity, and kept alive so that its identity stays its own."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value


def flatten(value: Any, leaf: Callable[[Any], Hashable | None]) -> Hashable:
    """A key that tells the form of a structure and everything in it but its leaves.

    ``leaf(value)`` returns None for what is no leaf; else it has taken the leaf and returns the key of its kind.
    """
    kind = leaf(value)
    if kind is not None:
        return kind
    if isinstance(value, _CONSTANTS):
        # 1, 1.0 and True are equal and mean different things; so do 0.0 and -0.0, and a NaN equals nothing.
        return (type(value), repr(value) if isinstance(value, (float, complex)) else value)
    if isinstance(value, (list, tuple)):
        return (type(value), *[flatten(item, leaf) for item in value])
    if isinstance(value, dict):
        return (type(value), *[(key, flatten(item, leaf)) for key, item in value.items()])
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return (type(value), *[flatten(getattr(value, name), leaf) for name in names])
    if isinstance(value, type) or callable(value):
        return _Same(value)
    try:
        hash(value)
    except TypeError:
        return _Same(value)
    return (type(value), value)


def replace(value: Any, is_leaf: Callable[[Any], bool], new: Callable[[Any], Any]) -> Any:
    """The same structure with ``new(leaf)`` in place of every leaf, in the order of :func:`flatten`."""
    if is_leaf(value):
        return new(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named tuple
        return type(value)(*[replace(item, is_leaf, new) for item in value])
    if isinstance(value, (list, tuple)):
        return type(value)([replace(item, is_leaf, new) for item in value])
    if isinstance(value, dict):
        items = {key: replace(item, is_leaf, new) for key, item in value.items()}
        return items if type(value) is dict else type(value)(items)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: replace(getattr(value, f.name), is_leaf, new) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **changed)
    return value


def tensors_in(value: Any) -> list[Any]:
    """The tensors in nested tuples, lists and dictionaries, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in tensors_in(part)]
    return [value] if isinstance(value, _C.TensorBase) else []
