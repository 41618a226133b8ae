"""Threads, memory, float32 precision, and what this build and machine offer."""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any

from . import _C
from ._version import __version__

if TYPE_CHECKING:
    from typing import Literal, SupportsIndex, TextIO

__all__ = [
    "empty_cache",
    "get_float32_precision",
    "get_num_threads",
    "memory_stats",
    "reset_peak_memory",
    "set_float32_precision",
    "set_num_threads",
    "show_config",
]


def set_num_threads(n: SupportsIndex) -> None:
    """Sets how many threads one kernel may use, for the whole process.

    Results do not depend on it: they have the same bits for any number of threads.

    Parameters
    ----------
    n
        From 1 to 1024. At the start it is ``TILEGRAD_NUM_THREADS``, or the number of CPUs that the affinity mask and
        the cgroup of the process allow.

    Raises
    ------
    ArgumentError
        If ``n`` is out of its range.
    DTypeError
        If ``n`` is not an integer.

    Examples
    --------
    >>> import tilegrad as tg
    >>> before = tg.get_num_threads()
    >>> tg.set_num_threads(2)
    >>> tg.get_num_threads()
    2
    >>> tg.set_num_threads(before)
    """
    try:
        count = operator.index(n)
    except TypeError:
        count = None
    if count is None or isinstance(n, bool):
        raise _C.DTypeError(f"set_num_threads: n must be an integer from 1 to 1024, found {n!r}")
    if not 1 <= count <= 1024:
        raise _C.ArgumentError(f"set_num_threads: n must be from 1 to 1024, found {count}")
    _C.set_num_threads(count)


def get_num_threads() -> int:
    """How many threads one kernel may use; see :func:`set_num_threads`.

    Returns
    -------
    int
        From 1 to 1024. Small launches take fewer.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.get_num_threads() >= 1
    True
    """
    return _C.get_num_threads()


def set_float32_precision(precision: Literal["high", "highest"]) -> None:
    """Sets how exact float32 convolutions must be, for the whole process.

    Parameters
    ----------
    precision
        ``"high"`` (at the start) allows algorithms with a somewhat larger rounding error: Winograd's F(4x4) and
        stride 2 on the CPU, TF32 on CUDA. ``"highest"`` allows none.

    Raises
    ------
    ArgumentError
        If it is neither.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.set_float32_precision("highest")
    >>> tg.get_float32_precision()
    'highest'
    >>> tg.set_float32_precision("high")
    """
    if precision not in ("high", "highest"):
        raise _C.ArgumentError(f'set_float32_precision: precision must be "high" or "highest", found {precision!r}')
    _C.set_float32_precision(precision)


def get_float32_precision() -> str:
    """How exact float32 convolutions must be now; see :func:`set_float32_precision`.

    Returns
    -------
    str
        ``"high"`` or ``"highest"``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.get_float32_precision()
    'high'
    """
    return _C.float32_precision()


def memory_stats() -> dict[str, int]:
    """What the caching allocator holds.

    Returns
    -------
    dict
        ``bytes_in_use``, handed out to tensors and rounded up to the allocator's sizes; ``bytes_cached``, freed by
        tensors and kept for the next ones; ``peak_bytes_in_use``, the largest ``bytes_in_use`` since the start or
        :func:`reset_peak_memory`; ``allocations``, requests so far; ``cache_hits``, how many of these the cache
        answered.

    Examples
    --------
    >>> import tilegrad as tg
    >>> before = tg.memory_stats()["bytes_in_use"]
    >>> x = tg.zeros((256, 256))
    >>> tg.memory_stats()["bytes_in_use"] - before
    262144
    """
    stats: dict[str, int] = _C.memory_stats()
    return stats


def reset_peak_memory() -> None:
    """Makes ``peak_bytes_in_use`` start again from what is in use now.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.reset_peak_memory()
    >>> stats = tg.memory_stats()
    >>> stats["peak_bytes_in_use"] == stats["bytes_in_use"]
    True
    """
    _C.reset_peak_memory()


def empty_cache() -> None:
    """Gives the memory that is kept for future tensors back to the system.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.empty_cache()
    >>> tg.memory_stats()["bytes_cached"]
    0
    """
    _C.empty_cache()


def show_config(file: TextIO | None = None) -> None:
    """Prints what this build is, what it found on this machine and what is set.

    Parameters
    ----------
    file
        Where to; standard output by default.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.show_config()  # doctest: +ELLIPSIS
    tilegrad ...
    """
    for name, value in config().items():
        print(f"{name:<18} {value}", file=file)


def config() -> dict[str, Any]:
    """What :func:`show_config` prints, by name."""
    import numpy as np

    stats = memory_stats()
    available = _C.available_isas()
    capped = os.environ.get("TILEGRAD_ISA")
    return {
        "tilegrad": __version__,
        "compiler": _C.compiler(),
        "numpy": np.__version__,
        "isa": _C.isa() + (f" (TILEGRAD_ISA={capped})" if capped else ""),
        "isas available": ", ".join(available),
        "threads": f"{get_num_threads()} from {_threads_from()}",
        "cpus allowed": _C.available_cpus(),
        "cuda": _cuda(),
        "float32 precision": get_float32_precision(),
        "memory in use": _megabytes(stats["bytes_in_use"]) + f", at most {_megabytes(stats['peak_bytes_in_use'])}",
        "memory cached": _megabytes(stats["bytes_cached"]),
    }


def _cuda() -> str:
    reason = _C.cuda_why_not()
    if reason:
        return reason
    found = _C.cuda_properties("cuda")
    return f"{found['name']}, {found['multiprocessors']} multiprocessors, {_megabytes(found['total_memory'])}"


def _threads_from() -> str:
    return "a pool of its own" if _C.threads_from() == "pool" else "OpenMP"


def _megabytes(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
