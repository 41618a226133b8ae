"""Batches made of single samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import ops
from .._C import DTypeError, ShapeError
from ..tensor import Tensor

__all__ = ["collate"]


def collate(samples: Sequence[Any], numbers: Sequence[int] | None = None) -> Any:
    """A batch of samples of one form: tuples and dicts of parts that have one shape and dtype each.

    Parameters
    ----------
    samples
        Arrays, tensors or numbers; or tuples or dicts of such things. Python's floats become float32, as in
        ``tg.tensor``; NumPy's numbers keep their dtype.
    numbers
        The samples' numbers in their data set, for messages.

    Returns
    -------
    Tensor, tuple or dict
        Tensors [N, ...] in the form of a sample.

    Raises
    ------
    ShapeError
        If the samples differ in form or in a part's shape; the message names two that do.
    DTypeError
        If they differ in dtype, or a part is neither numbers nor booleans.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> x, y = tg.data.collate([(np.zeros(2, np.float32), 5), (np.ones(2, np.float32), 6)])
    >>> x.shape, y
    ((2, 2), tensor([5, 6]))
    """
    if not len(samples):
        raise ShapeError("collate: a batch needs at least one sample")
    return _stack(samples, range(len(samples)) if numbers is None else numbers, "")


def _stack(samples: Sequence[Any], numbers: Sequence[int], part: str) -> Any:
    first = samples[0]
    if isinstance(first, Mapping):
        _same(
            samples,
            numbers,
            part,
            lambda s: sorted(map(str, s)) if isinstance(s, Mapping) else type(s).__name__,
            "keys",
        )
        return {key: _stack([sample[key] for sample in samples], numbers, f"{part}[{key!r}]") for key in first}
    if isinstance(first, (tuple, list)):
        _same(samples, numbers, part, lambda s: len(s) if isinstance(s, (tuple, list)) else type(s).__name__, "parts")
        return tuple(
            _stack(list(parts), numbers, f"{part}[{position}]")
            for position, parts in enumerate(zip(*samples, strict=True))
        )
    arrays = [_part(sample, number, part) for sample, number in zip(samples, numbers, strict=True)]
    _same(arrays, numbers, part, lambda a: list(a.shape), "shape")
    _same(arrays, numbers, part, lambda a: str(a.dtype), "dtype")
    stacked = np.stack(arrays)
    # NumPy's float64 is a float, too, but says what it is.
    is_python = isinstance(first, float) and not isinstance(first, np.float64)
    return ops.tensor(stacked.astype(np.float32) if is_python else stacked)


def _same(samples: Sequence[Any], numbers: Sequence[int], part: str, of: Any, what: str) -> None:
    """Raise where a sample differs from the first in something."""
    expected = of(samples[0])
    for sample, number in zip(samples, numbers, strict=True):
        found = of(sample)
        if found != expected:
            error = DTypeError if what == "dtype" else ShapeError
            raise error(
                f"DataLoader: sample {number}{part} has {what} {found}, but sample {numbers[0]}{part} has {expected}; "
                f"the samples of a batch need one {what}" + (" (resize, crop or pad them)" if what == "shape" else "")
            )


def _part(value: Any, number: int, part: str) -> np.ndarray[Any, Any]:
    """An array of numbers or booleans."""
    if isinstance(value, Tensor):
        array: np.ndarray[Any, Any] = value.detach().numpy()
    else:
        try:
            array = np.asarray(value)
        except (TypeError, ValueError):
            array = np.array(None)
    if array.dtype.kind not in "fiub":
        raise DTypeError(
            f"DataLoader: sample {number}{part} is {type(value).__name__}, expected numbers, booleans or an array "
            "of them"
        )
    return array
