"""Adagrad, RMSprop and Adadelta: rates of single elements, from the squares of their gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import _C
from ..numbers import check_number
from .group import ParameterGroup
from .optimizer import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..tensor import Tensor
    from .group import Rate
    from .optimizer import Common, Parameters

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Each element's rate falls with the sum of its squared gradients so far.

    For the gradient ``g`` of a parameter ``p``, with its sum of squares ``s``, in its step ``t = 1, 2, ...``::

        g = g + weight_decay * p
        s = s + g ** 2
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Parameters
    ----------
    params
        Tensors, or groups: dictionaries with ``"params"`` and, if wanted, options of their own.
    lr
        The learning rate: a number, or a schedule (see :mod:`tilegrad.optim.schedules`).
    lr_decay
        How fast the rate falls besides, from 0.
    weight_decay
        The factor of the L2 penalty ``weight_decay / 2 * p ** 2``, from 0.
    initial_accumulator_value
        What ``s`` starts from, from 0.
    eps
        Added to the root, above 0.
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
    Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    JMLR 2011.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = tg.optim.Adagrad([x], lr=0.5)
    >>> (x * x).backward(tg.ones(2))
    >>> optimizer.step()
    >>> [round(value, 6) for value in x.tolist()]
    [0.5, 1.5]
    """

    _slots = ("sum_of_squares",)
    _native = staticmethod(_C.adagrad)
    _native_options = ("lr_decay", "eps")

    def __init__(
        self,
        params: Parameters,
        lr: Rate = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-7,
        clip_norm: float | None = None,
        **common: Unpack[Common],
    ) -> None:
        own = {"lr_decay": lr_decay, "initial_accumulator_value": initial_accumulator_value, "eps": eps}
        super().__init__(params, lr, own, clip_norm, weight_decay, **common)

    def _check_own(self, options: Mapping[str, Any]) -> None:
        for name in ("lr_decay", "initial_accumulator_value"):
            check_number("Adagrad", name, options[name])
        check_number("Adagrad", "eps", options["eps"], open_low=True)

    def _form(self, group: ParameterGroup, slot: str, parameter: Tensor) -> tuple[tuple[int, ...], Any, float]:
        return parameter.shape, parameter.dtype, group["initial_accumulator_value"]


class RMSprop(Optimizer):
    """Each element's step is divided by a running root mean square of its gradients.

    For the gradient ``g`` of a parameter ``p``, with its mean square ``s``, mean ``a`` and velocity ``v``::

        g = g + weight_decay * p
        s = alpha * s + (1 - alpha) * g ** 2
        d = g / (sqrt(s) + eps)

        centered:       a = alpha * a + (1 - alpha) * g
                        d = g / (sqrt(s - a ** 2) + eps)
        with momentum:  v = momentum * v + d
                        d = v

        p = p - lr * d

    Parameters
    ----------
    params
        Tensors, or groups: dictionaries with ``"params"`` and, if wanted, options of their own.
    lr
        The learning rate: a number, or a schedule (see :mod:`tilegrad.optim.schedules`).
    alpha
        How much of the running means stays, at least 0 and below 1. (PyTorch's default is 0.99.)
    eps
        Added to the root, above 0.
    weight_decay
        The factor of the L2 penalty ``weight_decay / 2 * p ** 2``, from 0.
    momentum
        How much of the velocity stays, from 0.
    centered
        Whether to divide by the root of the variance instead of the mean square.
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
    Sources: Tieleman and Hinton, "Lecture 6.5: RMSprop", 2012; centered: Graves, "Generating sequences with recurrent
    neural networks", 2013. A variance that rounding makes negative counts as 0.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = tg.optim.RMSprop([x], lr=0.1, alpha=0.75)
    >>> (x * x).backward(tg.ones(2))
    >>> optimizer.step()
    >>> [round(value, 6) for value in x.tolist()]
    [0.8, 1.8]
    """

    _slots = ("mean_square", "mean", "velocity")
    _native = staticmethod(_C.rmsprop)
    _native_options = ("alpha", "eps", "momentum")

    def __init__(
        self,
        params: Parameters,
        lr: Rate = 1e-3,
        alpha: float = 0.9,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        clip_norm: float | None = None,
        **common: Unpack[Common],
    ) -> None:
        own = {"alpha": alpha, "eps": eps, "momentum": momentum, "centered": centered}
        super().__init__(params, lr, own, clip_norm, weight_decay, **common)

    def _check_own(self, options: Mapping[str, Any]) -> None:
        check_number("RMSprop", "alpha", options["alpha"], high=1.0)
        check_number("RMSprop", "eps", options["eps"], open_low=True)
        check_number("RMSprop", "momentum", options["momentum"])

    def _needs(self, options: Mapping[str, Any], slot: str) -> bool:
        return {"mean_square": True, "mean": bool(options["centered"]), "velocity": bool(options["momentum"])}[slot]


class Adadelta(Optimizer):
    """Steps in proportion to the running root mean square of former steps: no rate to choose.

    For the gradient ``g`` of a parameter ``p``, with its mean square ``s`` and that of its steps ``u``::

        g = g + weight_decay * p
        s = rho * s + (1 - rho) * g ** 2
        d = sqrt(u + eps) / sqrt(s + eps) * g
        u = rho * u + (1 - rho) * d ** 2
        p = p - lr * d

    Parameters
    ----------
    params
        Tensors, or groups: dictionaries with ``"params"`` and, if wanted, options of their own.
    lr
        What steps are multiplied by: a number, or a schedule (see :mod:`tilegrad.optim.schedules`).
    rho
        How much of the running means stays, at least 0 and below 1.
    eps
        Added under both roots, above 0: the size of the first steps.
    weight_decay
        The factor of the L2 penalty ``weight_decay / 2 * p ** 2``, from 0.
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
    Source: Zeiler, "ADADELTA: an adaptive learning rate method", 2012, whose ``eps`` of 1e-6 is the default.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = tg.optim.Adadelta([x], eps=0.01)
    >>> (x * x).backward(tg.ones(2))
    >>> optimizer.step()
    >>> [round(value, 3) for value in x.tolist()]
    [0.688, 1.685]
    """

    _slots = ("mean_square", "mean_square_step")
    _native = staticmethod(_C.adadelta)
    _native_options = ("rho", "eps")

    def __init__(
        self,
        params: Parameters,
        lr: Rate = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(params, lr, {"rho": rho, "eps": eps}, clip_norm, weight_decay, **common)

    def _check_own(self, options: Mapping[str, Any]) -> None:
        check_number("Adadelta", "rho", options["rho"], high=1.0)
        check_number("Adadelta", "eps", options["eps"], open_low=True)
