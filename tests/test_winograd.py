"""Winograd's convolution: when it is chosen and how exact it is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tilegrad as tg
from tilegrad import _C

from . import winograd
from .opdb.conv import algorithms, resolve_padding
from .opdb.conv import conv2d as reference
from .targets import AVAILABLE, THREADS, running_on

Precision = Literal["high", "highest"]
DIRECT, SMALL, LARGE = "direct", "winograd 2x2", "winograd 4x4"


@contextmanager
def precision(name: Precision) -> Iterator[None]:
    tg.set_float32_precision(name)
    try:
        yield
    finally:
        tg.set_float32_precision("high")


def tensors(*arrays: np.ndarray, dtype: Any = np.float32) -> list[tg.Tensor]:
    return [tg.tensor(a.astype(dtype)) for a in arrays]


Choice = tuple[str, str, str]  # of the forward pass, the input's and the weights' gradient
NEVER, ALL_LARGE, EXACT = (DIRECT, DIRECT, DIRECT), (LARGE, LARGE, LARGE), (SMALL, SMALL, DIRECT)
ALL_SMALL = (SMALL, SMALL, SMALL)

# x [N, H, W, C], w [R, S, C, K], options, and the choices at "high" and at "highest".
CHOICES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any], Choice, Choice]] = [
    ((1, 16, 16, 64), (3, 3, 64, 64), {"padding": 1}, ALL_LARGE, EXACT),
    ((1, 32, 32, 16), (3, 3, 16, 16), {"padding": "same"}, ALL_LARGE, EXACT),
    ((1, 8, 8, 512), (3, 3, 512, 512), {"padding": 1}, ALL_LARGE, NEVER),
    ((1, 8, 8, 128), (3, 3, 128, 256), {"padding": 1}, ALL_LARGE, (SMALL, DIRECT, DIRECT)),
    ((1, 6, 6, 64), (3, 3, 64, 64), {"padding": 1}, (SMALL, SMALL, LARGE), EXACT),
    ((1, 2, 2, 64), (3, 3, 64, 64), {"padding": 1}, EXACT, EXACT),
    ((1, 1, 40, 64), (3, 3, 64, 64), {"padding": 1}, NEVER, NEVER),
    ((1, 32, 32, 3), (3, 3, 3, 64), {"padding": 1}, NEVER, NEVER),
    ((1, 32, 32, 64), (3, 3, 64, 10), {"padding": 1}, NEVER, NEVER),
    ((1, 32, 32, 64), (3, 3, 64, 64), {"padding": 1, "stride": 2}, ALL_SMALL, NEVER),
    ((1, 32, 32, 16), (3, 3, 16, 32), {"padding": "same", "stride": 2}, ALL_SMALL, NEVER),
    ((1, 28, 28, 128), (3, 3, 128, 128), {"padding": 1, "stride": 2}, ALL_SMALL, NEVER),
    ((1, 14, 14, 256), (3, 3, 256, 512), {"padding": 1, "stride": 2}, NEVER, NEVER),
    ((1, 32, 32, 64), (3, 3, 64, 64), {"padding": (1, 0), "stride": 2}, (SMALL, DIRECT, SMALL), NEVER),
    ((1, 32, 32, 8), (3, 3, 8, 64), {"padding": 1, "stride": 2}, NEVER, NEVER),
    ((1, 32, 32, 64), (3, 3, 64, 64), {"padding": 1, "stride": (2, 1)}, NEVER, NEVER),
    ((1, 32, 32, 64), (3, 3, 64, 64), {"padding": 1, "stride": 3}, NEVER, NEVER),
    ((1, 32, 32, 64), (3, 3, 64, 64), {"padding": 2, "dilation": 2}, NEVER, NEVER),
    ((1, 32, 32, 64), (3, 3, 32, 64), {"padding": 1, "groups": 2}, ALL_LARGE, EXACT),
    ((1, 32, 32, 50), (3, 3, 25, 34), {"padding": 1, "groups": 2}, ALL_LARGE, EXACT),
    ((1, 32, 32, 64), (3, 3, 8, 64), {"padding": 1, "groups": 8}, NEVER, NEVER),
    ((1, 32, 32, 64), (3, 3, 32, 20), {"padding": 1, "groups": 2}, NEVER, NEVER),
    ((1, 32, 32, 64), (3, 3, 32, 64), {"padding": 1, "groups": 2, "stride": 2}, ALL_SMALL, NEVER),
    ((1, 32, 32, 64), (5, 5, 64, 64), {"padding": 2}, NEVER, NEVER),
    ((1, 32, 32, 64), (1, 1, 64, 64), {}, NEVER, NEVER),
]


@pytest.mark.parametrize(("image", "kernel", "options", "high", "highest"), CHOICES)
def test_the_choice_depends_on_sizes_and_precision_alone(
    image: Any, kernel: Any, options: Any, high: Any, highest: Any
) -> None:
    def found(batch: int, dtype: str) -> Choice:
        whole = {"stride": 1, "padding": "valid", "dilation": 1, "groups": 1, **options}
        x, w = tg.zeros((batch, *image[1:]), dtype=dtype), tg.zeros(kernel, dtype=dtype)
        chosen: Choice = _C.conv2d_algorithm(x, w, **whole)
        return chosen

    for isa, threads, batch in itertools.product(AVAILABLE, THREADS, (1, 7)):
        with running_on(isa, threads):
            assert found(batch, "float32") == high
            assert found(batch, "float64") == highest
            with precision("highest"):
                assert found(batch, "float32") == highest
                assert found(batch, "float64") == highest


@st.composite
def configurations(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], Any, int]:
    pads = st.integers(0, 4)
    padding = draw(st.one_of(st.sampled_from(["valid", "same", 1]), st.tuples(*[st.tuples(pads, pads)] * 2)))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    C, K = draw(st.integers(16, 40)), draw(st.integers(16, 70 // groups))
    image = (draw(st.integers(1, 3)), draw(st.integers(3, 14)), draw(st.integers(3, 14)), groups * C)
    return image, (3, 3, C, groups * K), padding, groups


def gradients(
    x: np.ndarray, w: np.ndarray, dy: np.ndarray, pads: Any, stride: int, groups: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Those of the input and the weights, from the definition."""
    if groups > 1:
        parts = zip(*(np.split(a, groups, 3) for a in (x, w, dy)), strict=True)
        of_groups = zip(*(gradients(*part, pads, stride) for part in parts), strict=True)
        return tuple(np.concatenate(arrays, 3) for arrays in of_groups)  # type: ignore[return-value]
    top, left = pads[0][0], pads[1][0]
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    dx, dw = np.zeros_like(padded), np.zeros_like(w)
    P, Q = dy.shape[1:3]
    for r, s in itertools.product(range(3), range(3)):
        seen = (slice(None), slice(r, r + stride * P, stride), slice(s, s + stride * Q, stride))
        dx[seen][:, :P, :Q] += dy @ w[r, s].T
        dw[r, s] = np.tensordot(padded[seen][:, :P, :Q], dy, ((0, 1, 2), (0, 1, 2)))
    return dx[:, top : top + x.shape[1], left : left + x.shape[2]], dw


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(
    configurations(),
    st.integers(0, 2**32 - 1),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
    st.sampled_from([1, 2]),
)
def test_values_and_gradients_stay_in_the_derived_bounds(
    configuration: Any, seed: int, dtype: Any, high: bool, stride: int
) -> None:
    """Every output of all passes, at either precision, whatever the image's size and padding."""
    image, kernel, padding, groups = configuration
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=image).astype(dtype), rng.normal(size=kernel).astype(dtype)
    b = rng.normal(size=kernel[-1:]).astype(dtype)
    x_tensor, w_tensor = tg.tensor(x, requires_grad=True), tg.tensor(w, requires_grad=True)
    epsilon = float(np.finfo(dtype).eps)
    pads = resolve_padding(padding, image[1:3], (3, 3), (stride, stride))
    with precision("high" if high else "highest"):
        chosen = algorithms(x, w, dtype, padding=padding, stride=stride, groups=groups)
        y = tg.conv2d(x_tensor, w_tensor, tg.tensor(b), padding=padding, stride=stride, groups=groups)
        dy = rng.normal(size=y.shape).astype(dtype)
        y.backward(tg.tensor(dy))
    x64, w64, dy64 = (a.astype(np.float64) for a in (x, w, dy))

    options: dict[str, Any] = {"padding": padding, "stride": stride, "groups": groups}
    want = reference(x64, w64, b.astype(np.float64), **options)
    if chosen[0] == DIRECT:
        limit = 9 * kernel[2] * epsilon * reference(np.abs(x64), np.abs(w64), **options)
    else:
        limit = winograd.error_bound(x64, w64, pads, int(chosen[0][-1]), epsilon, groups, stride)
    assert np.all(np.abs(y.detach().numpy() - want) <= limit + 2 * epsilon * np.abs(want))

    want_dx, want_dw = gradients(x64, w64, dy64, pads, stride, groups)
    direct_dx, direct_dw = gradients(np.abs(x64), np.abs(w64), np.abs(dy64), pads, stride, groups)
    assert x_tensor.grad is not None
    if chosen[1] == DIRECT:
        limit = 9 * kernel[3] // groups * epsilon * direct_dx
    elif stride == 2:
        limit = winograd.input_gradient_error_bound(dy64, w64, pads, image[1:3], epsilon, groups)
    else:
        # Of the convolution of dy with the turned filter, before it is cropped by what padding exceeds 2: tiles lie
        # differently over the cropped image, so the bound is taken over all places that they may have.
        turned = winograd.turned(w64, groups)
        limit = winograd.error_bound(dy64, turned, ((2, 2), (2, 2)), int(chosen[1][-1]), epsilon, groups).max()
    assert np.all(np.abs(x_tensor.grad.numpy() - want_dx) <= limit)

    assert w_tensor.grad is not None
    if chosen[2] == DIRECT:
        limit = (dy.size // dy.shape[3] + 32) * epsilon * direct_dw
    else:
        limit = winograd.weights_gradient_error_bound(x64, dy64, pads, epsilon, groups, stride)
    assert np.all(np.abs(w_tensor.grad.numpy() - want_dw) <= limit)


@pytest.mark.parametrize("channels", [16, 33, 64, 128, 256, 512, 520, 1024, 1100])
def test_the_large_tile_is_exact_to_a_hundred_thousandth_of_the_largest_output(channels: int) -> None:
    """What "high" promises; the longest chain of sums, 512, is the worst."""
    worst = 0.0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(2, 12, 12, channels)).astype(np.float32)
        w = rng.normal(size=(3, 3, channels, 32)).astype(np.float32)
        assert algorithms(x, w, np.float32, padding=1) == ALL_LARGE
        want = reference(x.astype(np.float64), w.astype(np.float64), padding=1)
        found = tg.conv2d(*tensors(x, w), padding=1).numpy()
        worst = max(worst, float(np.abs(found - want).max() / np.abs(want).max()))
    assert worst < 1e-5
    assert worst > 1e-7  # it is not the direct algorithm that was measured


