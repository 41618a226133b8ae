"""Activations with parameters of their own."""

from __future__ import annotations

from .. import ops
from ..tensor import Tensor
from . import initial
from .arguments import check_number, check_optional_size, check_size
from .module import Module
from .parameter import Parameter
from .registry import register

__all__ = ["Maxout", "PReLU"]


@register
class PReLU(Module):
    """``x`` where it is positive, ``weight * x`` elsewhere, with a slope that is learnt.

    Parameters
    ----------
    num_parameters
        1 for one slope, or the number of channels (the last axis of the input) for one each.
    init
        Its first value.

    Attributes
    ----------
    weight : Parameter
        [num_parameters]; weight decay would pull it to ReLU's 0.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.PReLU()(tg.tensor([-1.0, 2.0])).detach()
    tensor([-0.25,  2.  ])
    """

    weight: Parameter

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.num_parameters = check_size("PReLU", "num_parameters", num_parameters)
        self.weight = initial.bias(self.num_parameters, check_number("PReLU", "init", init))

    def forward(self, x: Tensor) -> Tensor:
        """[..., num_parameters], or any shape for one slope."""
        return ops.prelu(x, self.weight)


@register
class Maxout(Module):
    """A linear layer whose outputs are each the largest of ``pieces`` linear functions of the input.

    Parameters
    ----------
    in_features
        The size of the last axis of the input; None (or left out) to infer it from the first input.
    out_features
        The size of the last axis of the output.
    pieces
        How many linear functions an output chooses from.
    bias
        Whether each has a constant term.

    Attributes
    ----------
    weight : Parameter
        [in_features, out_features * pieces]; the pieces of one output lie side by side.
    bias : Parameter or None
        [out_features * pieces]

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.Maxout(64, 10, pieces=3)
    >>> layer(tg.zeros((5, 64))).shape
    (5, 10)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int | None = None, out_features: int | None = None, pieces: int = 2, bias: bool = True
    ) -> None:
        self.in_features = check_optional_size("Maxout", "in_features", in_features)
        self.out_features = check_size("Maxout", "out_features", out_features)
        self.pieces, self._has_bias = check_size("Maxout", "pieces", pieces), bias
        self.weight = self.bias = None  # type: ignore[assignment]  # until the sizes are known
        self._make_if_known(in_features)

    def _make_parameters(self) -> None:
        assert self.in_features is not None
        size = self.out_features * self.pieces
        self.weight = initial.weight((self.in_features, size), fan_in=self.in_features)
        if self._has_bias:
            self.bias = initial.bias(size)

    def _create(self, x: Tensor) -> None:
        self._infer(in_features=check_size("Maxout", "the input's last axis", x.shape[-1] if x.ndim else 0))

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_features] to [..., out_features]."""
        return ops.maxout(ops.linear(x, self.weight, self.bias), self.pieces)
