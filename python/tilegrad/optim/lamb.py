"""LAMB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import _C
from .betas import check_betas
from .group import ParameterGroup
from .optimizer import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .group import Rate
    from .optimizer import Common, Parameters

__all__ = ["LAMB"]


class LAMB(Optimizer):
    """Adam's step brought to the norm of the parameter it changes: for large batches.

    With the moments ``m`` and ``v`` of :class:`Adam`, in the parameter's step ``t = 1, 2, ...``::

        d = m / (1 - beta1 ** t) / (sqrt(v / (1 - beta2 ** t)) + eps) + weight_decay * p
        p = p - lr * norm(p) / norm(d) * d          (1 for the quotient if a norm is 0)

    Norms are those of the whole parameter. Decay is outside of the moments (decoupled) and inside of the norm.

    Parameters
    ----------
    params, lr, betas, clip_norm
        As of :class:`Adam`.
    eps
        Added to the root, above 0.
    weight_decay
        How much of the parameter is added to the step, from 0.
    common
        ``l1_decay`` (its ``sign(p)`` is added to the step too), ``max_norm``, ``clip_value`` and ``maximize``: see
        :class:`Optimizer`. ``decoupled_weight_decay`` does not apply.

    Raises
    ------
    ArgumentError
        If a number is out of its range, or a parameter is unfit or given twice.

    Notes
    -----
    Source: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([3.0, 4.0], requires_grad=True)
    >>> optimizer = tg.optim.LAMB([x], lr=0.1, weight_decay=0.0)
    >>> (x * x).backward(tg.ones(2))
    >>> optimizer.step()
    >>> [round(value, 3) for value in x.tolist()]
    [2.646, 3.646]
    """

    _slots = ("first_moment", "second_moment")
    _native = staticmethod(_C.lamb)

    def __init__(
        self,
        params: Parameters,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        clip_norm: float | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(params, lr, {"betas": betas, "eps": eps}, clip_norm, weight_decay, **common)

    def _check_own(self, options: Mapping[str, Any]) -> None:
        check_betas("LAMB", options)
        if options["decoupled_weight_decay"]:
            raise _C.ArgumentError(
                "LAMB: decoupled_weight_decay does not apply: its weight decay is never in the gradient"
            )

    def _native_values(self, group: ParameterGroup) -> list[Any]:
        return [*group["betas"], group["eps"]]
