"""Adam, AdamW, AMSGrad and NAdam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import _C
from ..numbers import check_number
from .betas import check_betas
from .group import ParameterGroup
from .optimizer import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..tensor import Tensor
    from .group import Rate
    from .optimizer import Common, Parameters

__all__ = ["Adam", "AdamW", "NAdam"]


class Adam(Optimizer):
    """Adam: a step for each element, scaled by running means of its gradient and of its square.

    For the gradient ``g`` of a parameter ``p``, with its moments ``m`` and ``v``, in its step ``t = 1, 2, ...``::

        g = g + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g ** 2
        p = p - lr * (m / (1 - beta1 ** t)) / (sqrt(v / (1 - beta2 ** t)) + eps)

    Every parameter counts its own steps, so that one which joins later gets its bias corrected as from the start.

    Parameters
    ----------
    params
        Tensors, or groups: dictionaries with ``"params"`` and, if wanted, options of their own.
    lr
        The learning rate: a number, or a schedule (see :mod:`tilegrad.optim.schedules`).
    betas
        How much of each running mean stays; each at least 0 and below 1.
    eps
        Added to the root, above 0.
    weight_decay
        The factor of the L2 penalty ``weight_decay / 2 * p ** 2``, from 0.
    clip_norm
        If given, gradients count as scaled to this norm, all together, wherever theirs is larger.
    amsgrad
        Whether to divide by the root of the largest ``v`` so far instead of that of the last one.
    common
        ``decoupled_weight_decay``, ``l1_decay``, ``max_norm``, ``clip_value`` and ``maximize``: see :class:`Optimizer`.

    Raises
    ------
    ArgumentError
        If a number is out of its range, or a parameter is unfit or given twice.

    Notes
    -----
    Sources: Kingma and Ba, "Adam", ICLR 2015; AMSGrad: Reddi, Kale and Kumar, "On the convergence of Adam and beyond",
    ICLR 2018, as PyTorch has it: the largest ``v`` is taken before its bias is corrected.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = tg.optim.Adam([x], lr=0.5)
    >>> (x * x).backward(tg.ones(2))
    >>> optimizer.step()
    >>> [round(value, 6) for value in x.tolist()]
    [0.5, 1.5]
    """

    _slots = ("first_moment", "second_moment", "largest_second_moment")
    _native = staticmethod(_C.adam)

    def __init__(
        self,
        params: Parameters,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        amsgrad: bool = False,
        **common: Unpack[Common],
    ) -> None:
        own = {"betas": betas, "eps": eps, "amsgrad": amsgrad}
        super().__init__(params, lr, own, clip_norm, weight_decay, **common)

    def _check_own(self, options: Mapping[str, Any]) -> None:
        check_betas(self._name, options)

    def _needs(self, options: Mapping[str, Any], slot: str) -> bool:
        return slot != "largest_second_moment" or bool(options["amsgrad"])

    def _native_values(self, group: ParameterGroup) -> list[Any]:
        return [*group["betas"], group["eps"]]


class AdamW(Adam):
    """Adam with decoupled weight decay: ``p`` is multiplied by ``1 - lr * weight_decay`` before the step.

    The gradient and its moments do not see the decay. All else, and all parameters, are those of :class:`Adam`;
    ``weight_decay`` is 0.01 by default.

    Parameters
    ----------
    params, lr, betas, eps, clip_norm, amsgrad
        As of :class:`Adam`.
    weight_decay
        What share of a parameter a step with ``lr=1`` takes away, from 0.
    common
        As of :class:`Adam`; ``decoupled_weight_decay`` is True unless it is given.

    Raises
    ------
    ArgumentError
        If a number is out of its range, or a parameter is unfit or given twice.

    Notes
    -----
    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = tg.optim.AdamW([x], lr=0.5, weight_decay=0.1)
    >>> (x * x).backward(tg.ones(2))
    >>> optimizer.step()
    >>> [round(value, 6) for value in x.tolist()]
    [0.45, 1.4]
    """

    def __init__(
        self,
        params: Parameters,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        clip_norm: float | None = None,
        amsgrad: bool = False,
        **common: Unpack[Common],
    ) -> None:
        common.setdefault("decoupled_weight_decay", True)
        super().__init__(params, lr, betas, eps, weight_decay, clip_norm, amsgrad, **common)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum: the step looks ahead to the next one's mean of gradients.

    With the gradient ``g`` and the moments ``m`` and ``v`` of :class:`Adam`, in the parameter's step ``t`` from 1::

        b(t) = beta1 * (1 - 0.96 ** (t * momentum_decay) / 2)
        B(t) = b(1) * b(2) * ... * b(t)
        ahead = (1 - b(t)) / (1 - B(t)) * g + b(t + 1) / (1 - B(t + 1)) * m
        p = p - lr * ahead / (sqrt(v / (1 - beta2 ** t)) + eps)

    Parameters
    ----------
    params, lr, betas, eps, weight_decay, clip_norm, common
        As of :class:`Adam`.
    momentum_decay
        How fast the momentum ``b`` grows from ``beta1 / 2`` to ``beta1``, from 0.

    Raises
    ------
    ArgumentError
        If a number is out of its range, or a parameter is unfit or given twice.

    Notes
    -----
    Source: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, with the numbers of PyTorch's NAdam.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = tg.optim.NAdam([x], lr=0.5)
    >>> (x * x).backward(tg.ones(2))
    >>> optimizer.step()
    >>> [round(value, 3) for value in x.tolist()]
    [0.472, 1.472]
    """

    _slots = ("first_moment", "second_moment", "momentum_product")
    _native = staticmethod(_C.nadam)

    def __init__(
        self,
        params: Parameters,
        lr: Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        clip_norm: float | None = None,
        **common: Unpack[Common],
    ) -> None:
        own = {"betas": betas, "eps": eps, "momentum_decay": momentum_decay}
        super().__init__(params, lr, own, clip_norm, weight_decay, **common)

    def _check_own(self, options: Mapping[str, Any]) -> None:
        check_betas("NAdam", options)
        check_number("NAdam", "momentum_decay", options["momentum_decay"])

    def _form(self, group: ParameterGroup, slot: str, parameter: Tensor) -> tuple[tuple[int, ...], Any, float]:
        return ((1,), _C.float64, 1.0) if slot == "momentum_product" else super()._form(group, slot, parameter)

    def _native_values(self, group: ParameterGroup) -> list[Any]:
        return [*group["betas"], group["eps"], group["momentum_decay"]]
