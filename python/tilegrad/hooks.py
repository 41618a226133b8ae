"""Hooks: functions of the user's that are called on the way, until they are taken off."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import TracebackType
from typing import Any

from . import _C

__all__ = ["HookHandle", "add_hook"]

_numbers = itertools.count()


class HookHandle:
    """Takes a hook off again: by :meth:`remove`, or at the end of a ``with`` block.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.ReLU()
    >>> with layer.register_forward_hook(lambda module, inputs, output: print(output.shape)):
    ...     y = layer(tg.zeros((2, 3)))
    (2, 3)
    >>> y = layer(tg.zeros((2, 3)))
    """

    def __init__(self, hooks: dict[int, Callable[..., Any]], number: int) -> None:
        self._hooks, self._number = hooks, number

    def remove(self) -> None:
        """Take the hook off; does nothing the second time."""
        self._hooks.pop(self._number, None)
        _C.changed()

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def add_hook(owner: str, hooks: dict[int, Callable[..., Any]], hook: Callable[..., Any]) -> HookHandle:
    """Put a hook after those that are there."""
    if not callable(hook):
        raise _C.ArgumentError(f"{owner}: the hook must be a function, found {type(hook).__name__}")
    number = next(_numbers)
    hooks[number] = hook
    _C.changed()
    return HookHandle(hooks, number)
