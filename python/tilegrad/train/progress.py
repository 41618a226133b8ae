"""What is shown while training: a bar, or a line for each epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["Progress"]

_SHARE = 0.01  # of the time, at most, goes into showing
_LEAST = 0.1  # seconds between two pictures: nobody sees more


class Progress:
    """The progress of an epoch.

    A picture of the bar is drawn only when a hundred times the duration of the last one has passed, so that showing
    takes at most a hundredth of the time in any terminal or notebook.

    Parameters
    ----------
    title
        Before the bar or line.
    total
        The number of batches, if it is known.
    verbose
        0 for silence, 1 for a bar (a line, where tqdm is not installed), 2 for a line.
    done
        Batches that were done by an earlier run.
    """

    def __init__(
        self, title: str, total: int | None, verbose: int, done: int = 0, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._title, self._verbose, self._clock = title, verbose, clock
        self._bar: Any = _new_bar(title, total, done) if verbose == 1 else None
        self._drawn_at, self._cost, self._waiting = clock(), 0.0, 0

    def step(self, results: Mapping[str, float]) -> None:
        """A batch is done; its results are looked at only when they are shown."""
        if self._bar is None:
            return
        self._waiting += 1
        now = self._clock()
        if now - self._drawn_at >= max(_LEAST, self._cost / _SHARE):
            self._draw(results)

    def _draw(self, results: Mapping[str, float]) -> None:
        start = self._clock()
        self._bar.set_postfix_str(shown(results), refresh=False)
        self._bar.n += self._waiting
        self._bar.refresh()
        self._waiting, self._drawn_at = 0, self._clock()
        self._cost = self._drawn_at - start

    def end(self, results: Mapping[str, float], note: str = "") -> None:
        """The epoch is done."""
        text = shown(results) + (f" ({note})" if note else "")
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.n += self._waiting
            self.close()
        elif self._verbose > 0:
            print(f"{self._title}: {text}", flush=True)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _new_bar(title: str, total: int | None, done: int) -> Any:
    try:
        tqdm = import_module("tqdm.auto").tqdm
    except ImportError:
        return None
    # It draws when it is told to: by itself it would for every step that takes longer than its interval.
    return tqdm(total=total, initial=done, desc=title, unit="batch", mininterval=0, miniters=0)


def shown(results: Mapping[str, float]) -> str:
    """Results as text."""
    return ", ".join(f"{name} {_number(value)}" for name, value in results.items())


def _number(value: float) -> str:
    return f"{value:.4f}" if value == 0 or abs(value) >= 0.001 else f"{value:.2e}"
