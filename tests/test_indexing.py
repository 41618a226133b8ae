"""Brackets on both sides of an assignment, against NumPy's on random keys; in-place writes; iteration; sort's NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tilegrad as tg


@st.composite
def shapes_and_keys(draw: Any) -> tuple[tuple[int, ...], Any]:
    """A shape and a key that NumPy accepts for it: any mix of integers, slices, None, Ellipsis, arrays and masks."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    picked = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))  # what the index arrays broadcast to
    items: list[Any] = []
    axis = 0
    ellipsis_at = draw(st.integers(0, len(shape) + 2))
    skip = draw(st.integers(0, len(shape)))
    while axis < len(shape):
        if len(items) == ellipsis_at:
            items.append(...)
            axis += skip
            continue
        size = shape[axis]
        kind = draw(st.sampled_from(["int", "slice", "none", "array", "mask", "stop", "numpy int"]))
        if kind == "stop":
            break
        if kind == "none":
            items.append(None)
            if len(items) > 7:
                break
            continue
        if kind in ("int", "numpy int"):
            index = draw(st.integers(-size, size - 1))
            items.append(np.int32(index) if kind == "numpy int" else index)
        elif kind == "slice":
            bound = st.none() | st.integers(-size - 2, size + 2)
            items.append(slice(draw(bound), draw(bound), draw(st.none() | st.sampled_from([1, 2, 3, -1, -2, -3]))))
        elif kind == "array":
            own = picked[draw(st.integers(0, len(picked))) :] if picked else ()
            own = tuple(1 if draw(st.booleans()) else n for n in own) if draw(st.booleans()) else own
            dtype = draw(st.sampled_from([np.int64, np.int32]))
            flat = draw(st.lists(st.integers(-size, size - 1), min_size=int(np.prod(own)), max_size=int(np.prod(own))))
            items.append(np.array(flat, dtype).reshape(own))
        elif kind == "mask":
            axes = draw(st.integers(1, min(2, len(shape) - axis)))
            own = shape[axis : axis + axes]
            count = int(np.prod(own))
            if len(picked) == 0:  # as many true elements as fit with every other index array: one
                mask = np.zeros(count, bool)
                mask[draw(st.integers(0, count - 1))] = True
            else:
                mask = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool)
            items.append(mask.reshape(own))
            axis += axes - 1
        axis += 1
    key = tuple(items) if len(items) != 1 or draw(st.booleans()) else items[0]
    return shape, key


def numpy_accepts(array: np.ndarray, key: Any) -> bool:
    try:
        array[key]
    except IndexError:
        return False
    return True


def as_tensors(key: Any) -> Any:
    """The key with tensors for its arrays."""
    items = key if isinstance(key, tuple) else (key,)
    made = tuple(tg.tensor(i) if isinstance(i, np.ndarray) else i for i in items)
    return made if isinstance(key, tuple) else made[0]


@settings(max_examples=400, deadline=None, derandomize=True)
@given(shapes_and_keys())
def test_reading_agrees_with_numpy(case: tuple[tuple[int, ...], Any]) -> None:
    """The values, the shape, and whether memory is shared."""
    shape, key = case
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    tensor = tg.from_numpy(array)
    if not numpy_accepts(array, key):
        with pytest.raises((IndexError, ValueError)):
            tensor[key]
        return
    expected = array[key]
    for k in (key, as_tensors(key)):
        found = tensor[k]
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found.numpy(), expected)
    # A 0-d array in a key is an integer for us, which makes a view, and an array for NumPy, which makes a copy.
    items = key if isinstance(key, tuple) else (key,)
    scalars = any(isinstance(item, np.ndarray) and item.ndim == 0 for item in items)
    if expected.size and isinstance(expected, np.ndarray) and not scalars:
        assert np.shares_memory(found.numpy(), array) == np.shares_memory(expected, array)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(shapes_and_keys(), st.booleans(), st.sampled_from(["float64", "int64", "bool", "float16"]))
def test_writing_agrees_with_numpy(case: tuple[tuple[int, ...], Any], number: bool, dtype: str) -> None:
    shape, key = case
    array = (np.arange(np.prod(shape)).reshape(shape) % 2).astype(dtype)
    tensor = tg.tensor(array)
    if not numpy_accepts(array, key):
        with pytest.raises((IndexError, ValueError)):
            tensor[key] = 1
        np.testing.assert_array_equal(tensor.numpy(), array)
        return
    value = np.array(1, dtype) if number else np.arange(array[key].size).reshape(array[key].shape).astype(dtype)
    array[key] = value
    tensor[key] = 1 if number else tg.tensor(value)
    np.testing.assert_array_equal(tensor.numpy(), array)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(shapes_and_keys())
def test_reading_has_the_gradient_of_its_linear_map(case: tuple[tuple[int, ...], Any]) -> None:
    """Element i's gradient is the sum of the output gradients of its copies."""
    shape, key = case
    array = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    if not numpy_accepts(array, key):
        return
    x = tg.tensor(array, requires_grad=True)
    y = x[key]
    weights = np.random.default_rng(0).normal(size=y.shape)
    expected = np.zeros(shape)
    np.add.at(expected, key, weights)
    y.backward(tg.tensor(np.asarray(weights)))
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-15, atol=1e-15)


