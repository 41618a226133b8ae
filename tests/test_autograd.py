"""Reverse-mode differentiation: the tape, its switches and what it refuses."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import _C

from .leaves import grad_of, leaf


def bytes_in_use() -> int:
    """Without garbage, that of other tests too: what native objects held is garbage only when they are gone."""
    while gc.collect():
        pass
    return tg.memory_stats()["bytes_in_use"]


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


def test_saved_views_do_not_keep_the_graph_alive() -> None:
    def step() -> None:
        x = leaf(np.ones(1000).tolist())
        root = x * 2.0
        part = root[:500]
        root[500:].add_(part * part)

    step()
    before = bytes_in_use()
    for _ in range(5):
        step()
    assert bytes_in_use() == before


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


def test_what_grad_returns_is_nobody_elses() -> None:
    x, other = (tg.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    given = tg.tensor([3.0, 4.0])
    for outputs, inputs in ((x + other, [x, other]), (x + 0.0, [x, x]), (x.reshape(2, 1).reshape(2), [x]), (x, [x])):
        found = tg.grad(outputs, inputs, given)
        for gradient in found:
            gradient += 1.0
            assert gradient.tolist() == [4.0, 5.0]
        assert given.tolist() == [3.0, 4.0]


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
    before = bytes_in_use()
    for _ in range(20):
        step()
    assert bytes_in_use() == before
