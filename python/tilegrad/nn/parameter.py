"""Parameter: a tensor that training changes."""

from __future__ import annotations

from typing import Any

from .. import _C
from ..tensor import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A tensor that a module owns and an optimizer updates; as an attribute of a module it is found by its name.

    Shares the memory of ``source``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Parameter(tg.zeros(2)).requires_grad
    True
    """

    __slots__ = ()

    def __new__(cls, source: Any, requires_grad: bool = True) -> Parameter:
        if not isinstance(source, _C.TensorBase):
            raise _C.DTypeError(f"Parameter: expected a tensor, found {type(source).__name__}; tg.tensor() makes one")
        return super().__new__(cls, source, requires_grad)
