"""What was given where a tensor belongs, found when a call has failed: calls that succeed pay nothing for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import _C

__all__ = ["no_tensor", "other_data"]


def other_data(
    error: Exception, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], caller: str = ""
) -> Exception:
    """The error to raise for one that a call has ended with.

    Parameters
    ----------
    error
        What was raised: an AttributeError or a TypeError.
    function
        What was called; of its parameters those count that are annotated as ``Tensor`` or ``Tensor | None``.
    args, kwargs
        What it was called with.
    caller
        What the message begins with.

    Returns
    -------
    Exception
        A DTypeError that names the first such parameter for which something else was given, such as a NumPy array, and
        what that was; ``error`` itself if all are tensors.
    """
    if isinstance(error, _C.TilegradError):
        return error
    from inspect import signature

    takes = signature(function)
    try:
        given = takes.bind(*args, **kwargs).arguments
    except TypeError:  # other arguments than the function has, of which Python's own message is clear
        return error
    for name, value in given.items():
        kind = str(takes.parameters[name].annotation)
        if kind not in ("Tensor", "Tensor | None") or isinstance(value, _C.TensorBase):
            continue
        if value is not None or kind == "Tensor":
            return no_tensor(f"{caller}{name}", value)
    return error


def no_tensor(argument: str, value: Any) -> _C.DTypeError:
    """The error for an argument that is something else."""
    found = f"{type(value).__module__}.{type(value).__name__}".removeprefix("builtins.")
    return _C.DTypeError(f"{argument} must be a tensor, found {found}; tg.tensor() makes one from other data")
