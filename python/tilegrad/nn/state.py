"""Copying a state dict into tensors, after everything about it has been checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import _C, ops
from ..errors import StateDictError
from ..tensor import Tensor

__all__ = ["Incompatible", "load_state"]


class Incompatible(NamedTuple):
    """The paths that only one side has."""

    missing: list[str]
    unexpected: list[str]


def load_state(targets: Mapping[str, Tensor], state: Mapping[str, Any], strict: bool, owner: str) -> Incompatible:
    """Copy ``state`` into ``targets`` in place; see :meth:`Module.load_state_dict`."""
    if not isinstance(state, Mapping):
        hint = "; tg.load() reads a model file" if isinstance(state, (str, os.PathLike)) else ""
        raise StateDictError(
            f"load_state_dict: expected a state dict of this {owner}, found {type(state).__name__}{hint}"
        )
    missing = [path for path in targets if path not in state]
    unexpected = [path for path in state if path not in targets]
    problems: list[str] = []
    if strict:
        problems += [f"missing: {path} {_about(targets[path])}" for path in missing]
        problems += [f"unexpected: {path} {_about(state[path])}" for path in unexpected]
    sources: dict[str, Tensor] = {}
    for path, target in targets.items():
        if path not in state:
            continue
        source = state[path]
        if not isinstance(source, (Tensor, np.ndarray, np.generic)):
            problems.append(f"mistyped: {path} is a {type(source).__name__}, expected a tensor or NumPy array")
        elif tuple(source.shape) != target.shape:
            problems.append(f"misshaped: {path} {_about(source)}, expected {_about(target)}")
        elif target.dtype != source.dtype:
            problems.append(f"mistyped: {path} {_about(source)}, expected {_about(target)}")
        else:
            sources[path] = source if isinstance(source, Tensor) else ops.tensor(source)
    if problems:
        raise StateDictError("\n    ".join([f"load_state_dict: the state does not fit this {owner}:", *problems]))
    for path, source in sources.items():
        _C.copy_into(source, targets[path])
    return Incompatible(missing, unexpected)


def _about(value: Any) -> str:
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        return f"({type(value).__name__})"
    return f"{getattr(value.dtype, 'name', value.dtype)} {list(value.shape)}"