@pytest.mark.parametrize(("batch", "size"), [(1, 8), (3, 11), (8, 32), (48, 16)])
def test_the_weights_gradient_is_exact_to_a_hundred_thousandth_of_its_largest_element(batch: int, size: int) -> None:
    """From 4 tiles to 768, two chunks of them."""
    worst = 0.0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, dy = (rng.normal(size=(batch, size, size, 24)).astype(np.float32) for _ in range(2))
        w = tg.zeros((3, 3, 24, 24), requires_grad=True)
        tg.conv2d(tg.tensor(x), w, padding=1).backward(tg.tensor(dy))
        assert algorithms(x, w.detach().numpy(), np.float32, padding=1)[2] == LARGE
        padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        want = np.tensordot(windows, dy.astype(np.float64), ((0, 1, 2), (0, 1, 2))).transpose(1, 2, 0, 3)
        assert w.grad is not None
        worst = max(worst, float(np.abs(w.grad.numpy() - want).max() / np.abs(want).max()))
    assert 1e-7 < worst < 1e-5


@pytest.mark.parametrize("channels", [16, 64, 128])
def test_the_small_tile_is_as_exact_as_direct_convolution(channels: int) -> None:
    """What "highest" relies on: root mean square errors, of the same sums by both algorithms."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 12, 12, channels)).astype(np.float32)
    w = rng.normal(size=(3, 3, channels, 32)).astype(np.float32)
    want = reference(x.astype(np.float64), w.astype(np.float64), padding=1)

    def error(y: np.ndarray) -> float:
        return float(np.sqrt(np.square(y - want).mean()))

    with precision("highest"):
        assert algorithms(x, w, np.float32, padding=1)[0] == SMALL
        small = error(tg.conv2d(*tensors(x, w), padding=1).numpy())
    # 8 output channels at a time: the direct algorithm.
    parts = np.split(w, 4, axis=3)
    assert algorithms(x, parts[0], np.float32, padding=1)[0] == DIRECT
    direct = error(np.concatenate([tg.conv2d(*tensors(x, part), padding=1).numpy() for part in parts], axis=3))
    assert small <= direct


CASES: list[tuple[tuple[int, ...], tuple[int, ...], Any, int, Precision]] = [
    ((8, 8, 16), (3, 3, 16, 32), 1, 1, "high"),
    ((7, 5, 20), (3, 3, 20, 37), ((1, 0), (2, 1)), 1, "high"),
    ((6, 7, 54), (3, 3, 18, 60), 1, 1, "high"),
    ((8, 8, 24), (3, 3, 24, 48), "same", 1, "highest"),
    ((8, 7, 20), (3, 3, 20, 37), 1, 2, "high"),
    ((8, 8, 36), (3, 3, 18, 38), "same", 2, "high"),
]


@pytest.mark.parametrize(("image", "kernel", "padding", "stride", "name"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sample_does_not_see_its_batch(
    image: Any, kernel: Any, padding: Any, stride: int, name: Any, dtype: Any
) -> None:
    """Forward and input gradient of a sample have the same bits alone, in a batch of 7 and in one of 256."""
    groups = image[2] // kernel[2]
    rng = np.random.default_rng(0)
    images, w = rng.normal(size=(256, *image)).astype(dtype), rng.normal(size=kernel).astype(dtype)
    with precision(name):
        found = algorithms(images, w, dtype, padding=padding, stride=stride, groups=groups)[:2]
        assert (DIRECT in found) == (stride == 2 and dtype == np.float64)

    def run(chosen: slice) -> list[bytes]:
        x = tg.tensor(images[chosen], requires_grad=True)
        y = tg.conv2d(x, tg.tensor(w), padding=padding, stride=stride, groups=groups)
        y.backward(y.detach())
        assert x.grad is not None
        return [a.tobytes() + b.tobytes() for a, b in zip(y.detach().numpy(), x.grad.numpy(), strict=True)]

    with precision(name):
        everything = run(slice(None))
        assert run(slice(3, 10)) == everything[3:10]
        for i in (0, 5, 255):
            assert run(slice(i, i + 1)) == [everything[i]]


@pytest.mark.parametrize(
    ("image", "kernel", "stride", "name"),
    [
        ((70, 8, 8, 17), (3, 3, 17, 35), 1, "high"),  # blocks of tiles for each member
        ((3, 9, 7, 530), (3, 3, 530, 18), 1, "high"),  # two chunks of channels
        ((270, 6, 8, 18), (3, 3, 18, 40), 1, "high"),  # three chunks of tiles in the weights' gradient
        ((5, 9, 7, 18), (3, 3, 18, 80), 1, "highest"),
        ((70, 8, 8, 34), (3, 3, 17, 70), 1, "high"),  # two groups; two chunks of tiles, and what is left of them
        ((1, 8, 7, 54), (3, 3, 18, 60), 1, "high"),  # three groups, all members work on one block
        ((70, 16, 12, 34), (3, 3, 17, 70), 2, "high"),
        ((2, 8, 8, 270), (3, 3, 270, 18), 2, "high"),  # one chunk, two and three
        ((90, 15, 15, 18), (3, 3, 18, 40), 2, "high"),
    ],
)
def test_bits_do_not_depend_on_isa_or_threads(image: Any, kernel: Any, stride: int, name: Any) -> None:
    rng = np.random.default_rng(3)
    groups = image[3] // kernel[2]
    x, w = rng.normal(size=image).astype(np.float32), rng.normal(size=kernel).astype(np.float32)
    expected = None
    with precision(name):
        assert DIRECT not in algorithms(x, w, np.float32, padding=1, stride=stride, groups=groups)[:2]
        for isa in AVAILABLE:
            for threads in THREADS:
                with running_on(isa, threads):
                    x_tensor, w_tensor = tg.tensor(x, requires_grad=True), tg.tensor(w, requires_grad=True)
                    y = tg.conv2d(x_tensor, w_tensor, padding=1, stride=stride, groups=groups, activation="tanh")
                    y.backward(tg.ones(y.shape))
                assert x_tensor.grad is not None
                assert w_tensor.grad is not None
                found = tuple(t.detach().numpy().tobytes() for t in (y, x_tensor.grad, w_tensor.grad))
                expected = expected or found
                assert found == expected, (isa, threads)


@pytest.mark.parametrize("channels", [16, 64, 128, 256, 1100])
def test_stride_2_is_exact_to_a_hundred_thousandth_of_the_largest_output(channels: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 16, 16, channels)).astype(np.float32)
    w = rng.normal(size=(3, 3, channels, 32)).astype(np.float32)
    assert algorithms(x, w, np.float32, padding=1, stride=2) == ALL_SMALL
    x_tensor, w_tensor = tg.tensor(x, requires_grad=True), tg.tensor(w, requires_grad=True)
    y = tg.conv2d(x_tensor, w_tensor, padding=1, stride=2)
    dy = rng.normal(size=y.shape).astype(np.float32)
    y.backward(tg.tensor(dy))
    assert x_tensor.grad is not None
    assert w_tensor.grad is not None
    x64, w64 = x.astype(np.float64), w.astype(np.float64)
    wanted = (
        reference(x64, w64, padding=1, stride=2),
        *gradients(x64, w64, dy.astype(np.float64), ((1, 1), (1, 1)), 2),
    )
    found = (y.detach(), x_tensor.grad, w_tensor.grad)
    for result, want in zip(found, wanted, strict=True):
        assert 1e-8 < np.abs(result.numpy() - want).max() / np.abs(want).max() < 1e-5


def test_a_nan_stays_in_its_tile() -> None:
    """NaN and infinity may spread over a tile of outputs that sees them, never further."""
    x = np.ones((1, 12, 12, 16), np.float32)
    x[0, 5, 5, 3] = np.nan
    y = tg.conv2d(*tensors(x, np.ones((3, 3, 16, 16))), padding=1).numpy()[0, :, :, 0]
    assert np.isnan(y[4:7, 4:7]).all()
    assert np.isnan(y[4:8, 4:8]).any()
    outside = np.ones((12, 12), bool)
    outside[4:8, 4:8] = False
    assert not np.isnan(y[outside]).any()