def test_views_share_memory_and_copies_do_not() -> None:
    x = tg.arange(12).reshape(3, 4)
    x[1:, ::2].fill_(-1)
    assert x.tolist() == [[0, 1, 2, 3], [-1, 5, -1, 7], [-1, 9, -1, 11]]
    x[[0, 1]].fill_(5)
    assert x[0].tolist() == [0, 1, 2, 3]


def test_overlapping_assignment() -> None:
    """The right side is read before the left side is written."""
    for make in (lambda a: tg.tensor(a), lambda a: tg.from_numpy(a)):
        a = np.arange(6)
        x = make(a.copy())
        x[1:] = x[:-1]
        assert x.tolist() == [0, 0, 1, 2, 3, 4]
        x[::-1] = x
        assert x.tolist() == [4, 3, 2, 1, 0, 0]
        x[tg.tensor([0, 1, 2])] = x[1:4]
        assert x.tolist() == [3, 2, 1, 1, 0, 0]
    a = np.arange(6)  # two tensors over one array have different storages and the same memory
    left, right = tg.from_numpy(a), tg.from_numpy(a[:-1])
    left[1:] = right
    assert left.tolist() == [0, 0, 1, 2, 3, 4]


def test_the_last_of_repeated_indices_wins() -> None:
    x = tg.zeros(3)
    x[tg.tensor([1, 1, 1])] = tg.tensor([1.0, 2.0, 3.0])
    assert x.tolist() == [0.0, 3.0, 0.0]


def test_values_of_an_assignment() -> None:
    x = tg.zeros((2, 2))
    x[0] = [1.0, 2.0]
    x[1] = np.array([3, 4], np.float32)
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    n = tg.zeros(2, dtype="int64")
    with pytest.raises(tg.DTypeError, match="never mix silently"):
        n[:] = [1.5, 2.0]
    with pytest.raises(tg.DTypeError, match="float32 and int64"):
        x[0] = np.array([1, 2])
    with pytest.raises(tg.DTypeError, match="int64 and float32"):
        n[0] = x[0, 0]
    b = tg.zeros(2, dtype="bool")
    b[0] = True
    assert b.tolist() == [True, False]


def test_a_refused_assignment_writes_nothing() -> None:
    x = tg.zeros(4)
    for key, value in (([0, 4], 1.0), ([0, -5], 1.0), ([0, 1], tg.ones(3)), ([0, 1], tg.ones(2, dtype="float64"))):
        with pytest.raises((IndexError, tg.ShapeError, tg.DTypeError)):
            x[key] = value
    assert x.tolist() == [0.0] * 4


def test_writing_into_a_broadcast_view_is_refused() -> None:
    x = tg.broadcast_to(tg.zeros((1, 3)), (2, 3))
    for write in (lambda: x.fill_(1.0), lambda: x.add_(1.0), lambda: x.__setitem__(0, 1.0) or x[:].fill_(1.0)):
        with pytest.raises(tg.ArgumentError, match="broadcast view whose elements share memory"):
            write()


def test_iteration_length_membership() -> None:
    x = tg.tensor([[1, 2], [3, 4]])
    assert len(x) == 2
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    first, _second = x
    first.fill_(9)
    assert x[0].tolist() == [9, 9]
    with pytest.raises(TypeError, match="0-d tensor cannot be iterated"):
        iter(tg.tensor(1))
    with pytest.raises(TypeError):
        len(tg.tensor(1))


def test_unpacking_a_gradient() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    a, b = x
    (a * b).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 1.0]


def test_integer_tensors_are_indices() -> None:
    x = tg.arange(5)
    assert x[tg.tensor(3)].item() == 3
    assert x[tg.tensor(1) : tg.tensor(3)].tolist() == [1, 2]
    assert [10, 20, 30][tg.tensor(2)] == 30
    with pytest.raises(TypeError):
        [10, 20][tg.tensor(1.0)]


def test_huge_indices_are_refused() -> None:
    x = tg.arange(5)
    for key in (2**63, -(2**70), np.uint64(2**63)):
        with pytest.raises(IndexError):
            x[key]
    assert x[: 2**70].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sort_puts_nan_last(dtype: str) -> None:
    a = np.array([3, np.nan, -np.inf, 1, np.nan, np.inf, -0.0, 0.0], dtype)
    x = tg.tensor(a)
    np.testing.assert_array_equal(tg.sort(x).numpy(), np.sort(a))
    np.testing.assert_array_equal(tg.argsort(x).numpy(), np.argsort(a, kind="stable"))
    assert tg.argsort(x, descending=True).tolist() == [1, 4, 5, 0, 3, 6, 7, 2]
    values, indices = tg.topk(x, 3, largest=False)
    assert values.tolist() == [-np.inf, 0.0, 0.0]
    assert indices.tolist() == [2, 6, 7]


def test_large_sort_is_stable() -> None:
    a = np.random.default_rng(0).integers(0, 50, size=100_003)
    np.testing.assert_array_equal(tg.argsort(tg.tensor(a)).numpy(), np.argsort(a, kind="stable"))


def test_scatter_add_has_the_same_bits_for_any_threads() -> None:
    rng = np.random.default_rng(0)
    values = tg.tensor(rng.normal(size=(20_000, 3)).astype(np.float32))
    indices = tg.tensor(rng.integers(0, 50, size=20_000))
    before = tg.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3, 7):
            tg.set_num_threads(threads)
            found.append(tg.scatter_add(tg.zeros((50, 3)), indices, values).numpy().tobytes())
    finally:
        tg.set_num_threads(before)
    assert len(set(found)) == 1
