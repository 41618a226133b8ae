"""What new parameters hold: He's truncated normal for weights, orthogonal recurrent ones, zero for biases."""

from __future__ import annotations

from collections.abc import Sequence

from .. import ops
from . import init
from .parameter import Parameter

__all__ = ["bias", "recurrent", "weight"]


def weight(shape: Sequence[int], fan_in: int) -> Parameter:
    """A weight whose outputs each sum over ``fan_in`` inputs."""
    return Parameter(init.he_truncated_normal(shape, fan_in))


def bias(size: int, value: float = 0.0) -> Parameter:
    """A vector of one value."""
    return Parameter(ops.full((size,), value))


def recurrent(hidden_size: int, gates: int) -> Parameter:
    """Recurrent weights [H, gates * H]: each gate's part keeps the length of a state."""
    parts = [init.orthogonal((hidden_size, hidden_size)) for _ in range(gates)]
    return Parameter(parts[0] if gates == 1 else ops.concat(parts, axis=1))
