"""The parameters that a function on them is given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import _C
from ..nn.tree import Tree

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["given_tensors"]


def given_tensors(owner: str, parameters: Tensor | Iterable[Tensor]) -> list[Any]:
    """One tensor, or several, as a list."""
    if isinstance(parameters, _C.TensorBase):
        return [parameters]
    if isinstance(parameters, Tree):
        raise _C.ArgumentError(f"{owner}: parameters is a {type(parameters).__name__}; give its parameters()")
    tensors: list[Any] = list(parameters) if isinstance(parameters, Iterable) else [parameters]
    for position, tensor in enumerate(tensors):
        if not isinstance(tensor, _C.TensorBase):
            raise _C.ArgumentError(f"{owner}: parameter {position} must be a tensor, found {type(tensor).__name__}")
    return tensors
