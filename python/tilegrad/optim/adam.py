"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from .. import _C
from .optimizer import Optimizer, ParameterGroup, check_number

if TYPE_CHECKING:
    from ..tensor import Tensor
    from .optimizer import Parameters, Rate

__all__ = ["Adam", "AdamW"]


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

    Raises
    ------
    ArgumentError
        If a number is out of its range, or a parameter is unfit or given twice.

    Notes
    -----
    Source: Kingma and Ba, "Adam", ICLR 2015.

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

    _slots = ("first_moment", "second_moment")
    _decoupled: ClassVar[bool] = False

    def __init__(
        self,
        params: Parameters,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(params, lr, clip_norm, betas=betas, eps=eps, weight_decay=weight_decay)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        try:
            first, second = options["betas"]
        except (TypeError, ValueError):
            raise _C.ArgumentError(f"{self._name}: betas must be two numbers, found {options['betas']!r}") from None
        check_number(self._name, "betas[0]", first, high=1.0)
        check_number(self._name, "betas[1]", second, high=1.0)
        check_number(self._name, "eps", options["eps"], open_low=True)
        check_number(self._name, "weight_decay", options["weight_decay"])

    def _update(
        self, group: ParameterGroup, clip: Tensor | None, positions: list[int], gradients: list[Tensor]
    ) -> None:
        first, second = group._state["first_moment"], group._state["second_moment"]
        beta1, beta2 = group["betas"]
        _C.adam(
            group._rate,
            clip,
            [group.parameters[i] for i in positions],
            gradients,
            [group._steps[i] for i in positions],
            [first[i] for i in positions],
            [second[i] for i in positions],
            beta1,
            beta2,
            group["eps"],
            group["weight_decay"],
            self._decoupled,
        )


class AdamW(Adam):
    """Adam with decoupled weight decay: ``p`` is multiplied by ``1 - lr * weight_decay`` before the step.

    The gradient and its moments do not see the decay. All else, and all parameters, are those of :class:`Adam`;
    ``weight_decay`` is 0.01 by default.

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

    _decoupled = True

    def __init__(
        self,
        params: Parameters,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, clip_norm)
