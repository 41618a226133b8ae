"""Convolution beyond the table: drawn configurations, batches, special values, and the order of sums."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tilegrad as tg

from .opdb.conv import conv2d as reference
from .opdb.conv import pair
from .targets import AVAILABLE, running_on

sizes = st.integers(1, 3)
pads = st.one_of(
    st.sampled_from(["valid", "same"]),
    st.integers(0, 3),
    st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2),
)


@st.composite
def configurations(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """An image, a filter that fits into it, and options."""
    R, S = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    groups, group_in, group_out = draw(st.integers(1, 4)), draw(st.integers(1, 9)), draw(st.integers(1, 20))
    if draw(st.booleans()) and groups > 1:
        group_in = group_out = 1
    stride, dilation = draw(st.one_of(sizes, st.tuples(sizes, sizes))), draw(st.one_of(sizes, st.tuples(sizes, sizes)))
    extent = [(k - 1) * d + 1 for k, d in zip((R, S), pair(dilation), strict=True)]
    image = (draw(st.sampled_from([1, 2, 3, 9])), *(e + draw(st.integers(0, 6)) for e in extent), groups * group_in)
    options = {"stride": stride, "padding": draw(pads), "dilation": dilation, "groups": groups}
    return image, (R, S, group_in, groups * group_out), options


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(configurations(), st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]))
def test_any_configuration(configuration: Any, seed: int, dtype: Any) -> None:
    """Value and both gradients, against the definition and the linearity of each argument."""
    image, kernel, options = configuration
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=image).astype(dtype), rng.normal(size=kernel).astype(dtype)
    x_tensor, w_tensor = tg.tensor(x, requires_grad=True), tg.tensor(w, requires_grad=True)
    y = tg.conv2d(x_tensor, w_tensor, **options)
    x64, w64 = x.astype(np.float64), w.astype(np.float64)
    expected = reference(x64, w64, **options)
    scale = reference(np.abs(x64), np.abs(w64), **options)
    epsilon = np.finfo(dtype).eps
    terms = kernel[0] * kernel[1] * kernel[2]
    assert np.all(np.abs(y.detach().numpy() - expected) <= terms * epsilon * scale)

    # conv is bilinear: <dy, conv(u, w)> = <dx, u> for every u, and <dy, conv(x, v)> = <dw, v> for every v.
    dy = rng.normal(size=y.shape).astype(dtype)
    y.backward(tg.tensor(dy))
    u, v = rng.normal(size=image), rng.normal(size=kernel)
    dy64 = dy.astype(np.float64)
    for gradient, direction, moved, size in (
        (x_tensor.grad, u, reference(u, w64, **options), reference(np.abs(u), np.abs(w64), **options)),
        (w_tensor.grad, v, reference(x64, v, **options), reference(np.abs(x64), np.abs(v), **options)),
    ):
        assert gradient is not None
        allowed = (terms * kernel[3] + y.size) * epsilon * float((np.abs(dy64) * size).sum())
        assert abs(float((gradient.numpy() * direction).sum()) - float((dy64 * moved).sum())) <= allowed


CASES = [
    ((6, 7, 5), (3, 3, 5, 9), {"padding": "same"}),
    ((9, 9, 16), (3, 3, 1, 16), {"groups": 16, "stride": 2, "padding": 1}),
    ((9, 8, 35), (5, 5, 1, 35), {"groups": 35, "padding": 2}),
    ((8, 8, 1), (5, 5, 1, 6), {"padding": 2}),
    ((4, 4, 64), (3, 3, 64, 33), {"padding": 1}),
    ((5, 5, 8), (1, 1, 8, 40), {}),
    ((7, 6, 6), (3, 3, 6, 5), {"padding": 2, "stride": 2}),
    ((5, 5, 130), (3, 3, 130, 4), {"padding": "same"}),
    ((6, 6, 64), (3, 3, 4, 64), {"padding": 1, "groups": 16}),
    ((6, 5, 6), (5, 3, 3, 14), {"padding": "same", "groups": 2, "activation": "tanh"}),
    ((5, 19, 3), (3, 3, 3, 16), {"padding": 1, "activation": "relu"}),
    ((6, 21, 60), (3, 3, 60, 20), {"padding": 1, "stride": 2}),
]


@pytest.mark.parametrize(("image", "kernel", "options"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sample_does_not_see_its_batch(image: Any, kernel: Any, options: Any, dtype: Any) -> None:
    """Forward and input gradient of a sample have the same bits alone, in a batch of 7 and in one of 256."""
    rng = np.random.default_rng(0)
    images, w = rng.normal(size=(256, *image)).astype(dtype), rng.normal(size=kernel).astype(dtype)
    gradients = rng.normal(size=tg.conv2d(tg.tensor(images), tg.tensor(w), **options).shape).astype(dtype)

    def run(chosen: slice) -> list[bytes]:
        x = tg.tensor(images[chosen], requires_grad=True)
        y = tg.conv2d(x, tg.tensor(w), **options)
        y.backward(tg.tensor(gradients[chosen]))
        assert x.grad is not None
        return [a.tobytes() + b.tobytes() for a, b in zip(y.detach().numpy(), x.grad.numpy(), strict=True)]

    everything = run(slice(None))
    assert run(slice(3, 10)) == everything[3:10]
    for i in (0, 5, 255):
        assert run(slice(i, i + 1)) == [everything[i]]


@pytest.mark.parametrize("isa", AVAILABLE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", range(1, 9))
def test_few_channels_are_the_first_of_many(channels: int, dtype: Any, isa: str) -> None:
    """Images of one channel: few output channels take another kernel than many, and have the same bits."""
    rng = np.random.default_rng(channels)
    with running_on(isa):
        for width, kernel, options in (
            (40, (5, 5), {"padding": 2, "activation": "relu"}),
            (19, (3, 4), {"activation": "tanh", "stride": (2, 1)}),
            (9, (3, 3), {"padding": 1, "dilation": (1, 2)}),
            (5, (5, 3), {"padding": "same"}),
        ):
            x = tg.tensor(rng.normal(size=(3, 7, width, 1)).astype(dtype))
            w, bias = rng.normal(size=(*kernel, 1, 40)).astype(dtype), rng.normal(size=40).astype(dtype)
            few = tg.conv2d(x, tg.tensor(w[..., :channels]), tg.tensor(bias[:channels]), **options).numpy()
            many = tg.conv2d(x, tg.tensor(w), tg.tensor(bias), **options).numpy()
            assert few.tobytes() == many[..., :channels].tobytes()
            assert (
                few[1:2].tobytes()
                == tg.conv2d(x[1:2], tg.tensor(w), tg.tensor(bias), **options)[..., :channels].numpy().tobytes()
            )


@pytest.mark.parametrize("isa", AVAILABLE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kernel", "options"), [((3, 3, 3, 40), {}), ((1, 2, 270, 20), {"stride": (1, 2)})])
def test_a_pixel_does_not_see_the_length_of_its_row(kernel: Any, options: Any, dtype: Any, isa: str) -> None:
    """Rows of any length, which are cut into tiles of several heights, have the bits of a long one's first pixels."""
    rng = np.random.default_rng(6)
    stride = options.get("stride", (1, 1))[1]
    x, w = (rng.normal(size=s).astype(dtype) for s in ((2, 4, 70 * stride, kernel[2]), kernel))
    with running_on(isa):
        for few in (kernel[3], 16, 8, 5):
            weights = tg.tensor(w[..., :few])
            long = tg.conv2d(tg.tensor(x), weights, **options).numpy()
            for columns in range(1, 50):
                seen = x[:, :, : (columns - 1) * stride + kernel[1]]
                y = tg.conv2d(tg.tensor(seen), weights, **options).numpy()
                assert y.tobytes() == long[:, :, :columns].tobytes(), columns


