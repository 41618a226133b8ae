"""Metrics of regressors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ... import ops
from .base import Metric, NDArray, check_same_shape

if TYPE_CHECKING:
    from ...tensor import Tensor

__all__ = ["MAE", "MSE", "RMSE"]


class _OverElements(Metric):
    """The mean of what a derived class makes of differences, over all elements."""

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """The sum over samples of each one's mean."""
        check_same_shape(self.name, output, target)
        error = self._error(ops.astype(output, "float64") - ops.astype(target, "float64"))
        total = ops.sum(error)
        return total * (len(output) / max(output.size, 1)) if output.ndim else total

    def result(self, total: NDArray, samples: int) -> float:
        """The mean."""
        return float(total) / samples

    def _error(self, difference: Tensor) -> Tensor:
        raise NotImplementedError


class MSE(_OverElements):
    """The mean squared error, over all elements.

    Parameters
    ----------
    name
        What it is called in results.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.train.metrics.MSE().of(tg.tensor([[1.0], [3.0]]), tg.tensor([[1.0], [1.0]]))
    2.0
    """

    def __init__(self, name: str = "mse") -> None:
        super().__init__(name)

    def _error(self, difference: Tensor) -> Tensor:
        return difference * difference


class RMSE(MSE):
    """The square root of the mean squared error, over all elements.

    Parameters
    ----------
    name
        What it is called in results.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.train.metrics.RMSE().of(tg.tensor([[1.0], [3.0]]), tg.tensor([[3.0], [1.0]]))
    2.0
    """

    def __init__(self, name: str = "rmse") -> None:
        super().__init__(name)

    def result(self, total: NDArray, samples: int) -> float:
        """The root."""
        return float(np.sqrt(super().result(total, samples)))


class MAE(_OverElements):
    """The mean absolute error, over all elements.

    Parameters
    ----------
    name
        What it is called in results.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.train.metrics.MAE().of(tg.tensor([[1.0], [3.0]]), tg.tensor([[1.0], [1.0]]))
    1.0
    """

    def __init__(self, name: str = "mae") -> None:
        super().__init__(name)

    def _error(self, difference: Tensor) -> Tensor:
        return ops.absolute(difference)
