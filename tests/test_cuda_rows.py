"""Rows and columns on the GPU: sums in the CPU's order, with its bits (up to 16 chunks of 1024), and 16-bit inputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tilegrad as tg

from .targets import NEEDS_GPU

pytestmark = NEEDS_GPU

SHAPES = [(1, 1), (5, 3), (33, 10), (130, 65), (3, 1025), (1500, 7), (2, 9000), (16384, 3)]


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def normalised(x: tg.Tensor) -> tg.Tensor:
    gamma = tg.tensor(1 + np.arange(x.shape[1]) % 5, dtype=x.dtype, device=x.device)
    return tg.batch_norm(x, gamma, gamma, None, None, training=True, activation="relu")


def labels(x: tg.Tensor) -> tg.Tensor:
    return tg.tensor(np.arange(x.shape[0]) % x.shape[1], device=x.device)


def attended(x: tg.Tensor) -> tg.Tensor:
    if x.numel() > 8000:  # scores are the square of it
        x = x[:70, :70]
    return tg.scaled_dot_product_attention(x.expand_dims(0), x.expand_dims(0), x.expand_dims(0), is_causal=True)


OPS: dict[str, Callable[[tg.Tensor], tg.Tensor]] = {
    "sum": lambda x: tg.sum(x, 1),
    "sum down": lambda x: tg.sum(x, 0),
    "std": lambda x: tg.std(x, 0, correction=0),
    "max": lambda x: tg.max(x, 1),
    "logsumexp": lambda x: tg.logsumexp(x, 0),
    "softmax down": lambda x: tg.softmax(x, 0),
    "mse_loss": lambda x: tg.mse_loss(x, x * x),
    "batch_norm": normalised,
    "attention": attended,
}
# Rows up to some length are summed by a warp, in an order of its own.
ROW_OPS: dict[str, Callable[[tg.Tensor], tg.Tensor]] = {
    "softmax": lambda x: tg.softmax(x, 1),
    "log_softmax": lambda x: tg.log_softmax(x, 1),
    "layer_norm": lambda x: tg.layer_norm(x),
    "cross_entropy": lambda x: tg.cross_entropy(x, labels(x), reduction="none", label_smoothing=0.1),
    "soft cross_entropy": lambda x: tg.cross_entropy(x, tg.abs(x.detach()), reduction="none"),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPS)
def test_rows_have_the_bits_of_the_cpu(name: str, dtype: str) -> None:
    for shape in SHAPES:
        if name == "batch_norm" and shape[0] < 2:
            continue
        found = []
        for device in ("cpu", "cuda"):
            x = tg.tensor(drawn(*shape), dtype=dtype, device=device, requires_grad=True)
            y = OPS[name](x)
            y.backward(tg.tensor(drawn(*y.shape), dtype=dtype, device=device))
            assert x.grad is not None
            found.append((y.detach().cpu().numpy(), x.grad.cpu().numpy()))
        for cpu, gpu in zip(*found, strict=True):
            assert np.array_equal(cpu, gpu, equal_nan=True), (shape, np.abs(cpu - gpu).max())


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("length", [3, 65, 1000, 1300, 5000])
def test_a_row_has_the_same_bits_alone_and_in_any_batch(name: str, dtype: str, length: int) -> None:
    x = tg.tensor(drawn(2500, length), dtype=dtype, device="cuda")
    many, few, one = (ROW_OPS[name](x[:rows]).astype("float64").cpu().numpy() for rows in (2500, 7, 1))
    assert np.array_equal(many[:7], few)
    assert np.array_equal(few[:1], one)


@pytest.mark.parametrize(("dtype", "epsilon"), [("float32", 2.0**-23), ("float64", 2.0**-52)])
@pytest.mark.parametrize("name", ROW_OPS)
def test_rows_are_near_those_of_the_cpu(name: str, dtype: str, epsilon: float) -> None:
    # The last rows are too long for shared memory, and more than are worked on at a time: two to a multiprocessor.
    rows = 5 * tg.cuda.properties()["multiprocessors"]
    for shape in [*SHAPES, (rows, 10300)]:
        found = []
        for device in ("cpu", "cuda"):
            x = tg.tensor(drawn(*shape), dtype=dtype, device=device, requires_grad=True)
            y = ROW_OPS[name](x)
            y.backward(tg.tensor(drawn(*y.shape) ** 2, dtype=dtype, device=device))
            assert x.grad is not None
            found.append((y.detach().cpu().numpy(), x.grad.cpu().numpy()))
        for cpu, gpu in zip(*found, strict=True):
            assert np.abs(cpu - gpu).max() <= 32 * epsilon * np.abs(cpu).max(), shape


@pytest.mark.parametrize(("dtype", "epsilon"), [("bfloat16", 2.0**-8), ("float16", 2.0**-11)])
@pytest.mark.parametrize("shape", [(130, 5), (33, 4, 4, 12), (3, 64), (2, 7, 7, 130), (5000, 16)])
def test_batch_norm_of_16_bits_computes_in_float32(shape: tuple[int, ...], dtype: str, epsilon: float) -> None:
    """As from the same numbers in float32, but for the rounding of what is stored."""
    gamma = drawn(shape[-1]).astype(np.float32)
    found = []
    for own in ("float32", dtype):
        x = tg.tensor(2 * drawn(*shape) + 3, dtype=dtype, device="cuda").astype(own).detach()
        grad = tg.tensor(drawn(*shape), dtype=dtype, device="cuda").astype(own)
        x.requires_grad = True
        scale = tg.tensor(gamma, device="cuda", requires_grad=True)
        mean, var = tg.zeros(shape[-1], device="cuda"), tg.ones(shape[-1], device="cuda")
        y = tg.batch_norm(x, scale, None, mean, var, training=True, activation="relu")
        assert y.dtype == own
        y.backward(grad)
        assert x.grad is not None
        assert scale.grad is not None
        assert (x.grad.dtype, scale.grad.dtype) == (own, "float32")
        found.append([t.detach().astype("float32").cpu().numpy() for t in (y, x.grad, scale.grad, mean, var)])
    for i, (wide, narrow) in enumerate(zip(*found, strict=True)):
        if i < 2:
            assert np.abs(narrow - wide).max() <= epsilon * np.abs(wide).max()
        else:
            assert np.array_equal(narrow, wide)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bits_are_summed_in_float32(dtype: str) -> None:
    for shape in SHAPES:
        x = tg.tensor(drawn(*shape), dtype=dtype, device="cuda")
        wide = x.astype("float32")
        for op in (*(OPS[name] for name in ("sum", "sum down", "softmax down", "max")), *list(ROW_OPS.values())[:2]):
            narrow = op(x)
            assert narrow.dtype == dtype
            expected = op(wide).astype(dtype)
            assert np.array_equal(*(t.astype("float32").cpu().numpy() for t in (narrow, expected))), shape
