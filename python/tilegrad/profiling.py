"""Profiles: what every kernel and every layer takes, and how near that is to what the machine can do."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any, NamedTuple

from . import _C
from .scopes import scope_name

__all__ = ["Launch", "Row", "profile"]


class Launch(NamedTuple):
    """One launch of a kernel."""

    kernel: str
    """Its name in csrc/kernels.inc; ``"host call"`` is what a replay does in Python, a schedule for example."""
    dtype: Any
    layer: str
    """The path of the layer that made it, ``""`` if none did."""
    backward: bool
    """Whether it makes gradients."""
    start: int
    """In nanoseconds of a steady clock."""
    end: int
    bytes: float
    """Moved at least: every operand once, those that are updated twice."""
    flops: float
    """Of matrix products and convolutions, as their definition counts them; 0 for all else."""
    threads: int
    replayed: bool
    """Whether it was part of a captured function's replay."""


@dataclass(frozen=True)
class Row:
    """What the launches of one kernel, or of one layer, take together."""

    name: str
    calls: int
    seconds: float
    share: float
    """Of the time of all launches."""
    bytes: float
    flops: float
    peak_share: float
    """The larger of the shares of the machine's measured rates of multiply-adds and of memory: 1 is the limit."""


# Names of what a table may be by.
_KEYS: dict[str, Callable[[Launch], str]] = {
    "kernel": lambda launch: launch.kernel,
    "layer": lambda launch: f"{launch.layer or '(no layer)'}{' backward' if launch.backward else ''}",
    "layer and kernel": lambda launch: f"{launch.layer or '(no layer)'}: {launch.kernel}",
}


