"""Batches made ahead of their use, by threads."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from .. import _C

__all__ = ["END", "Prefetched"]

END = object()  # what `make` returns when there are no more batches


class _Queue:
    """What the threads and the iterator share; it does not know the iterator, which may be dropped meanwhile."""

    def __init__(self, make: Callable[[int], Any], start: int, ahead: int) -> None:
        self.make, self.ahead = make, ahead
        self.taken = self.next = start  # the numbers of the batch to hand out and of the one to begin
        self.done: dict[int, tuple[Any, BaseException | None]] = {}
        self.last = False  # no more are to be begun
        # Its lock may be taken again by the thread that has it: a garbage collection may close an iterator at any time.
        self.changed = threading.Condition()

    def work(self) -> None:
        """Make batches until there are no more, or nobody wants them."""
        _C.set_alone(True)  # the team is for the step that runs meanwhile
        while True:
            with self.changed:
                while not self.last and self.next >= self.taken + self.ahead:
                    self.changed.wait()
                if self.last:
                    return
                number = self.next
                self.next += 1
            batch, error = None, None
            try:
                batch = self.make(number)
            except BaseException as caught:  # for whoever takes the batch
                error = caught
            with self.changed:
                self.done[number] = batch, error
                if batch is END or error is not None:
                    self.last = True
                self.changed.notify_all()

    def take(self) -> tuple[Any, BaseException | None]:
        """The next batch, when it is there; the end, where threads ended before it."""
        with self.changed:
            while self.taken not in self.done:
                if self.last and self.taken >= self.next:
                    return END, None
                self.changed.wait()
            result = self.done.pop(self.taken)
            self.taken += 1
            self.changed.notify_all()
        return result


def _close(queue: _Queue, threads: list[threading.Thread], owner: int) -> None:
    """End the threads and wait for them: each finishes the batch that it is at."""
    if os.getpid() != owner:  # the child of a fork has none of them, and perhaps a lock that nobody will open
        return
    with queue.changed:
        queue.last = True
        queue.changed.notify_all()
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join()
    queue.done.clear()


class Prefetched(Iterator[Any]):
    """Batches number ``start``, ``start + 1``, ... in order, made by threads, at most ``ahead`` of them at a time.

    Threads end with the last batch, with an exception (raised where its batch is asked for), when the iterator is
    closed or dropped, and when the interpreter ends. In the child of a fork the batches are made where they are asked
    for.

    Parameters
    ----------
    make
        ``make(number)`` makes a batch, or returns END; called from several threads at once if ``workers`` is above 1.
    start, ahead, workers
        The first number; how many batches may be there or in the making; how many threads make them.
    repeatable
        Whether ``make`` depends on the number alone, so that a forked child can call it.
    """

    def __init__(
        self, make: Callable[[int], Any], start: int, ahead: int, workers: int = 1, repeatable: bool = True
    ) -> None:
        self._queue = _Queue(make, start, max(ahead, workers))
        self._owner, self._repeatable = os.getpid(), repeatable
        self._number = start
        self._threads = [
            threading.Thread(target=self._queue.work, name=f"tilegrad-loader-{i}", daemon=True) for i in range(workers)
        ]
        for thread in self._threads:
            thread.start()
        self.close = weakref.finalize(self, _close, self._queue, self._threads, self._owner)

    def __next__(self) -> Any:
        if os.getpid() != self._owner:
            return self._make_alone()
        if not self.close.alive:
            raise StopIteration
        try:
            batch, error = self._queue.take()
        except BaseException:  # Ctrl-C while waiting
            self.close()
            raise
        if error is not None:
            self.close()
            try:
                raise error
            finally:
                del error  # its traceback has this frame
        if batch is END:
            self.close()
            raise StopIteration
        self._number += 1
        return batch

    def _make_alone(self) -> Any:
        if not self._repeatable:
            raise RuntimeError(
                "DataLoader: the generator that this process was reading when it forked is the parent's; "
                "iterate over the loader anew in the child"
            )
        batch = self._queue.make(self._number)
        if batch is END:
            raise StopIteration
        self._number += 1
        return batch
