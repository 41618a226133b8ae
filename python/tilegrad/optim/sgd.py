"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import _C
from ..numbers import check_number
from .optimizer import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .group import Rate
    from .optimizer import Common, Parameters

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov's look ahead and weight decay if wanted.

    For the gradient ``g`` of a parameter ``p``, with its velocity ``v``::

        g = g + weight_decay * p
        v = momentum * v + (1 - dampening) * g      (v = g in the first step)
        p = p - lr * v                              (nesterov: p - lr * (g + momentum * v))

    Parameters
    ----------
    params
        Tensors, or groups: dictionaries with ``"params"`` and, if wanted, options of their own.
    lr
        The learning rate: a number, or a schedule (see :mod:`tilegrad.optim.schedules`).
    momentum
        How much of the velocity stays, from 0.
    dampening
        How much of the gradient is kept from the velocity, from 0 to 1.
    weight_decay
        The factor of the L2 penalty ``weight_decay / 2 * p ** 2``, from 0.
    nesterov
        Whether to look ahead; needs a momentum, and no dampening.
    clip_norm
        If given, gradients count as scaled to this norm, all together, wherever theirs is larger.
    common
        ``decoupled_weight_decay``, ``l1_decay``, ``max_norm``, ``clip_value`` and ``maximize``: see :class:`Optimizer`.

    Raises
    ------
    ArgumentError
        If a number is out of its range, or a parameter is unfit or given twice.

    Notes
    -----
    Source: Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep learning",
    ICML 2013, in the form of PyTorch.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = tg.optim.SGD([x], lr=0.25)
    >>> (x * x).backward(tg.ones(2))
    >>> optimizer.step()
    >>> x.tolist()
    [0.5, 1.0]
    """

    _slots = ("velocity",)
    _native = staticmethod(_C.sgd)
    _native_options = ("momentum", "dampening", "nesterov")

    def __init__(
        self,
        params: Parameters,
        lr: Rate,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        clip_norm: float | None = None,
        **common: Unpack[Common],
    ) -> None:
        own = {"momentum": momentum, "dampening": dampening, "nesterov": nesterov}
        super().__init__(params, lr, own, clip_norm, weight_decay, **common)

    def _check_own(self, options: Mapping[str, Any]) -> None:
        for name in ("momentum", "dampening"):
            check_number("SGD", name, options[name])
        if options["dampening"] > 1:
            raise _C.ArgumentError(f"SGD: dampening must be at most 1, found {options['dampening']:g}")
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            raise _C.ArgumentError(
                "SGD: nesterov=True needs momentum above 0 and dampening 0, found "
                f"momentum {options['momentum']:g} and dampening {options['dampening']:g}"
            )

    def _needs(self, options: Mapping[str, Any], slot: str) -> bool:
        return bool(options["momentum"] != 0)
