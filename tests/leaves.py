"""Leaves for tests of gradients."""

from __future__ import annotations

from typing import Any

import tilegrad as tg


def leaf(values: Any, dtype: str = "float32") -> tg.Tensor:
    return tg.tensor(values, dtype=dtype, requires_grad=True)


def grad_of(tensor: tg.Tensor) -> list[Any]:
    assert tensor.grad is not None
    return tensor.grad.tolist()  # type: ignore[no-any-return]
