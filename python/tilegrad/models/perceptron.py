"""Rosenblatt's perceptron and its learning rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _C, nn, ops
from ..nn.arguments import check_size
from ..tensor import Tensor

__all__ = ["Perceptron"]


@nn.register("models.Perceptron")
class Perceptron(nn.Module):
    """One unit with a threshold: 1 where ``x w + b > 0``, else 0.

    Its step has no slope, so that it is not trained by gradients but by the perceptron rule, :meth:`fit`.

    Parameters
    ----------
    in_features
        The number of inputs.

    Attributes
    ----------
    weight : Parameter
        [in_features, 1], zero at the start.
    bias : Parameter
        [1]

    Notes
    -----
    F. Rosenblatt, The perceptron: a probabilistic model for information storage and organization in the brain, 1958.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> unit = tg.models.Perceptron(2)
    >>> mistakes = unit.fit(x, [0, 0, 0, 1])  # AND
    >>> mistakes[-1], unit(x).tolist()
    (0, [0.0, 0.0, 0.0, 1.0])
    """

    weight: nn.Parameter
    bias: nn.Parameter

    def __init__(self, in_features: int) -> None:
        size = check_size("Perceptron", "in_features", in_features)
        self.weight, self.bias = nn.Parameter(ops.zeros((size, 1))), nn.Parameter(ops.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_features] to [N]."""
        score = ops.linear(x, self.weight.detach(), self.bias.detach())
        return ops.greater(score, 0.0).astype(x.dtype).reshape(score.shape[:-1])

    def fit(self, x: Any, target: Any, epochs: int = 100, lr: float = 1.0) -> list[int]:
        """The perceptron rule, sample by sample: ``w += lr (target - output) x`` and ``b += lr (target - output)``.

        It ends after an epoch without a mistake, which comes where a line separates the classes.

        Parameters
        ----------
        x
            [N, in_features]: a tensor or an array.
        target
            [N], of zeros and ones.
        epochs
            The most passes over the samples.
        lr
            The size of a correction; it changes the scale of the weights alone.

        Returns
        -------
        list of int
            The mistakes of each epoch; the last is 0 if the classes were separated.
        """
        samples = _array(x, self.weight.dtype.name)
        labels = _array(target, self.weight.dtype.name)
        if samples.ndim != 2 or samples.shape[1] != self.weight.shape[0] or labels.shape != samples.shape[:1]:
            raise _C.ShapeError(
                f"Perceptron.fit: x must be [N, {self.weight.shape[0]}] and target [N], found {list(samples.shape)} "
                f"and {list(labels.shape)}"
            )
        if not np.isin(labels, (0, 1)).all():
            raise _C.OutOfRangeError("Perceptron.fit: targets must be 0 or 1")
        if not lr > 0:
            raise _C.ArgumentError(f"Perceptron.fit: lr must be positive, found {lr!r}")
        weight, bias = self.weight.detach().numpy()[:, 0].copy(), self.bias.detach().numpy().copy()
        mistakes: list[int] = []
        for _ in range(epochs):
            wrong = 0
            for sample, label in zip(samples, labels, strict=True):
                error = label - float(sample @ weight + bias[0] > 0)
                if error:
                    weight += lr * error * sample
                    bias += lr * error
                    wrong += 1
            mistakes.append(wrong)
            if not wrong:
                break
        _C.copy_into(ops.tensor(weight[:, None]), self.weight.detach())
        _C.copy_into(ops.tensor(bias), self.bias.detach())
        return mistakes


def _array(values: Any, dtype: str) -> np.ndarray[Any, Any]:
    return np.asarray(values.detach().numpy() if isinstance(values, Tensor) else values).astype(dtype)
