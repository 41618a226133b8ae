"""What new parameters hold: He's truncated normal for weights, zero for biases."""

from __future__ import annotations

from collections.abc import Sequence

from .. import ops
from . import init
from .parameter import Parameter

__all__ = ["bias", "weight"]


def weight(shape: Sequence[int], fan_in: int) -> Parameter:
    """A weight whose outputs each sum over ``fan_in`` inputs."""
    return Parameter(init.he_truncated_normal(shape, fan_in))


def bias(size: int, value: float = 0.0) -> Parameter:
    """A vector of one value."""
    return Parameter(ops.full((size,), value))
