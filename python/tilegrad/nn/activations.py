"""Activations as layers; see the functions of the same names."""

from __future__ import annotations

from .. import _C, ops
from ..tensor import Tensor
from .arguments import check_number
from .module import Module
from .registry import register

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "HardSigmoid",
    "Hardswish",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Step",
    "Tanh",
]


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
class ReLU6(Module):
    """``min(max(x, 0), 6)``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.ReLU6()(tg.tensor([-1.0, 8.0]))
    tensor([0., 6.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.relu6(x)


@register
class LeakyReLU(Module):
    """``x`` where it is positive, ``negative_slope * x`` elsewhere.

    Parameters
    ----------
    negative_slope
        Any finite number. For one that is learnt see :class:`PReLU`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.LeakyReLU(0.5)(tg.tensor([-1.0, 2.0]))
    tensor([-0.5,  2. ])
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = check_number("LeakyReLU", "negative_slope", negative_slope)

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.leaky_relu(x, self.negative_slope)


@register
class ELU(Module):
    """``x`` where it is positive, ``alpha * (exp(x) - 1)`` elsewhere.

    Parameters
    ----------
    alpha
        Minus the limit far below zero: any finite number.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.ELU(0.5)(tg.tensor([-100.0, 2.0]))
    tensor([-0.5,  2. ])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = check_number("ELU", "alpha", alpha)

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.elu(x, self.alpha)


@register
class SELU(Module):
    """The scaled ELU of self-normalising networks; see :func:`tilegrad.selu`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.SELU()(tg.zeros(1))
    tensor([0.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.selu(x)


@register
class Step(Module):
    """0 where ``x < 0``, 1 elsewhere. No gradient passes: for networks that are not trained by it.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Step()(tg.tensor([-1.0, 0.0]))
    tensor([0., 1.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.step(x)


@register
class HardSigmoid(Module):
    """``relu6(x + 3) / 6``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.HardSigmoid()(tg.tensor([-4.0, 0.0]))
    tensor([0. , 0.5])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.hard_sigmoid(x)


@register
class Hardswish(Module):
    """``x * relu6(x + 3) / 6``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Hardswish()(tg.tensor([-4.0, 4.0]))
    tensor([0., 4.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.hard_swish(x)


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
    """``x * Phi(x)``, with the normal distribution's Phi; with ``approximate="tanh"`` the usual approximation of it.

    Parameters
    ----------
    approximate
        ``"none"`` or ``"tanh"``: see :func:`tilegrad.gelu`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.GELU()(tg.zeros(1))
    tensor([0.])
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise _C.ArgumentError(f'GELU: approximate must be "none" or "tanh", found {approximate!r}')
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.gelu(x, self.approximate)


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
class Mish(Module):
    """``x * tanh(softplus(x))``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Mish()(tg.zeros(1))
    tensor([0.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.mish(x)


@register
class LogSigmoid(Module):
    """``log(sigmoid(x))``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> round(tg.nn.LogSigmoid()(tg.zeros(1)).item(), 4)
    -0.6931
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.log_sigmoid(x)


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

    Parameters
    ----------
    axis
        Along which numbers sum to 1; negative axes count from the end.

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

    Parameters
    ----------
    axis
        As in :class:`Softmax`.

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