@pytest.mark.parametrize("isa", AVAILABLE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("channels", "kernel", "options"),
    [
        (1, (5, 5), {"padding": 2}),
        (1, (3, 3), {}),
        (2, (4, 3), {"stride": 2}),
        (1, (3, 2), {"dilation": (2, 3)}),
        (7, (2, 1), {}),
    ],
)
def test_weights_of_few_channels_are_the_first_of_many(
    channels: int, kernel: Any, options: Any, dtype: Any, isa: str
) -> None:
    """Few output channels take other tiles than many, or another kernel; every ISA has the bits of the generic one."""
    rng = np.random.default_rng(7)
    x = tg.tensor(rng.normal(size=(12, 11, 13, channels)).astype(dtype))
    shape = tg.conv2d(x, tg.zeros((*kernel, channels, 40), dtype=x.dtype), **options).shape
    dy = rng.normal(size=shape).astype(dtype)

    def gradient(few: int) -> np.ndarray:
        w = tg.zeros((*kernel, channels, few), dtype=x.dtype, requires_grad=True)
        tg.conv2d(x, w, **options).backward(tg.tensor(dy[..., :few]))
        assert w.grad is not None
        return w.grad.numpy()

    with running_on("generic"):
        many = gradient(40)
    with running_on(isa):
        for few in range(1, 41):
            assert gradient(few).tobytes() == many[..., :few].tobytes(), few


def chain(products: list[tuple[np.float32, np.float32]], total: int) -> np.float32:
    """The documented sum: fused multiply-adds in chunks of 512, each rounded once; chunks added in order."""
    assert total <= 16384
    chunks: list[np.float32] = []
    for first in range(0, len(products), 512):
        sum_ = np.float32(0)
        for a, b in products[first : first + 512]:
            exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(sum_))
            sum_ = round_to_float32(exact)
        chunks.append(sum_)
    result = chunks[0]
    for sum_ in chunks[1:]:
        result = np.float32(result + sum_)
    return result


