"""Which sizes grow with the batch: found by comparing what a model does with a batch of two and of three samples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ... import _C
from ...errors import OnnxError
from .trace import Call, Trace

__all__ = ["BatchSize", "depends_on_batch", "merge"]


class BatchSize(int):
    """A size that is ``factor`` times the number of samples."""

    factor: int

    def __new__(cls, value: int, factor: int) -> BatchSize:
        made = super().__new__(cls, value)
        made.factor = factor
        return made


def merge(first: Trace, second: Trace) -> Trace:
    """The first trace, of ``first.batch`` samples, with a :class:`BatchSize` for each number that differs."""
    names = [[call.function for call in trace.calls] for trace in (first, second)]
    if names[0] != names[1]:
        raise OnnxError(
            f"save_onnx: the model does something else for {second.batch} samples than for {first.batch}; pass "
            "dynamic_batch=False to write it for one sample"
        )
    merging = _Merging(first.batch, second.batch)
    calls = [merging.call(a, b) for a, b in zip(first.calls, second.calls, strict=True)]
    merging.where = "the outputs"
    outputs = merging.value(first.outputs, second.outputs)
    return Trace(first.batch, first.inputs, calls, outputs, merging.shapes)


def depends_on_batch(value: Any) -> bool:
    """Whether a batch's size is among the numbers."""
    if isinstance(value, (tuple, list)):
        return any(depends_on_batch(part) for part in value)
    return isinstance(value, BatchSize)


class _Merging:
    def __init__(self, first: int, second: int) -> None:
        self._first, self._second = first, second
        self.shapes: dict[int, tuple[int, ...]] = {}  # of the first trace's tensors, by identity
        self.where = ""

    def call(self, a: Call, b: Call) -> Call:
        self.where = f"{a.function} in {a.path or 'the model'}"
        arguments = self.value(a.arguments, b.arguments)
        return Call(a.function, arguments, self.value(a.result, b.result), a.path)

    def value(self, a: Any, b: Any) -> Any:
        if isinstance(a, _C.TensorBase):
            if isinstance(b, _C.TensorBase) and a.ndim == b.ndim:
                self.shapes[id(a)] = tuple(map(self._size, a.shape, b.shape))
                return a
        elif isinstance(a, (tuple, list)):
            if type(a) is type(b) and len(a) == len(b):
                return type(a)(map(self.value, a, b))
        elif isinstance(a, slice):
            return slice(*(self.value(x, y) for x, y in zip(_ends(a), _ends(b), strict=True)))
        elif type(a) is int and type(b) is int:
            return self._size(a, b)
        elif isinstance(a, np.ndarray):
            if np.array_equal(a, b):
                return a
        elif a is b or a == b or (a != a and b != b):
            return a
        raise self._refuse(a, b)

    def _size(self, a: int, b: int) -> int:
        if a == b:
            return a
        factor = (b - a) // (self._second - self._first)
        if (a, b) != (factor * self._first, factor * self._second):
            raise self._refuse(a, b)
        return BatchSize(a, factor)

    def _refuse(self, a: Any, b: Any) -> OnnxError:
        return OnnxError(
            f"save_onnx: {self.where} depends on the number of samples in a way that ONNX's shapes cannot say ({a!r} "
            f"for {self._first}, {b!r} for {self._second}); pass dynamic_batch=False to write it for one sample"
        )


def _ends(part: Any) -> Iterable[Any]:
    return (part.start, part.stop, part.step) if isinstance(part, slice) else (None, None, None)
