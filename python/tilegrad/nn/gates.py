"""Gates that are exactly zero with some probability, and layers whose weights they switch off."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import _C, ops
from .. import random as _random
from ..tensor import Tensor
from . import initial
from .arguments import check_size
from .module import Module
from .parameter import Parameter
from .registry import register

__all__ = ["HardConcrete", "L0Linear"]

# The interval that a concrete number is stretched to, so that both of its ends have probability.
_LOW, _HIGH = -0.1, 1.1


def _check_share(layer: str, name: str, value: float) -> float:
    if not isinstance(value, (int, float)) or not 0 < value < 1:
        raise _C.ArgumentError(f"{layer}: {name} must be between 0 and 1, found {value!r}")
    return float(value)


@register
class HardConcrete(Module):
    """Random gates in [0, 1] that are exactly 0 or 1 with probabilities that are learnt.

    While training, with ``u`` uniform in (0, 1)::

        s = sigmoid((log(u) - log(1 - u) + log_alpha) / temperature)
        z = clip(s * 1.2 - 0.1, 0, 1)

    In evaluation gates are not random: ``z = clip(sigmoid(log_alpha) * 1.2 - 0.1, 0, 1)``.

    Parameters
    ----------
    shape
        Of the gates: an integer or a sequence.
    drop_rate
        Where gates start: ``log_alpha`` near ``log((1 - drop_rate) / drop_rate)``; between 0 and 1. Because of the
        stretching they are closed a little less often than that.
    temperature
        How far from 0 and 1 gates are found while training; between 0 and 1.

    Attributes
    ----------
    log_alpha : Parameter
        Of the gates' shape: where they tend to.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

    Notes
    -----
    Source: Louizos, Welling and Kingma, "Learning sparse neural networks through L0 regularization", ICLR 2018.

    Examples
    --------
    >>> import tilegrad as tg
    >>> gates = tg.nn.HardConcrete(1000, drop_rate=0.9)
    >>> z = gates().detach()
    >>> bool((z >= 0).all()) and bool((z <= 1).all()) and (z == 0).sum().item() > 550
    True
    >>> gates.expected_open().sum().item() < 400
    True
    """

    log_alpha: Parameter

    def __init__(self, shape: int | Sequence[int], drop_rate: float = 0.5, temperature: float = 2 / 3) -> None:
        sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
        self.shape = tuple(check_size("HardConcrete", "shape", size) for size in sizes)
        self.drop_rate = _check_share("HardConcrete", "drop_rate", drop_rate)
        self.temperature = _check_share("HardConcrete", "temperature", temperature)
        # Around the logit of the share that stays: equal gates would stay equal.
        self.log_alpha = Parameter(_random.normal(math.log((1 - drop_rate) / drop_rate), 0.01, self.shape))

    def forward(self) -> Tensor:
        """The gates, of their shape: drawn anew while training."""
        logits: Tensor = self.log_alpha
        if self.training:
            u = _random.uniform(1e-6, 1 - 1e-6, self.shape, self.log_alpha.dtype)
            logits = (ops.log(u) - ops.log(1.0 - u) + logits) / self.temperature
        return ops.clip(ops.sigmoid(logits) * (_HIGH - _LOW) + _LOW, 0.0, 1.0)

    def expected_open(self) -> Tensor:
        """The probability that each gate is not zero: ``sigmoid(log_alpha - temperature * log(0.1 / 1.1))``."""
        return ops.sigmoid(self.log_alpha - self.temperature * math.log(-_LOW / _HIGH))


@register
class L0Linear(Module):
    """A dense layer whose weights, or whole inputs, are switched off by :class:`HardConcrete` gates.

    ``y = x (W * z) + b``. Add :func:`tilegrad.optim.penalties.l0` to the loss: it pushes gates to 0. In evaluation the
    weights of closed gates are exactly zero.

    Parameters
    ----------
    in_features, out_features
        The sizes of the last axis of input and output.
    bias
        Whether ``b`` is added.
    per : {"weight", "input"}
        Whether each weight has a gate, or each input, which removes all of its weights together.
    drop_rate, temperature
        As of :class:`HardConcrete`.

    Attributes
    ----------
    weight : Parameter
        [in_features, out_features], before the gates.
    bias : Parameter or None
        [out_features]
    gates : HardConcrete
        [in_features, out_features] or [in_features, 1].

    Raises
    ------
    ArgumentError
        If an argument is none of those.

    Notes
    -----
    Source: Louizos, Welling and Kingma, "Learning sparse neural networks through L0 regularization", ICLR 2018.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.L0Linear(64, 10)
    >>> layer(tg.zeros((5, 64))).shape
    (5, 10)
    >>> 0 < layer.expected_l0().item() < 640
    True
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        per: str = "weight",
        drop_rate: float = 0.5,
        temperature: float = 2 / 3,
    ) -> None:
        self.in_features = check_size("L0Linear", "in_features", in_features)
        self.out_features = check_size("L0Linear", "out_features", out_features)
        if per not in ("weight", "input"):
            raise _C.ArgumentError(f"L0Linear: per must be 'weight' or 'input', found {per!r}")
        self.per = per
        gates = 1 if per == "input" else self.out_features
        self.gates = HardConcrete((self.in_features, gates), drop_rate, temperature)
        self.weight = initial.weight((self.in_features, self.out_features), fan_in=self.in_features)
        self.bias = initial.bias(self.out_features) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_features] to [..., out_features]."""
        return ops.linear(x, self.weight * self.gates(), self.bias)

    def expected_l0(self) -> Tensor:
        """The expected number of weights that are not zero, a scalar."""
        each = self.out_features if self.per == "input" else 1
        return ops.sum(self.gates.expected_open()) * float(each)