@pytest.mark.parametrize("isa", AVAILABLE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_depthwise_channels_do_not_see_how_many_there_are(padding: int, dtype: Any, isa: str) -> None:
    """Whole vectors of channels are read in place, two rows at a time, others from a ring: with the same bits."""
    rng = np.random.default_rng(padding)
    w, bias = rng.normal(size=(3, 3, 1, 49)).astype(dtype), rng.normal(size=49).astype(dtype)
    options: dict[str, Any] = {"padding": padding, "activation": "relu"}
    least = max(3 - 2 * padding, 1)

    def run(x: Any, channels: int) -> list[Any]:
        x = tg.tensor(x[..., :channels], requires_grad=True)
        y = tg.conv2d(x, tg.tensor(w[..., :channels]), tg.tensor(bias[:channels]), groups=channels, **options)
        y.backward(y.detach())
        assert x.grad is not None
        return [y.detach().numpy(), x.grad.numpy()]

    with running_on(isa):
        sizes = [(least + i, least + j) for i in range(4) for j in range(12)]
        for rows, columns in [*sizes, (230, 240)]:  # where lines are fetched ahead
            x = rng.normal(size=(3 if rows < 9 else 1, rows, columns, 49)).astype(dtype)
            all_channels = run(x, 49)
            for channels in (16, 48):
                for few, many in zip(run(x, channels), all_channels, strict=True):
                    assert few.tobytes() == many[..., :channels].tobytes(), (rows, columns)


def round_to_float32(exact: Fraction) -> np.float32:
    """The nearest float, ties to even; by way of a double only to find the candidates."""
    guess = np.float32(float(exact))
    candidates = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    return min(candidates, key=lambda c: (abs(Fraction(float(c)) - exact), int(c.view(np.int32)) & 1))


@pytest.mark.parametrize("isa", AVAILABLE)
def test_sums_run_in_the_documented_order(isa: str) -> None:
    """Bit for bit, on every ISA: forward over (r, s, c), backward-weights over pixels, backward-data over (r, s, k)."""
    rng = np.random.default_rng(5)
    x, w = (rng.normal(size=s).astype(np.float32) for s in ((3, 14, 15, 130), (2, 2, 130, 132)))
    with running_on(isa):
        x_tensor, w_tensor = tg.tensor(x, requires_grad=True), tg.tensor(w, requires_grad=True)
        y = tg.conv2d(x_tensor, w_tensor)
        dy = rng.normal(size=y.shape).astype(np.float32)
        y.backward(tg.tensor(dy))
    n, p, q, k = 1, 3, 4, 17
    window = x[n, p : p + 2, q : q + 2].reshape(-1)
    products = list(zip(window, w[..., k].reshape(-1), strict=True))
    assert y.detach().numpy()[n, p, q, k] == chain(products, len(products))

    r, s, c = 1, 0, 77
    seen = x[:, r : r + 13, s : s + 14, c].reshape(-1)
    products = list(zip(seen, dy[..., k].reshape(-1), strict=True))
    assert w_tensor.grad is not None
    assert w_tensor.grad.numpy()[r, s, c, k] == chain(products, len(products))

    turned = w[::-1, ::-1, c]
    products = list(zip(dy[n, p - 1 : p + 1, q - 1 : q + 1].reshape(-1), turned.reshape(-1), strict=True))
    assert x_tensor.grad is not None
    assert x_tensor.grad.numpy()[n, p, q, c] == chain(products, len(products))


def test_special_values_follow_ieee() -> None:
    """NaN and infinity spread to the outputs that see them, and to no others."""
    x = np.ones((1, 5, 5, 2), np.float32)
    x[0, 0, 0, 0] = np.nan
    x[0, 4, 4, 1] = np.inf
    y = tg.conv2d(tg.tensor(x), tg.ones((3, 3, 2, 3)), padding="same").numpy()[0, :, :, 0]
    assert np.array_equal(np.isnan(y), np.pad(np.ones((2, 2), bool), ((0, 3), (0, 3))))
    assert np.array_equal(np.isinf(y), np.pad(np.ones((2, 2), bool), ((3, 0), (3, 0))))


def test_gradients_that_nobody_needs_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first layer's input gradient costs nothing."""

    def refuse(*args: Any) -> None:
        raise AssertionError("computed the input gradient")

    monkeypatch.setattr(tg._C, "conv2d_backward_data", refuse)
    w = tg.ones((3, 3, 2, 4), requires_grad=True)
    tg.conv2d(tg.ones((1, 5, 5, 2)), w).backward(tg.ones((1, 3, 3, 4)))
    assert w.grad is not None
    assert np.array_equal(w.grad.numpy(), np.full((3, 3, 2, 4), 9, np.float32))


def test_padding_larger_than_the_kernel_gives_the_bias() -> None:
    y = tg.conv2d(tg.ones((1, 1, 1, 1)), tg.ones((1, 1, 1, 2)), tg.tensor([3.0, 4.0]), padding=2)
    expected = np.full((1, 5, 5, 2), [3.0, 4.0], np.float32)
    expected[0, 2, 2] += 1
    assert np.array_equal(y.numpy(), expected)
