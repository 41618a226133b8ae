"""The GPU: whether there is one, its memory, and waiting for it.

Tensors and modules go there by ``.to("cuda")``, to the second one by ``.to("cuda:1")``; everything else stays as it is.
Launches return before the GPU has run them. Whatever reads a value waits, and so does :func:`synchronize`; errors that
a kernel meets (a label or an index out of range) are raised there, with the row and the value, and leave the GPU
usable. From a bad label to that moment optimizers do not update.
"""

from __future__ import annotations

from typing import Any

from . import _C

__all__ = [
    "device_count", "device_name", "empty_cache", "is_available", "is_built", "memory_stats", "properties",
    "reset_peak_memory", "synchronize", "why_not",
]  # fmt: skip


def is_available() -> bool:
    """Whether tensors can go to a GPU.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.cuda.is_available() == (tg.cuda.why_not() == "")
    True
    """
    return not _C.cuda_why_not()


def why_not() -> str:
    """Why there is no GPU to use: built without CUDA, no driver, one that is too old, no device. Empty if there is one.

    Examples
    --------
    >>> import tilegrad as tg
    >>> isinstance(tg.cuda.why_not(), str)
    True
    """
    reason: str = _C.cuda_why_not()
    return reason


def is_built() -> bool:
    """Whether this build has kernels for GPUs.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.cuda.is_built() in (True, False)
    True
    """
    built: bool = _C.cuda_is_built()
    return built


def device_count() -> int:
    """How many GPUs can be used, as ``"cuda:0"`` (which is ``"cuda"``), ``"cuda:1"`` and so on.

    Examples
    --------
    >>> import tilegrad as tg
    >>> (tg.cuda.device_count() > 0) == tg.cuda.is_available()
    True
    """
    count: int = _C.cuda_device_count()
    return count


def properties(device: str = "cuda") -> dict[str, Any]:
    """What a GPU is.

    Parameters
    ----------
    device
        Which.

    Returns
    -------
    dict
        ``name``, ``compute_capability`` (a pair), ``multiprocessors``, ``total_memory`` and ``free_memory`` in bytes,
        ``driver_version`` and ``runtime_version`` (of CUDA, pairs).

    Raises
    ------
    DeviceError
        If there is none, with the reason.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.cuda.properties()["compute_capability"] if tg.cuda.is_available() else (9, 0)  # doctest: +ELLIPSIS
    (..., ...)
    """
    found: dict[str, Any] = _C.cuda_properties(device)
    return found


def device_name(device: str = "cuda") -> str:
    """A GPU's name.

    Parameters
    ----------
    device
        Which.

    Raises
    ------
    DeviceError
        If there is none.

    Examples
    --------
    >>> import tilegrad as tg
    >>> name = tg.cuda.device_name() if tg.cuda.is_available() else "none"
    """
    return str(properties(device)["name"])


def synchronize() -> None:
    """Waits for all GPUs that are in use, and raises what went wrong on them meanwhile.

    Raises
    ------
    OutOfRangeError
        If a label or an index was out of range, with its row and value.
    DeviceError
        If there is no GPU, or it has failed.

    Examples
    --------
    >>> import tilegrad as tg
    >>> if tg.cuda.is_available():
    ...     tg.cuda.synchronize()
    """
    _C.cuda_synchronize()


def memory_stats(device: str = "cuda") -> dict[str, int]:
    """As :func:`tilegrad.memory_stats`, of a GPU's memory.

    Parameters
    ----------
    device
        Which.

    Examples
    --------
    >>> import tilegrad as tg
    >>> sorted(tg.cuda.memory_stats())
    ['allocations', 'bytes_cached', 'bytes_in_use', 'cache_hits', 'peak_bytes_in_use']
    """
    stats: dict[str, int] = _C.cuda_memory_stats(device)
    return stats


def reset_peak_memory(device: str = "cuda") -> None:
    """Makes ``peak_bytes_in_use`` start again from what is in use now.

    Parameters
    ----------
    device
        Which.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.cuda.reset_peak_memory()
    """
    _C.cuda_reset_peak_memory(device)


def empty_cache() -> None:
    """Gives the memory that is kept for future tensors back to the driver, on all GPUs.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.cuda.empty_cache()
    """
    _C.cuda_empty_cache()
