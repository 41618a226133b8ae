"""Metric: what is measured of outputs and targets, as tensors, inside the step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _C
from ..placement import on_host

if TYPE_CHECKING:
    from ...tensor import Tensor

__all__ = ["Metric"]

NDArray = np.ndarray[Any, Any]


class Metric:
    """A number that is found by adding up something over all samples.

    A subclass computes with tensors what one batch adds, in :meth:`measure`, and says in :meth:`result` what the sum
    means. The first is part of the training step: it runs in the kernels, is captured with the rest, and nothing is
    read from a tensor before somebody looks.

    Parameters
    ----------
    name
        What it is called in results.

    Examples
    --------
    >>> import tilegrad as tg
    >>> class LargestError(tg.train.metrics.Metric):  # the mean over samples of their largest error
    ...     def measure(self, output, target):
    ...         return tg.sum(tg.max(tg.absolute(output - target), axis=1))
    ...     def result(self, total, samples):
    ...         return float(total) / samples
    >>> LargestError("largest_error").of(tg.tensor([[1.0, 2.0]]), tg.tensor([[1.5, 4.0]]))
    2.0
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """What a batch adds to the total, computed by ops alone; for a subclass to write.

        Parameters
        ----------
        output
            What the model returned for the batch, [N, ...].
        target
            The batch's targets, [N, ...].

        Returns
        -------
        Tensor
            Of a shape and dtype that do not depend on the batch, on the device of the output. Floats are added up in
            float64, integers as they are.

        Raises
        ------
        ArgumentError, ShapeError, DTypeError
            If the two do not fit the metric.
        """
        raise NotImplementedError(f"{type(self).__name__} has no measure()")

    def result(self, total: NDArray, samples: int) -> Any:
        """The number (or array) that a total means; for a subclass to write.

        Parameters
        ----------
        total
            The sum of what :meth:`measure` gave, as an array on the CPU.
        samples
            How many samples it is over, from 1.

        Returns
        -------
        float or numpy.ndarray
            What is reported.
        """
        raise NotImplementedError(f"{type(self).__name__} has no result()")

    def of(self, output: Tensor, target: Tensor) -> Any:
        """The metric of one batch.

        Parameters
        ----------
        output, target
            As of :meth:`measure`, with at least one sample.

        Returns
        -------
        float or numpy.ndarray
            What :meth:`result` gives.

        Raises
        ------
        ArgumentError, ShapeError, DTypeError
            As of :meth:`measure`.
        """
        return self.result(on_host(self.measure(output, target)), len(target))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def check_tensors(name: str, output: Any, target: Any) -> None:
    """Of models with several outputs, or several targets, a metric cannot know which are meant."""
    for what, value in (("output", output), ("target", target)):
        if not isinstance(value, _C.TensorBase):
            raise _C.ArgumentError(
                f"{name}: the {what} is a {type(value).__name__}, expected a tensor; of several take "
                "one in a Metric of your own, or in a function (output, target) -> float"
            )


def check_same_shape(name: str, output: Tensor, target: Tensor) -> None:
    """Targets must be of the output's shape."""
    check_tensors(name, output, target)
    if output.shape != target.shape:
        raise _C.ShapeError(
            f"{name}: the output is {list(output.shape)} and the target {list(target.shape)}, expected one shape"
        )


def check_choice(owner: str, name: str, value: Any, choices: Sequence[Any]) -> Any:
    """One of a few values."""
    if value not in choices:
        raise _C.ArgumentError(f"{owner}: {name} must be one of {', '.join(map(repr, choices))}, found {value!r}")
    return value


class Function:
    """A metric that is the user's function of a batch, called outside the captured step: its mean over samples."""

    def __init__(self, function: Callable[[Any, Any], Any], name: str) -> None:
        self.function, self.name = function, name
        self.sum = 0.0

    def add(self, output: Tensor, target: Tensor, count: int) -> None:
        """Measure a batch of ``count`` samples."""
        found = self.function(output, target)
        value = found.item() if isinstance(found, _C.TensorBase) else found
        try:
            self.sum += float(value) * count
        except (TypeError, ValueError):
            raise _C.ArgumentError(
                f"metric {self.name!r}: expected a number, found {type(value).__name__}; an array needs a Metric"
            ) from None
