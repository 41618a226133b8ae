"""What weights are brought back to after a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .. import _C
from .given import given_tensors

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["max_norm_"]


def max_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float) -> None:
    """Scales the weights of each unit, in place, so that their norm is at most ``max_norm``.

    The weights of a unit are a column: all that share the last index, of dense weights [in, out] the inputs of one
    output, of convolutions [R, S, C, K] one filter. Tensors of fewer than two axes, biases, are left alone.

    Optimizers do the same after each step for groups with the option ``max_norm``.

    Parameters
    ----------
    parameters
        One tensor, or several.
    max_norm
        The largest norm, above 0. Columns within it, and those whose norm is NaN, stay as they are.

    Raises
    ------
    ArgumentError
        If ``max_norm`` is not above 0, or a tensor is strided.

    Notes
    -----
    Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout", JMLR 2014, section 5.1.

    Examples
    --------
    >>> import tilegrad as tg
    >>> weight = tg.tensor([[3.0, 0.3], [4.0, 0.4]])
    >>> tg.optim.max_norm_(weight, 1.0)
    >>> [[round(value, 6) for value in row] for row in weight.tolist()]
    [[0.6, 0.3], [0.8, 0.4]]
    """
    for tensor in given_tensors("max_norm_", parameters):
        if tensor.ndim > 1:
            _C.max_norm(tensor, max_norm)
