"""Sharing memory with NumPy, buffers and DLPack, both ways."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import tilegrad as tg

NUMPY_DTYPES = ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"]
SHAPES: list[tuple[int, ...]] = [(), (1,), (5,), (0,), (2, 3), (3, 0, 2), (2, 3, 4)]


def example(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.asarray(np.arange(np.prod(shape)).reshape(shape) % 2, dtype)


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_numpy_both_ways(shape: tuple[int, ...], dtype: str) -> None:
    array = example(shape, dtype)
    tensor = tg.from_numpy(array)
    assert (tensor.shape, tensor.dtype) == (shape, dtype)
    back = tensor.numpy()
    assert (back.shape, back.dtype) == (shape, array.dtype)
    np.testing.assert_array_equal(back, array)
    if array.size:
        array.fill(1)
        assert np.all(back == 1)
        back.fill(0)
        assert not array.any()
        tensor.fill_(1)
        assert np.all(array == 1)


@pytest.mark.parametrize(
    "key",
    [np.s_[::2], np.s_[::-1], np.s_[:, ::-2], np.s_[1:, None, 1], np.s_[-1:0:-2, ::3], np.s_[2:2]],
    ids=str,
)
def test_strides_are_kept(key: Any) -> None:
    array = np.arange(24, dtype=np.float32).reshape(4, 6)[key]
    tensor = tg.from_numpy(array)
    np.testing.assert_array_equal(tensor.numpy(), array)
    np.testing.assert_array_equal((tensor + 1.0).numpy(), array + 1)
    if array.size:
        assert tensor.data_ptr() == array.ctypes.data


def test_zero_strides() -> None:
    tensor = tg.broadcast_to(tg.tensor([1.0, 2.0]), (3, 2))
    assert tensor.numpy().strides == (0, 4)
    np.testing.assert_array_equal(tensor.numpy(), [[1, 2]] * 3)
    with pytest.raises(tg.ArgumentError, match="read-only"):
        tg.from_numpy(np.broadcast_to(np.ones(2), (3, 2)))
    writeable = np.lib.stride_tricks.as_strided(np.ones(2), (3, 2), (0, 8), writeable=True)
    shared = tg.from_numpy(writeable)
    assert shared.strides == (0, 1)
    with pytest.raises(tg.ArgumentError, match="share memory"):
        shared.fill_(2.0)


def test_the_array_outlives_its_name() -> None:
    array = np.ones(1000, np.float32)
    gone = weakref.ref(array)
    tensor = tg.from_numpy(array)
    view = tensor[10:20]
    del array, tensor
    gc.collect()
    assert gone() is not None
    assert view.tolist() == [1.0] * 10
    del view
    gc.collect()
    assert gone() is None


def test_the_tensor_outlives_its_name() -> None:
    before = tg.memory_stats()["bytes_in_use"]
    array = tg.ones(1000).numpy()
    gc.collect()
    assert array.sum() == 1000
    del array
    gc.collect()
    assert tg.memory_stats()["bytes_in_use"] == before


def test_what_numpy_arrays_are_refused() -> None:
    frozen = np.ones(2, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(tg.ArgumentError, match=r"read-only .* use tg\.tensor\(a\), which copies"):
        tg.from_numpy(frozen)
    with pytest.raises(tg.DTypeError, match="dtype >f4 has no tilegrad dtype"):
        tg.from_numpy(np.ones(2, ">f4"))
    for dtype in ("int16", "uint32", "complex64", "U3", "O", "M8[s]"):
        with pytest.raises(tg.DTypeError, match="has no tilegrad dtype"):
            tg.from_numpy(np.zeros(2, dtype))
    with pytest.raises(tg.DTypeError, match=r"expected a numpy\.ndarray, found list"):
        tg.from_numpy([1.0])  # type: ignore[arg-type]
    packed = np.zeros(3, [("flag", "u1"), ("value", "f4")])
    with pytest.raises(tg.ArgumentError, match="stride 5 of axis 0 is not a whole number of 4-byte elements"):
        tg.from_numpy(packed["value"])
    shifted = np.zeros(9, np.uint8)[1:].view(np.float64)
    with pytest.raises(tg.ArgumentError, match="not aligned"):
        tg.from_numpy(shifted)


def test_tensor_copies_what_from_numpy_refuses() -> None:
    frozen = np.ones(2, np.float32)
    frozen.flags.writeable = False
    assert tg.tensor(frozen).tolist() == [1.0, 1.0]
    assert tg.tensor(np.array([1, 2], ">f4")).tolist() == [1.0, 2.0]
    assert tg.tensor(np.array([1, 2], ">i4")).tolist() == [1, 2]
    assert tg.tensor(np.array([1, 2], np.int16)).dtype == "int32"
    packed = np.zeros(3, [("flag", "u1"), ("value", "f4")])
    assert tg.tensor(packed["value"]).tolist() == [0.0] * 3


def test_gradients_guard_their_memory() -> None:
    """What autograd relies on cannot be changed behind its back."""
    x = tg.ones(2, requires_grad=True)
    array = x.numpy()
    assert not array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 2
    with pytest.raises(BufferError, match="requires a gradient"):
        x.__dlpack__()
    assert memoryview(x).readonly
    x.detach().numpy()[0] = 2
    assert x.tolist() == [2.0, 1.0]


@pytest.mark.parametrize("dtype", [d for d in NUMPY_DTYPES if d != "float16"])
def test_buffer_protocol(dtype: str) -> None:
    tensor = tg.from_numpy(example((2, 3), dtype))
    view = memoryview(tensor)
    assert (view.shape, view.itemsize, view.readonly) == ((2, 3), np.dtype(dtype).itemsize, False)
    assert view.tolist() == tensor.tolist()
    view.release()
    strided = memoryview(tensor[:, ::2])
    assert strided.tolist() == tensor[:, ::2].tolist()
    np.testing.assert_array_equal(np.asarray(memoryview(tensor)), tensor.numpy())


def test_a_buffer_keeps_the_memory() -> None:
    view = memoryview(tg.ones(1000))
    gc.collect()
    assert sum(view.tolist()) == 1000.0


def test_array_protocol() -> None:
    tensor = tg.tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(tensor), tensor.numpy())
    assert not np.shares_memory(np.array(tensor), tensor.numpy())
    assert np.asarray(tensor, dtype=np.float64).dtype == np.float64
    assert np.sum(tensor.numpy()) == 3.0


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_dlpack_with_numpy(dtype: str) -> None:
    array = example((3, 4), dtype)
    tensor = tg.from_dlpack(array)
    assert tensor.dtype == dtype
    assert tensor.data_ptr() == array.ctypes.data
    back = np.from_dlpack(tensor)
    assert np.shares_memory(back, array)
    np.testing.assert_array_equal(back, array)
    np.testing.assert_array_equal(tg.from_dlpack(array[::-1, ::2]).numpy(), array[::-1, ::2])


def test_dlpack_exports_nothing_backwards() -> None:
    """PyTorch ends the process where it is given such a tensor."""
    x = tg.arange(6).reshape(2, 3)
    with pytest.raises(BufferError, match=r"axis 1 of the tensor runs backwards; export its contiguous\(\)"):
        np.from_dlpack(x[:, ::-1])
    np.testing.assert_array_equal(np.from_dlpack(x[:, ::-1].contiguous()), [[2, 1, 0], [5, 4, 3]])
    np.testing.assert_array_equal(np.from_dlpack(x[:1][::-1]), [[0, 1, 2]])  # of one row there is no back


def test_dlpack_with_itself_has_bfloat16() -> None:
    tensor = tg.full((2, 3), 1.5, dtype="bfloat16")
    other = tg.from_dlpack(tensor)
    assert other.dtype == "bfloat16"
    assert other.data_ptr() == tensor.data_ptr()
    assert tensor.__dlpack_device__() == (1, 0)


def test_dlpack_lifetime() -> None:
    array = np.ones(1000, np.float32)
    gone = weakref.ref(array)
    tensor = tg.from_dlpack(array)
    del array
    gc.collect()
    assert tensor.tolist() == [1.0] * 1000
    del tensor
    gc.collect()
    assert gone() is None
    before = tg.memory_stats()["bytes_in_use"]
    capsule = tg.ones(1000).__dlpack__()
    assert tg.memory_stats()["bytes_in_use"] > before
    del capsule  # nobody took it
    gc.collect()
    assert tg.memory_stats()["bytes_in_use"] == before


class Exporter:
    """Hands out one and the same capsule, or anything else."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


