"""Activations as layers; see the functions of the same names."""

from __future__ import annotations

from .. import _C, ops
from ..tensor import Tensor
from .module import Module
from .registry import register

__all__ = ["GELU", "LeakyReLU", "LogSoftmax", "ReLU", "SiLU", "Sigmoid", "Softmax", "Softplus", "Tanh"]


@register
class ReLU(Module):
    """``max(x, 0)``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.ReLU()(tg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.relu(x)


@register
class LeakyReLU(Module):
    """``x`` where it is positive, ``slope * x`` elsewhere; 0 <= slope <= 1.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.LeakyReLU(0.5)(tg.tensor([-1.0, 2.0]))
    tensor([-0.5,  2. ])
    """

    def __init__(self, slope: float = 0.01) -> None:
        if not isinstance(slope, (int, float)) or not 0 <= slope <= 1:
            raise _C.ArgumentError(f"LeakyReLU: slope must be between 0 and 1, found {slope!r}")
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.maximum(x, x * self.slope)


@register
class Sigmoid(Module):
    """``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Sigmoid()(tg.zeros(1))
    tensor([0.5])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.sigmoid(x)


@register
class Tanh(Module):
    """The hyperbolic tangent.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Tanh()(tg.zeros(1))
    tensor([0.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.tanh(x)


@register
class GELU(Module):
    """``x * Phi(x)``, with the normal distribution's Phi.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.GELU()(tg.zeros(1))
    tensor([0.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.gelu(x)


@register
class SiLU(Module):
    """``x * sigmoid(x)``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.SiLU()(tg.zeros(1))
    tensor([0.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.silu(x)


@register
class Softplus(Module):
    """``log(1 + exp(x))``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> round(tg.nn.Softplus()(tg.zeros(1)).item(), 4)
    0.6931
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.softplus(x)


@register
class Softmax(Module):
    """``exp(x) / sum of exp(x)`` along an axis.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Softmax()(tg.zeros((1, 2)))
    tensor([[0.5, 0.5]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.softmax(x, self.axis)


@register
class LogSoftmax(Module):
    """The logarithm of :class:`Softmax`, computed without its loss of digits.

    Examples
    --------
    >>> import tilegrad as tg
    >>> round(tg.nn.LogSoftmax()(tg.zeros((1, 2)))[0, 0].item(), 4)
    -0.6931
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.log_softmax(x, self.axis)