class profile:  # noqa: N801 - used like a function
    """Measures every launch made inside, eager or replayed, by all threads.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(8, 4), tg.nn.ReLU())
    >>> with tg.profile() as measured:
    ...     y = model(tg.ones((2, 8)))
    >>> [(row.name, row.calls) for row in sorted(measured.rows("layer"), key=lambda row: row.name)]
    [('(no layer)', 1), ('Sequential.0 (Linear)', 1), ('Sequential.1 (ReLU)', 1)]

    ``print(measured)`` shows a table by kernels and one by layers.

    Raises
    ------
    CaptureError
        If a profile is being made already.

    Notes
    -----
    A launch costs about 0.2 us more while it is measured, and a replay meets at one more barrier for each launch.
    """

    def __init__(self) -> None:
        self.launches: list[Launch] = []
        """In the order in which they ended."""

    def __enter__(self) -> profile:
        if _C.profiling():
            raise _C.CaptureError("profile: another profile is being made; end that one first")
        _C.start_profile()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.launches = [
            Launch(name, dtype, scope_name(scope), *rest) for name, dtype, scope, *rest in _C.stop_profile()
        ]

    @property
    def seconds(self) -> float:
        """The time of all launches together."""
        return sum(launch.end - launch.start for launch in self.launches) * 1e-9

    def rows(self, by: str = "kernel") -> list[Row]:
        """Sums over the launches of each ``"kernel"``, ``"layer"`` or ``"layer and kernel"``, the longest first.

        Parameters
        ----------
        by : {"kernel", "layer", "layer and kernel"}
            What launches are added up by: the kernel, the layer that it ran in (its gradient with "backward" behind the
            name), or both.

        Returns
        -------
        list of Row
            One a name. It is empty before the profile has ended.

        Raises
        ------
        ArgumentError
            If ``by`` is something else.
        """
        if by not in _KEYS:
            raise _C.ArgumentError(f"profile: by must be one of {', '.join(map(repr, _KEYS))}, found {by!r}")
        found: dict[str, list[Launch]] = {}
        for launch in self.launches:
            found.setdefault(_KEYS[by](launch), []).append(launch)
        total = self.seconds or 1.0
        rows = []
        for name, launches in found.items():
            seconds = sum(launch.end - launch.start for launch in launches) * 1e-9
            least = sum(_least_seconds(launch) for launch in launches)
            rows.append(
                Row(
                    name,
                    len(launches),
                    seconds,
                    seconds / total,
                    sum(launch.bytes for launch in launches),
                    sum(launch.flops for launch in launches),
                    least / seconds if seconds else 0.0,
                )
            )
        return sorted(rows, key=lambda row: -row.seconds)

    def table(self, by: str = "kernel", rows: int = 25) -> str:
        """The longest ``rows`` of :meth:`rows` as text.

        Parameters
        ----------
        by : {"kernel", "layer", "layer and kernel"}
            As in :meth:`rows`.
        rows
            How many are shown at most; of the others a last line tells the number.

        Returns
        -------
        str
            With calls, milliseconds, the share of the time, GB/s, GFLOP/s where there are any, and ``peak_share``.

        Raises
        ------
        ArgumentError
            If ``by`` is something else.
        """
        shown = self.rows(by)
        lines = [(by, "calls", "ms", "share", "GB/s", "GFLOP/s", "of peak")]
        for row in shown[:rows]:
            seconds = row.seconds or 1e-12
            lines.append(
                (
                    row.name,
                    f"{row.calls}",
                    f"{row.seconds * 1e3:.3f}",
                    f"{row.share:.1%}",
                    f"{row.bytes / seconds * 1e-9:.1f}",
                    f"{row.flops / seconds * 1e-9:.1f}" if row.flops else "",
                    f"{row.peak_share:.0%}",
                )
            )
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        text = [
            "  ".join(
                [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
            )
            for line in lines
        ]
        if len(shown) > rows:
            text.append(f"... and {len(shown) - rows} more")
        return "\n".join(text)

    def save_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Writes a file for ``chrome://tracing`` or https://ui.perfetto.dev: a row of kernels and one of layers.

        Parameters
        ----------
        path
            The JSON file, in a folder that exists; one that is there is replaced.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        import json
        from pathlib import Path

        first = min((launch.start for launch in self.launches), default=0)
        events: list[dict[str, Any]] = []
        for launch in self.launches:
            event = {"ph": "X", "pid": 0, "ts": (launch.start - first) / 1e3, "dur": (launch.end - launch.start) / 1e3}
            details = {
                "dtype": launch.dtype.name,
                "layer": launch.layer,
                "bytes": launch.bytes,
                "flops": launch.flops,
                "threads": launch.threads,
                "replayed": launch.replayed,
            }
            category = "backward" if launch.backward else "forward"
            events.append({**event, "tid": 0, "name": launch.kernel, "cat": category, "args": details})
            if launch.layer:
                events.append({**event, "tid": 1, "name": launch.layer, "cat": category, "args": {}})
        for number, name in enumerate(("kernels", "layers")):
            events.append({"ph": "M", "pid": 0, "tid": number, "name": "thread_name", "args": {"name": name}})
        Path(path).write_text(json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}), encoding="utf-8")

    def __str__(self) -> str:
        threads = _C.get_num_threads()
        title = (
            f"{len(self.launches)} launches, {self.seconds * 1e3:.3f} ms; this machine with {threads} threads: "
            f"{_flops_per_second('float32', threads) * 1e-9:.0f} GFLOP/s, {_bytes_per_second(threads) * 1e-9:.0f} GB/s"
        )
        return "\n\n".join([title, self.table("kernel"), self.table("layer")])


def _least_seconds(launch: Launch) -> float:
    """What the launch would take at the machine's rates: of multiply-adds or of memory, whichever is longer."""
    dtype = launch.dtype.name if launch.dtype.name in ("float32", "float64") else "float32"
    arithmetic = launch.flops / _flops_per_second(dtype, launch.threads) if launch.flops else 0.0
    return max(arithmetic, launch.bytes / _bytes_per_second(launch.threads))


@cache
def _flops_per_second(dtype: str, threads: int) -> float:
    """Of multiply-adds in registers, measured here."""
    return float(_C.measure_fma_peak(dtype, threads)) * 1e9


@cache
def _bytes_per_second(threads: int) -> float:
    """Of a copy that is far larger than the caches, measured here: values in a cache come faster."""
    import time

    before = _C.get_num_threads()
    _C.set_num_threads(threads)
    try:
        source = _C.full((1 << 24,), 1.0, _C.float32)
        target = _C.copy(source)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            _C.assign("profile", target, source)
            times.append(time.perf_counter() - start)
    finally:
        _C.set_num_threads(before)
    return 2 * 4 * source.size / min(times)
