"""Ctrl-C during training: the step is finished, then the epoch is ended."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["Interrupts"]


class Interrupts:
    """Within its block the first SIGINT sets ``pending``; the next raises KeyboardInterrupt as usual.

    Only Python's own handler is replaced, and only in the main thread: a program that handles SIGINT itself goes on
    doing so.
    """

    def __init__(self) -> None:
        self.pending = False
        self._before: Any = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.pending:
            raise KeyboardInterrupt
        self.pending = True

    def __enter__(self) -> Interrupts:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error: Any) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