@pytest.mark.parametrize("version", [None, (1, 0)])
def test_a_capsule_is_consumed_once(version: Any) -> None:
    source = Exporter(tg.ones(3).__dlpack__(max_version=version))
    first = tg.from_dlpack(source)
    with pytest.raises((ValueError, TypeError)):
        tg.from_dlpack(source)
    assert first.tolist() == [1.0] * 3


@pytest.mark.parametrize("capsule", [None, 3, "dltensor", object()])
def test_what_is_no_capsule_is_refused(capsule: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        tg.from_dlpack(Exporter(capsule))


def test_what_dlpack_refuses() -> None:
    with pytest.raises(tg.DTypeError, match="a list has no __dlpack__ method"):
        tg.from_dlpack([1.0])
    with pytest.raises(tg.DTypeError, match="has no tilegrad dtype"):
        tg.from_dlpack(np.ones(2, np.int16))
    with pytest.raises(BufferError, match="without a copy"):
        tg.ones(2).__dlpack__(copy=True)


def test_torch_both_ways() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int32, torch.uint8):
        theirs = torch.arange(6).reshape(2, 3).to(dtype)
        ours = tg.from_dlpack(theirs)
        assert f"torch.{ours.dtype.name}" == str(dtype)
        assert ours.data_ptr() == theirs.data_ptr()
        back = torch.from_dlpack(ours)
        assert torch.equal(back, theirs)
        back[0, 0] = 7
        assert float(theirs[0, 0]) == 7
