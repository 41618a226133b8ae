"""What new parameters hold: He's truncated normal, orthogonal recurrent weights, zero biases, or what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import _C, ops
from ..tensor import Tensor
from . import init
from .parameter import Parameter

__all__ = ["Initialiser", "bias", "check_initialiser", "recurrent", "weight"]

Initialiser = str | tuple[str, Mapping[str, Any]] | Callable[[Sequence[int]], Tensor] | None
NAMES = tuple(name for name in init.__all__ if name != "fans")


def check_initialiser(layer: str, argument: str, how: Initialiser) -> None:
    """Raise where it is no name of :mod:`tilegrad.nn.init`, alone or with options, and no function."""
    if how is None or callable(how):
        return
    pair = isinstance(how, (tuple, list)) and len(how) == 2 and isinstance(how[1], Mapping)
    name = how[0] if pair else how
    if name not in NAMES:
        raise _C.ArgumentError(
            f"{layer}: {argument} must be one of {', '.join(NAMES)}, such a name with options as in "
            f"('normal', {{'std': 0.01}}), or a function of the shape, found {how!r}"
        )


def _made(shape: Sequence[int], how: Initialiser) -> Parameter:
    if callable(how):
        values = how(tuple(shape))
        if not isinstance(values, Tensor) or values.shape != tuple(shape):
            found = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise _C.ShapeError(f"an initialiser must return a tensor of shape {list(shape)}, found {found}")
        return Parameter(ops.copy(values.detach()))
    name, options = (how, {}) if isinstance(how, str) else (how[0], how[1]) if how is not None else ("zeros", {})
    try:
        return Parameter(getattr(init, name)(tuple(shape), **options))
    except TypeError as error:
        raise _C.ArgumentError(f"the initialiser {name!r} cannot be called: {error}") from None


def weight(shape: Sequence[int], fan_in: int, how: Initialiser = None) -> Parameter:
    """A weight whose outputs each sum over ``fan_in`` inputs."""
    return Parameter(init.he_truncated_normal(shape, fan_in)) if how is None else _made(shape, how)


def bias(size: int, value: float = 0.0, how: Initialiser = None) -> Parameter:
    """A vector of one value."""
    return Parameter(ops.full((size,), value)) if how is None else _made((size,), how)


def recurrent(hidden_size: int, gates: int) -> Parameter:
    """Recurrent weights [H, gates * H]: each gate's part keeps the length of a state."""
    parts = [init.orthogonal((hidden_size, hidden_size)) for _ in range(gates)]
    return Parameter(parts[0] if gates == 1 else ops.concat(parts, axis=1))
