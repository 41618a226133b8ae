"""Hooks on gradients, gradients that are kept, and gradients by name."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import tilegrad as tg

from .leaves import grad_of, leaf


def test_a_hook_sees_the_whole_gradient_once_and_may_replace_it() -> None:
    x = leaf([1.0, 2.0])
    seen: list[Any] = []
    handle = x.register_hook(lambda grad: seen.append(grad.tolist()))
    doubling = x.register_hook(lambda grad: grad * 2.0)
    (x * 3.0 + x).sum().backward()  # two uses, one gradient
    assert seen == [[4.0, 4.0]]
    assert grad_of(x) == [8.0, 8.0]
    handle.remove()
    handle.remove()
    x.grad = None
    x.sum().backward()
    assert seen == [[4.0, 4.0]]
    assert grad_of(x) == [2.0, 2.0]
    doubling.remove()
    x.sum().backward()
    assert grad_of(x) == [3.0, 3.0]


def test_a_hook_on_a_result_changes_what_flows_on() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2.0
    with y.register_hook(lambda grad: grad.clip(-1.0, 1.0)):
        (y * 5.0 + y).sum().backward(retain_graph=True)
        assert grad_of(x) == [2.0, 2.0]
    (y * 5.0 + y).sum().backward()
    assert grad_of(x) == [2.0 + 12.0, 2.0 + 12.0]


def test_a_hook_outlives_the_name_of_its_tensor() -> None:
    x = leaf([1.0])
    y = x * 2.0
    y.register_hook(lambda grad: grad * 10.0)
    z = y * 1.0
    del y
    gc.collect()
    z.backward()
    assert grad_of(x) == [20.0]


def test_hooks_that_cannot_be() -> None:
    with pytest.raises(tg.AutogradError, match="register_hook: the tensor does not require a gradient"):
        tg.ones(1).register_hook(print)  # type: ignore[arg-type]
    x = leaf([1.0])
    with pytest.raises(tg.ArgumentError, match="register_hook: the hook must be a function, found int"):
        x.register_hook(1)  # type: ignore[arg-type]
    for returned, message in (
        (tg.ones(2), r"the hook returned float32 \[2\] in place of the gradient float32 \[1\]"),
        (1.0, "the hook returned a float"),
    ):
        with x.register_hook(lambda grad, returned=returned: returned), pytest.raises(tg.AutogradError, match=message):
            (x * 2.0).backward()

    def failing(grad: tg.Tensor) -> None:
        raise KeyError("in the hook")

    y = x * 2.0
    y.register_hook(failing)
    with pytest.raises(KeyError, match="in the hook"):
        (y + x).sum().backward()
    assert x.grad is None, "nothing is half done"


def test_retain_grad() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2.0
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    assert not x.retains_grad
    (y * y).sum().backward(retain_graph=True)
    assert grad_of(y) == [4.0, 8.0]
    assert grad_of(x) == [8.0, 16.0]
    z = x * 3.0
    z.retain_grad()
    z.add_(1.0)  # the tensor's value is another now, whose gradient is kept
    (z * z).sum().backward()
    assert grad_of(z) == [8.0, 14.0]
    x.retain_grad()  # a leaf keeps its own
    with pytest.raises(tg.AutogradError, match="retain_grad: the tensor does not require a gradient"):
        tg.ones(1).retain_grad()


def test_grad_of_hooks_and_views_in_a_capture() -> None:
    """Hooks, kept gradients and writes through views are replayed with the bits of the call."""
    w = leaf([0.5, -0.25, 2.0])

    def step(x: tg.Tensor) -> Any:
        w.grad = None
        buffer = tg.zeros(4)
        buffer[1:].copy_(x * w)
        hidden = buffer * buffer
        hidden.retain_grad()
        hidden.register_hook(lambda grad: grad * 3.0)
        hidden.sum().backward()
        return w.grad, hidden.grad

    captured = tg.capture(step)
    for seed in range(4):
        x = tg.tensor(np.random.default_rng(seed).normal(size=3).astype(np.float32))
        expected = [t.tolist() for t in step(x)]
        assert [t.tolist() for t in captured(x)] == expected


def test_grad_walks_between_outputs_and_inputs_only() -> None:
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = x * w
    z = y.sin()
    by_y, by_x = tg.grad(z.sum(), [y, x])
    assert by_y is not None
    assert by_x is not None
    assert np.allclose(by_y.numpy(), np.cos(y.detach().numpy()))
    assert np.allclose(by_x.numpy(), np.cos(y.detach().numpy()) * [3, 4])
    assert x.grad is None
    assert w.grad is None
    with pytest.raises(tg.AutogradError, match="graph of sin has been used up"):
        tg.grad(z.sum(), x)


def test_grad_of_several_outputs_with_their_starts() -> None:
    x = leaf([1.0, 2.0])
    found = tg.grad([x * 2.0, (x * x).sum()], x, [tg.tensor([1.0, 10.0]), None])
    assert [g.tolist() for g in found if g is not None] == [[4.0, 24.0]]
    assert tg.grad(x * 2.0, x, tg.ones(2))[0].tolist() == [2.0, 2.0]  # type: ignore[union-attr]
    assert tg.grad(x, x, tg.ones(2))[0].tolist() == [1.0, 1.0]  # type: ignore[union-attr]


def test_grad_refuses() -> None:
    x, other = leaf([1.0]), leaf([1.0])
    with pytest.raises(tg.AutogradError, match=r"no output depends on input 1; .* allow_unused=True"):
        tg.grad(x * 2.0, [x, other])
    found = tg.grad(x * 2.0, [x, other], allow_unused=True)
    assert found[1] is None
    with pytest.raises(tg.ArgumentError, match="1 outputs and 2 grad_outputs"):
        tg.grad(x * 2.0, x, [None, None])
    with pytest.raises(tg.AutogradError, match="grad: the tensor does not require a gradient"):
        tg.grad(x * 2.0, tg.ones(1))
    with pytest.raises(tg.DTypeError, match=r"grad: inputs\[0\] must be a tensor, found float"):
        tg.grad(x * 2.0, [1.0])  # type: ignore[list-item]
    with pytest.raises(tg.AutogradError, match=r"grad: float32 \[2\] is not a single element"):
        tg.grad(leaf([1.0, 2.0]) * 2.0, x)


def test_gradients_of_gradients_are_refused() -> None:
    x = leaf([1.0])
    with pytest.raises(tg.AutogradError, match="create_graph=True is not supported, because gradients of gradients"):
        (x * x).backward(create_graph=True)
    with pytest.raises(tg.AutogradError, match="create_graph=True is not supported"):
        tg.grad(x * x, x, create_graph=True)
    (x * x).backward()
    assert x.grad is not None
    with pytest.raises(tg.AutogradError, match=r"or from a \.grad, of which no further gradients are recorded"):
        (x.grad * 2.0).backward()
