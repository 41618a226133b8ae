"""The dense layer."""

from __future__ import annotations

from .. import ops
from ..tensor import Tensor
from . import initial
from .arguments import check_activation, check_optional_size, check_size
from .module import Module
from .parameter import Parameter
from .registry import register

__all__ = ["Linear"]


@register
class Linear(Module):
    """``y = activation(x W + b)`` along the last axis.

    Parameters
    ----------
    in_features
        The size of the last axis of the input; None (or left out) to infer it from the first input.
    out_features
        The size of the last axis of the output.
    bias
        Whether ``b`` is added.
    activation : {"relu", "sigmoid", "tanh", "gelu"}, optional
        Applied in the same pass.
    weight_init, bias_init
        What they start from: a name of :mod:`tilegrad.nn.init`, alone or with options as in
        ``("normal", {"std": 0.01})``, or a function of the shape. None: :func:`~tilegrad.nn.init.he_truncated_normal`
        and zeros. (A function has no place in a model file, which then holds the weights alone.)

    Attributes
    ----------
    weight : Parameter
        [in_features, out_features]
    bias : Parameter or None
        [out_features]

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.Linear(64, 10)
    >>> layer(tg.zeros((5, 64))).shape
    (5, 10)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int | None = None,
        out_features: int | None = None,
        bias: bool = True,
        activation: str | None = None,
        weight_init: initial.Initialiser = None,
        bias_init: initial.Initialiser = None,
    ) -> None:
        self.in_features = check_optional_size("Linear", "in_features", in_features)
        self.out_features = check_size("Linear", "out_features", out_features)
        check_activation("Linear", activation)
        initial.check_initialiser("Linear", "weight_init", weight_init)
        initial.check_initialiser("Linear", "bias_init", bias_init)
        self.activation, self._has_bias = activation, bias
        self._weight_init, self._bias_init = weight_init, bias_init
        self.weight = self.bias = None  # type: ignore[assignment]  # until the sizes are known
        self._make_if_known(in_features)

    def _make_parameters(self) -> None:
        assert self.in_features is not None
        self.weight = initial.weight(
            (self.in_features, self.out_features), fan_in=self.in_features, how=self._weight_init
        )
        if self._has_bias:
            self.bias = initial.bias(self.out_features, how=self._bias_init)

    def _create(self, x: Tensor) -> None:
        self._infer(in_features=check_size("Linear", "the input's last axis", x.shape[-1] if x.ndim else 0))

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_features] to [..., out_features]."""
        return ops.linear(x, self.weight, self.bias, self.activation)
