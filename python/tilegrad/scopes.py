"""What launches belong to: the layer that is being called, by its path in the outermost one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import _C

if TYPE_CHECKING:
    from .nn.module import Module

__all__ = ["layer_scope", "named_scope", "scope_name"]

_numbers: dict[str, int] = {}
_names: list[str] = []
_lock = threading.Lock()
_this_thread = threading.local()


def scope_name(number: int) -> str:
    """The name of a native scope's number; ``""`` for none."""
    return _names[number] if number >= 0 else ""


@contextmanager
def named_scope(name: str) -> Iterator[None]:
    """Inside, launches belong to ``name``."""
    with _lock:
        number = _numbers.setdefault(name, len(_names))
        if number == len(_names):
            _names.append(name)
    with _C.Scope(number):
        yield


@contextmanager
def layer_scope(layer: Module) -> Iterator[None]:
    """Inside, launches belong to the layer: ``"Sequential.3 (Conv2d)"``."""
    stack: list[tuple[Module, str]] = _this_thread.__dict__.setdefault("stack", [])
    kind = type(layer).__name__
    if stack:
        outer, path = stack[-1]
        name = next((name for name, module in outer.named_modules() if module is layer), kind)
        path = f"{path}.{name}"
        shown = f"{path} ({kind})"
    else:
        path = shown = kind
    stack.append((layer, path))
    try:
        with named_scope(shown):
            yield
    finally:
        stack.pop()
