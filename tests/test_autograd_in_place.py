"""Writes in place on the tape: of values that gradients need, through views, and their own gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import _C

from .leaves import grad_of, leaf


def test_value_changed_in_place_is_noticed() -> None:
    """A rule that needs a value that is no longer there raises, names the op, and leaves no gradient behind."""
    x = leaf([1.0, 2.0])
    y = x * 3.0
    z = y * y
    y.add_(1.0)
    with pytest.raises(tg.AutogradError, match=r"multiply needs for its gradient \(.* \[2\]\) was modified in place"):
        z.sum().backward()
    assert x.grad is None


def test_value_changed_through_a_view_or_numpy_op_is_noticed() -> None:
    x = leaf([1.0, 2.0])
    y = tg.tensor([3.0, 4.0])
    z = x * y
    y[0] = 7.0
    with pytest.raises(tg.AutogradError, match="modified in place 1 time"):
        z.sum().backward()
    y = tg.tensor([3.0, 4.0])
    z = x * y
    y.detach()[1:].fill_(0.0)
    with pytest.raises(tg.AutogradError, match="modified in place"):
        z.sum().backward()


def test_value_not_needed_may_change() -> None:
    """The shape of an operand is needed, not its value: what addition is given may change, views included."""
    x = leaf([1.0, 2.0])
    y = x * 3.0
    y.add_(1.0)
    y.mul_(2.0)
    y.sum().backward()
    assert grad_of(x) == [6.0, 6.0]


@pytest.mark.parametrize(
    "function",
    [
        lambda y: y * 2.0,
        lambda y: 2 * y,
        lambda y: y / 2.0,
        lambda y: y.mean(),
        lambda y: y.mean(axis=0, keepdims=True),
        lambda y: y.broadcast_to(3, 2).sum(),
        lambda y: tg.scatter_add(tg.zeros(2), tg.tensor([0, 1]), y),
    ],
)
def test_a_rule_keeps_no_more_than_it_needs(function: Callable[[tg.Tensor], tg.Tensor]) -> None:
    """Beside a number, and in a mean, the values are not needed: they are let go of, and may change."""
    x = leaf([1.0, 2.0])
    y = x + 0.0
    expected = tg.grad(function(y).sum(), x, retain_graph=True)[0]
    z = function(y)
    y.fill_(7.0)
    assert tg.grad(z.sum(), x)[0].tolist() == expected.tolist()


def test_in_place_on_a_leaf_is_refused() -> None:
    x = leaf([1.0, 2.0])
    for write in (lambda: x.add_(1.0), lambda: x.fill_(0.0), lambda: x.__setitem__(0, 1.0), lambda: x.zero_()):
        with pytest.raises(tg.AutogradError, match="leaf tensor that requires a gradient cannot be modified in place"):
            write()
    assert x.tolist() == [1.0, 2.0]
    with tg.no_grad():
        x.add_(1.0)
    assert x.tolist() == [2.0, 3.0]
    assert x.is_leaf
    assert x.requires_grad


def views_of(y: tg.Tensor) -> list[tuple[str, tg.Tensor]]:
    return [
        ("slice", y[1:3]), ("step", y[::2]), ("back", y[::-1]), ("row", y[1]), ("column", y[:, 1:2]), ("T", y.T),
        ("reshape", y.reshape(-1)), ("view of a view", y[1:][:, ::2]), ("none", y[None, 2]), ("diagonal", y.diagonal()),
        ("part", y.split([1, 2], axis=1)[1]), ("whole", y[...]),
    ]  # fmt: skip


VIEWS = [name for name, _ in views_of(tg.zeros((4, 3)))]


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("write", ["add_", "sub_", "mul_", "div_", "copy_", "setitem", "square_"])
def test_a_write_through_a_view_reaches_all_that_share_the_memory(name: str, write: str) -> None:
    """The gradients are those of central differences: of the root, of the view, of another view, and of the value."""

    def fn(x: tg.Tensor, w: tg.Tensor) -> tuple[tg.Tensor, ...]:
        y = x * x
        other = y[1:, :2]
        early = y + 1.0
        view = dict(views_of(y))[name]
        value = w.reshape(-1)[: view.size].reshape(view.shape)
        if write == "setitem":
            view[...] = value
        elif write == "square_":
            view.square_()
        else:
            getattr(view, write)(value)
        return early, y.sin(), other.cos(), view * view

    rng = np.random.default_rng(0)
    x, w = leaf(rng.uniform(1, 2, (4, 3)), "float64"), leaf(rng.uniform(1, 2, (4, 3)), "float64")
    assert tg.gradcheck(fn, [x, w], tolerance=1e-6)


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_through_a_view_of_a_tensor_without_gradient_reaches_it(name: str) -> None:
    def fn(w: tg.Tensor) -> tuple[tg.Tensor, ...]:
        buffer = tg.full((4, 3), 2.0, dtype="float64")
        view = dict(views_of(buffer))[name]
        view.copy_(w.reshape(-1)[: view.size].reshape(view.shape))
        assert buffer.requires_grad == view.requires_grad == _C.grad_enabled()
        return buffer.sin(), view.cos()

    assert tg.gradcheck(fn, [leaf(np.random.default_rng(0).uniform(1, 2, (4, 3)), "float64")])


def test_views_made_before_and_after_writes_see_them() -> None:
    x, w = leaf([1.0, 2.0, 3.0, 4.0]), leaf([10.0, 20.0])
    y = x * 1.0
    before = y[1:3]
    y[:2] = w
    after = y[1:3]
    y[2:].mul_(3.0)
    assert before.tolist() == after.tolist() == [20.0, 9.0]
    (before * tg.tensor([1.0, 10.0]) + after * tg.tensor([100.0, 1000.0])).sum().backward()
    assert grad_of(w) == [0.0, 101.0]
    assert grad_of(x) == [0.0, 0.0, 3030.0, 0.0]


def test_a_broadcast_view_sums_what_comes_to_it_after_a_write() -> None:
    w = leaf([2.0])
    buffer = tg.ones(3)
    wide = buffer[:, None].broadcast_to((3, 4))
    buffer[1:2].copy_(w)
    wide.sum().backward()
    assert grad_of(w) == [4.0]


def test_a_view_of_memory_that_is_no_row_major_array() -> None:
    memory = np.zeros((4, 6))[::2, ::-2]

    def fn(w: tg.Tensor) -> tg.Tensor:
        root = tg.from_numpy(memory)
        root[1].copy_(w)
        root[:, 1:].mul_(w[1:])
        return root * root

    assert tg.gradcheck(fn, [leaf([1.0, 2.0, 3.0], "float64")])


def test_writes_through_views_of_leaves_are_refused() -> None:
    x = leaf([1.0, 2.0])
    for write in (lambda: x[:1].add_(1.0), lambda: x[:1].fill_(0.0), lambda: x.reshape(2, 1).zero_()):
        with pytest.raises(
            tg.AutogradError, match="a view of a leaf tensor that requires a gradient cannot be modified"
        ):
            write()
    assert x.tolist() == [1.0, 2.0]
    with tg.no_grad():
        x[:1].add_(1.0)
    assert x.tolist() == [2.0, 2.0]


def test_a_view_made_without_gradients_is_not_written_with_them() -> None:
    y = leaf([1.0, 2.0]) * 2.0
    with tg.no_grad():
        view = y[:1]
    with pytest.raises(tg.AutogradError, match=r"mul_: this view was made under tg\.no_grad\(\)"):
        view.mul_(3.0)
    assert not view.requires_grad
    assert y.tolist() == [2.0, 4.0]


def test_a_detached_alias_is_no_view() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2.0
    y.detach()[0] = 7.0
    y.sum().backward()
    assert grad_of(x) == [2.0, 2.0]


@pytest.mark.parametrize("name", ["add_", "mul_", "copy_"])
def test_in_place_gradients(name: str) -> None:
    """An in-place op has the gradients of the op that it stands for, also where both sides are one tensor."""

    def fn(a: tg.Tensor, b: tg.Tensor) -> tg.Tensor:
        return getattr(a * 2.0, name)(b)  # type: ignore[no-any-return]

    def itself(a: tg.Tensor) -> tg.Tensor:
        y = a * 2.0
        return getattr(y, name)(y) * 3.0  # type: ignore[no-any-return]

    rng = np.random.default_rng(0)
    a, b = leaf(rng.uniform(1, 2, (3, 4)), "float64"), leaf(rng.uniform(1, 2, (4,)), "float64")
    assert tg.gradcheck(fn, [a, b])
    if name != "sub_":  # x - x has no gradient to compare
        assert tg.gradcheck(itself, [a])


def test_fill_has_no_gradient() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2.0
    y.fill_(3.0)
    (y + x).sum().backward()
    assert grad_of(x) == [1.0, 1.0]


def test_assigning_into_a_tensor_without_gradient_puts_it_on_the_tape() -> None:
    w = leaf([2.0, 3.0])
    buffer = tg.zeros(4)
    buffer[1:3] = w * 2.0
    buffer.sum().backward()
    assert grad_of(w) == [2.0, 2.0]


@pytest.mark.parametrize(
    "name",
    ["neg_", "abs_", "exp_", "log_", "sqrt_", "square_", "reciprocal_", "relu_", "sigmoid_", "tanh_"],
)
def test_functions_in_place(name: str) -> None:
    """The op's numbers and gradient, in the tensor's own memory."""
    x = leaf(np.random.default_rng(0).uniform(0.5, 2, (3, 4)), "float64")
    y = x * 1.0
    address = y.data_ptr()
    assert getattr(y, name)() is y
    assert y.data_ptr() == address
    long = {"neg_": "negative", "abs_": "absolute"}.get(name, name[:-1])
    assert y.tolist() == getattr(tg, long)(x).tolist()
    assert tg.gradcheck(lambda x: getattr(x * 1.0, name)() * 2.0, [x])
    with pytest.raises(tg.AutogradError, match=f"{name}: a leaf tensor"):
        getattr(x, name)()


def test_powers_and_masks_in_place() -> None:
    x = leaf([[0.5, 2.0], [1.5, 3.0]], "float64")
    mask = tg.tensor([True, False])
    assert tg.gradcheck(lambda x: (x * 1.0).pow_(1.5), [x])
    assert tg.gradcheck(lambda x: (x * 1.0).masked_fill_(mask, 7.0) * x, [x])
    assert (x * 1.0).masked_fill_(mask, 7.0).tolist() == [[7.0, 2.0], [7.0, 3.0]]
    with pytest.raises(tg.ShapeError, match=r"pow_: the result is float64 \[2, 2, 2\] and does not fit into"):
        (x * 1.0).pow_(tg.ones((2, 2, 2), dtype="float64"))
    assert (x * 1.0).clamp_(1.0, 2.0).tolist() == [[1.0, 2.0], [1.5, 2.0]]
