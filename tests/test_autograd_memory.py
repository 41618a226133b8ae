"""What backward() keeps and what it writes over: memory let go early, gradients in place where nobody sees it."""

from __future__ import annotations

import gc
from collections.abc import Callable

import numpy as np
import pytest

import tilegrad as tg
from tilegrad.autograd import record

ELEMENTS = 2**19  # 2 MiB of float32
BLOCK = 4 * ELEMENTS


def test_saved_values_are_let_go_during_the_walk() -> None:
    """A chain of ops: backward() takes two blocks more than forward left, however long the chain."""
    gc.collect()
    x = tg.full((ELEMENTS,), 0.5, requires_grad=True)
    y = x
    for _ in range(8):
        y = tg.exp(tg.negative(y))
    loss = y.sum()
    del y
    tg.reset_peak_memory()
    before = tg.memory_stats()["bytes_in_use"]
    loss.backward()
    after = tg.memory_stats()
    assert after["peak_bytes_in_use"] - before <= 3 * BLOCK
    assert before - after["bytes_in_use"] >= 6 * BLOCK


def test_graphs_that_are_retained_keep_what_they_saved() -> None:
    x = tg.tensor([1.0, -2.0, 3.0], requires_grad=True)
    y = (tg.relu(tg.relu(x) * x)).sum()
    for times in (1, 2, 3):
        y.backward(retain_graph=times < 3)
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad.numpy(), times * np.array([2.0, 0.0, 6.0], np.float32))
    with pytest.raises(tg.AutogradError, match="used up"):
        y.backward()


def test_activations_outputs_are_let_go_before_the_rest_of_their_rule() -> None:
    """Of a layer with an activation: its output's memory is free again when the input's gradient is allocated."""
    gc.collect()
    x = tg.full((ELEMENTS // 8, 8), 0.5, requires_grad=True)
    y = tg.linear(x, tg.eye(8), activation="sigmoid")
    seed = tg.ones(y.shape)
    tg.reset_peak_memory()
    before = tg.memory_stats()["bytes_in_use"]
    loss = (y * seed).sum()
    del y
    loss.backward()
    assert tg.memory_stats()["peak_bytes_in_use"] - before <= 1.5 * BLOCK
    assert x.grad is not None


def test_a_rule_that_fails_uses_up_its_graph() -> None:
    """What it had saved may have been written over before it failed: a second backward() says so."""
    x = tg.ones((2, 3), requires_grad=True)
    y = record(x.detach() * 2, _fails, (x,), x)
    for message in ("on purpose", "used up"):
        with pytest.raises(RuntimeError, match=message):
            y.sum().backward()
    assert x.grad is None


def _fails(needs: tuple[bool, ...], grad: tg.Tensor, x: tg.Tensor) -> tuple[tg.Tensor | None, ...]:
    raise RuntimeError("on purpose")


FUSED: dict[str, Callable[[tg.Tensor], tg.Tensor]] = {
    "relu": tg.relu,
    "sigmoid": tg.sigmoid,
    "tanh": tg.tanh,
    "add_relu": lambda x: tg.add_relu(x, 1.0),
    "linear": lambda x: tg.linear(x, tg.eye(3), activation="relu"),
    "conv2d": lambda x: tg.conv2d(x.reshape(1, 2, 1, 3), tg.eye(3).reshape(1, 1, 3, 3), activation="tanh").reshape(
        2, 3
    ),
}


@pytest.mark.parametrize("op", FUSED.values(), ids=FUSED.keys())
def test_gradients_that_others_hold_are_not_written_over(op: Callable[[tg.Tensor], tg.Tensor]) -> None:
    """The seed, what hooks kept, what retain_grad keeps and what a second consumer gets: all as they were."""
    values = np.array([[1.5, -2.0, 0.25], [-0.5, 3.0, -4.0]], np.float32)
    seed = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)

    def gradient_of(x: tg.Tensor) -> np.ndarray:
        op(x).backward(tg.tensor(seed))
        assert x.grad is not None
        return x.grad.numpy()

    expected = gradient_of(tg.tensor(values, requires_grad=True))

    x, given, kept = tg.tensor(values, requires_grad=True), tg.tensor(seed), list[tg.Tensor]()
    y = op(x)
    y.register_hook(kept.append)
    y.backward(given)
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), expected)
    np.testing.assert_array_equal(given.numpy(), seed)
    np.testing.assert_array_equal(kept[0].numpy(), seed)

    x = tg.tensor(values, requires_grad=True)
    y = op(x)
    y.retain_grad()
    (y * 2.0).sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    np.testing.assert_array_equal(y.grad.numpy(), np.full((2, 3), 2.0, np.float32))

    # Two branches of one tensor, of which one writes over its gradient, and what is common comes after both.
    x = tg.tensor(values, requires_grad=True)
    shared = x * 1.0
    (op(shared) * tg.tensor(seed) + shared * 10.0).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), expected + 10.0, rtol=1e-6)


def test_a_loss_gives_its_saved_gradient_once() -> None:
    """The gradient made with the value is scaled in place at the last call, and before that left as it was."""
    x = tg.tensor(np.arange(12, dtype=np.float32).reshape(3, 4) / 7, requires_grad=True)
    loss = tg.cross_entropy(x, tg.tensor([1, 0, 3]))
    weights = np.exp(x.detach().numpy().astype(np.float64))
    expected = (weights / weights.sum(axis=1, keepdims=True) - np.eye(4)[[1, 0, 3]]) / 3
    for times, total in ((1, 1.0), (2, 2.0), (3, 3.0)):
        loss.backward(retain_graph=times < 3)
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.numpy(), total * expected, rtol=0, atol=1e-6)
    x.grad = None
    (tg.cross_entropy(x, tg.tensor([1, 0, 3])) * 5.0).backward()
    np.testing.assert_allclose(x.grad.numpy(), 5 * expected, rtol=0, atol=1e-6)


def test_sums_of_gradients_do_not_touch_what_others_see() -> None:
    """Twice the same, a residual block, three branches: what arrives first may be shared with the others."""
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1.0
    z = y + y
    (z + y * 3.0 + z * y).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), np.array([5.0 + 4.0, 5.0 + 8.0], np.float32))
