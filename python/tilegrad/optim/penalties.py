"""Penalties on weights, as terms of the loss.

Each returns a scalar tensor to be added to the loss, so that its gradient comes with the others::

    loss = criterion(model(x), y) + penalties.l2(weights, 1e-4)

Where the value of the penalty is of no interest, an optimizer's ``weight_decay`` and ``l1_decay`` have the same effect
in the same pass as the step. Biases are usually left out:
``weights = [p for p in model.parameters() if p.ndim > 1]``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING

from .. import _C, ops
from ..numbers import check_number
from .given import given_tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..nn.module import Module
    from ..tensor import Tensor

__all__ = ["elastic_net", "l0", "l1", "l2"]


def l1(parameters: Tensor | Iterable[Tensor], factor: float) -> Tensor:
    """``factor * sum(|p|)``: drives weights to zero; the gradient of a weight that is zero is zero.

    Parameters
    ----------
    parameters
        One floating tensor, or several of one dtype.
    factor
        From 0; an optimizer's ``l1_decay`` of the same value has the same gradient.

    Returns
    -------
    Tensor
        A scalar.

    Raises
    ------
    ArgumentError
        If the factor is negative or not finite, or there are no parameters.

    Examples
    --------
    >>> import tilegrad as tg
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> penalty = tg.optim.penalties.l1(w, 0.5)
    >>> penalty.backward()
    >>> penalty.item(), w.grad.tolist()
    (1.5, [0.5, -0.5])
    """
    return _total("l1", parameters, lambda p: ops.sum(ops.absolute(p))) * check_number("l1", "factor", factor)


def l2(parameters: Tensor | Iterable[Tensor], factor: float) -> Tensor:
    """``factor / 2 * sum(p ** 2)``: keeps weights small.

    Parameters
    ----------
    parameters
        One floating tensor, or several of one dtype.
    factor
        From 0; an optimizer's ``weight_decay`` of the same value has the same gradient, ``factor * p``.

    Returns
    -------
    Tensor
        A scalar.

    Raises
    ------
    ArgumentError
        If the factor is negative or not finite, or there are no parameters.

    Examples
    --------
    >>> import tilegrad as tg
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> penalty = tg.optim.penalties.l2(w, 0.5)
    >>> penalty.backward()
    >>> penalty.item(), w.grad.tolist()
    (1.25, [0.5, -1.0])
    """
    return _total("l2", parameters, lambda p: ops.sum(p * p)) * (check_number("l2", "factor", factor) / 2)


def elastic_net(parameters: Tensor | Iterable[Tensor], l1_factor: float, l2_factor: float) -> Tensor:
    """:func:`l1` and :func:`l2` together.

    Source: Zou and Hastie, "Regularization and variable selection via the elastic net", JRSS B 2005.

    Parameters
    ----------
    parameters
        One floating tensor, or several of one dtype.
    l1_factor, l2_factor
        The factors of the two, from 0.

    Returns
    -------
    Tensor
        A scalar.

    Raises
    ------
    ArgumentError
        If a factor is negative or not finite, or there are no parameters.

    Examples
    --------
    >>> import tilegrad as tg
    >>> w = tg.tensor([1.0, -2.0])
    >>> tg.optim.penalties.elastic_net(w, 0.5, 0.5).item()
    2.75
    """
    tensors = given_tensors("elastic_net", parameters)
    return l1(tensors, l1_factor) + l2(tensors, l2_factor)


def l0(model: Module, factor: float) -> Tensor:
    """``factor`` times the expected number of weights that are not zero, over all gated layers inside.

    Parameters
    ----------
    model
        A module with layers that have ``expected_l0()``: :class:`tilegrad.nn.L0Linear`, or your own with
        :class:`tilegrad.nn.HardConcrete` gates.
    factor
        From 0. The authors divide by the number of training samples.

    Returns
    -------
    Tensor
        A scalar.

    Raises
    ------
    ArgumentError
        If the factor is negative or not finite, or no layer has gates.

    Notes
    -----
    Source: Louizos, Welling and Kingma, "Learning sparse neural networks through L0 regularization", ICLR 2018.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.L0Linear(10, 5))
    >>> tg.optim.penalties.l0(model, 1.0).item() < 50
    True
    """
    terms = []
    for module in model.modules():
        expected: Callable[[], Tensor] | None = getattr(module, "expected_l0", None)
        if expected is not None:
            terms.append(expected())
    if not terms:
        raise _C.ArgumentError("l0: no layer has gates; make them with nn.L0Linear or nn.HardConcrete")
    return reduce(lambda a, b: a + b, terms) * check_number("l0", "factor", factor)


def _total(owner: str, parameters: Tensor | Iterable[Tensor], term: Callable[[Tensor], Tensor]) -> Tensor:
    terms = [term(parameter) for parameter in given_tensors(owner, parameters)]
    if not terms:
        raise _C.ArgumentError(f"{owner}: there are no parameters")
    return reduce(lambda a, b: a + b, terms)
