"""Reverse-mode differentiation: the tape, its switches and what it refuses."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import _C


def leaf(values: Any, dtype: str = "float32") -> tg.Tensor:
    return tg.tensor(values, dtype=dtype, requires_grad=True)


def grad_of(tensor: tg.Tensor) -> list[Any]:
    assert tensor.grad is not None
    return tensor.grad.tolist()  # type: ignore[no-any-return]


def test_gradients_accumulate_over_uses_and_calls() -> None:
    x = leaf([1.0, 2.0])
    (x * x + x).sum().backward()
    assert grad_of(x) == [3.0, 5.0]
    (x * 10.0).sum().backward()
    assert grad_of(x) == [13.0, 15.0]
    x.grad = None
    (x * 10.0).sum().backward()
    assert grad_of(x) == [10.0, 10.0]


def test_accumulation_keeps_the_buffer() -> None:
    x = leaf([1.0, 2.0])
    x.sum().backward()
    assert x.grad is not None
    address = x.grad.data_ptr()
    x.sum().backward()
    assert x.grad.data_ptr() == address


def test_diamond() -> None:
    """A value used by two branches that meet again gets both gradients before its own rule is called."""
    x = leaf([3.0])
    y = x * 2.0
    z = (y * y) + (y * 5.0)
    z.backward()
    assert grad_of(x) == [2 * (2 * 6.0 + 5.0)]


def test_wide_diamond_ladder_takes_linear_time() -> None:
    """Sixty diamonds in a row have 2^60 paths, and sixty nodes."""
    x = leaf([1.0], "float64")
    y = x
    for _ in range(60):
        y = y * 0.5 + y * 0.5
    y.backward()
    assert grad_of(x) == [1.0]


def test_long_chain_does_not_overflow_the_stack() -> None:
    x = leaf([1.0])
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert grad_of(x) == [1.0]
    del y
    gc.collect()
    z = x
    for _ in range(100_000):
        z = z + 1.0
    del z  # a graph that is never walked is torn down without recursion too


def test_no_grad() -> None:
    x = leaf([1.0])
    with tg.no_grad():
        y = x * 2.0
        assert not y.requires_grad
        with tg.enable_grad():
            assert (x * 2.0).requires_grad
        assert not (x * 2.0).requires_grad
    assert (x * 2.0).requires_grad

    @tg.no_grad()
    def double(t: tg.Tensor) -> tg.Tensor:
        return t * 2.0

    assert not double(x).requires_grad


def test_no_grad_ends_with_an_error() -> None:
    with pytest.raises(KeyError), tg.no_grad():
        raise KeyError
    assert (leaf([1.0]) * 2.0).requires_grad


def test_grad_mode_is_of_its_thread() -> None:
    x = leaf([1.0])
    seen = []
    with tg.no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * 2.0).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


def test_backward_from_several_threads() -> None:
    leaves = [leaf([float(i)]) for i in range(8)]

    def work(x: tg.Tensor) -> None:
        for _ in range(50):
            (x * x).backward()

    threads = [threading.Thread(target=work, args=(x,)) for x in leaves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [grad_of(x)[0] for x in leaves] == [100.0 * i for i in range(8)]


def test_detach_shares_memory_and_cuts_the_graph() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2.0
    cut = y.detach()
    assert cut.data_ptr() == y.data_ptr()
    assert not cut.requires_grad
    (cut * x).sum().backward()
    assert grad_of(x) == [2.0, 4.0]


def test_second_backward_needs_retain_graph() -> None:
    x = leaf([2.0])
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert grad_of(x) == [8.0]
    with pytest.raises(tg.AutogradError, match=r"graph of multiply has been used up .* retain_graph=True"):
        y.backward()
    assert grad_of(x) == [8.0]


def test_backward_needs_a_single_element_or_a_gradient() -> None:
    x = leaf([1.0, 2.0])
    y = x * 3.0
    with pytest.raises(tg.AutogradError, match=r"float32 \[2\] is not a single element"):
        y.backward()
    with pytest.raises(tg.ShapeError, match=r"grad is float32 \[3\], expected the tensor's own float32 \[2\]"):
        y.backward(tg.ones(3))
    with pytest.raises(tg.ShapeError, match="expected the tensor's own"):
        y.backward(tg.ones(2, dtype="float64"))
    with pytest.raises(tg.DTypeError, match="must be a tensor"):
        y.backward(1.0)  # type: ignore[arg-type]
    y.backward(tg.tensor([1.0, 10.0]))
    assert grad_of(x) == [3.0, 30.0]


def test_backward_without_a_graph() -> None:
    with pytest.raises(tg.AutogradError, match="does not require a gradient"):
        tg.ones(1).backward()
    x = leaf([5.0])
    x.backward()
    assert grad_of(x) == [1.0]


def test_only_floating_leaves_require_gradients() -> None:
    with pytest.raises(tg.DTypeError, match=r"only floating tensors have gradients, found int64 \[2\]"):
        tg.tensor([1, 2], requires_grad=True)
    y = leaf([1.0]) * 2.0
    with pytest.raises(tg.AutogradError, match="the result of a recorded op"):
        y.requires_grad = False


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


def test_saved_views_do_not_keep_the_graph_alive() -> None:
    def step() -> None:
        x = leaf(np.ones(1000).tolist())
        root = x * 2.0
        part = root[:500]
        root[500:].add_(part * part)

    step()
    gc.collect()
    before = tg.memory_stats()["bytes_in_use"]
    for _ in range(5):
        step()
    gc.collect()
    assert tg.memory_stats()["bytes_in_use"] == before


def test_gradients_never_alias() -> None:
    """Each leaf owns the memory of its gradient: not shared with the seed, another leaf's, or the graph's."""
    a, b = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    seed = tg.ones(2)
    (a + b).backward(seed)
    assert a.grad is not None
    assert b.grad is not None
    addresses = {a.grad.data_ptr(), b.grad.data_ptr(), seed.data_ptr()}
    assert len(addresses) == 3
    a.grad.fill_(9.0)
    assert grad_of(b) == [1.0, 1.0]
    assert seed.tolist() == [1.0, 1.0]


def test_gradient_of_a_broadcast_is_contiguous_and_own() -> None:
    x = leaf([1.0, 2.0, 3.0])
    x.sum().backward()
    assert x.grad is not None
    assert x.grad.is_contiguous()
    x.grad[0] = 5.0
    assert grad_of(x) == [5.0, 1.0, 1.0]


def test_grad_attribute_is_checked() -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(tg.ShapeError, match="expected the tensor's own"):
        x.grad = tg.ones(3)
    with pytest.raises(tg.DTypeError, match="expected a tensor or None"):
        x.grad = 3.0  # type: ignore[assignment]
    with pytest.raises(tg.AutogradError, match="does not require a gradient"):
        tg.ones(2).grad = tg.ones(2)
    x.grad = tg.ones(2)
    assert grad_of(x) == [1.0, 1.0]


def broken_gradient(needs: tuple[bool, ...], grad: tg.Tensor, what: Any) -> Any:
    return what


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ((tg.ones(3),), r"broken: its gradient rule returned float32 \[3\] for input 0, which is float32 \[2\]"),
        ((1.0,), "broken: its gradient rule returned a float for input 0"),
        ((), "broken: its gradient rule must return a tuple of 1 gradients"),
        (None, "broken: its gradient rule must return a tuple"),
    ],
)
def test_a_broken_rule_is_named(returned: Any, message: str) -> None:
    x = leaf([1.0, 2.0])
    y = _C.record(_C.copy(x), broken_gradient, (x,), returned)
    with pytest.raises(tg.AutogradError, match=message):
        y.sum().backward()
    assert x.grad is None


def failing_gradient(needs: tuple[bool, ...], grad: tg.Tensor) -> Any:
    raise KeyError("inside the rule")


def test_an_error_inside_a_rule_reaches_the_caller() -> None:
    x = leaf([1.0])
    with pytest.raises(KeyError, match="inside the rule"):
        _C.record(_C.copy(x), failing_gradient, (x,)).backward()
    assert (x * 2.0).requires_grad, "recording is on again"


def test_nothing_is_leaked() -> None:
    x = leaf(np.ones(1000).tolist())

    def step() -> None:
        (x * x + x[::2].sum()).sum().backward()
        x.grad = None

    step()
    gc.collect()
    before = tg.memory_stats()["bytes_in_use"]
    for _ in range(20):
        step()
    gc.collect()
    assert tg.memory_stats()["bytes_in_use"] == before


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


# Hooks, kept gradients, and gradients by name.


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
