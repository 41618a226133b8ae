"""The errors of the elementary functions stay within the bounds that docs/numerics.md states."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import tilegrad as tg
from tilegrad import _C

from .targets import AVAILABLE, running_on
from .ulps import FUNCTIONS, Function, errors, every_float32, random_float64, worst

STRIDE = 509  # prime: every exponent, and all low bits


@pytest.mark.parametrize("function", [pytest.param(f, id=f.name) for f in FUNCTIONS])
def test_float32(function: Function) -> None:
    for x in every_float32(STRIDE):
        error, place = worst(function, x)
        assert error <= function.float32, (error, place)


@pytest.mark.parametrize("function", [pytest.param(f, id=f.name) for f in FUNCTIONS])
def test_float64(function: Function) -> None:
    error, place = worst(function, random_float64(300_000))
    assert error <= function.float64 + function.reference_error, (error, place)


@pytest.mark.parametrize("isa", AVAILABLE)
@pytest.mark.parametrize("function", [pytest.param(f, id=f.name) for f in FUNCTIONS])
def test_isas_agree(function: Function, isa: str) -> None:
    """The same bits everywhere, over all exponents and special values."""
    numbers = [next(every_float32(4099)), random_float64(30_000, seed=1)]
    for x in numbers:
        with running_on(AVAILABLE[-1]):
            expected = getattr(tg, function.name)(tg.from_numpy(x)).numpy()
        with running_on(isa):
            found = getattr(tg, function.name)(tg.from_numpy(x)).numpy()
        np.testing.assert_array_equal(found, expected)


def gelu_error(x: np.ndarray) -> tuple[float, float]:
    """The largest errors of gelu, in units of eps |x|, and of its gradient, in units of eps."""
    eps, wide = np.finfo(np.float32).eps, x.astype(np.float64)
    distribution = 0.5 * special.erfc(-wide / np.sqrt(2))
    slope = distribution + wide * np.exp(-0.5 * wide * wide) / np.sqrt(2 * np.pi)
    value = tg.gelu(tg.from_numpy(x)).numpy()
    gradient = _C.gelu_backward(tg.ones(x.shape), tg.from_numpy(x)).numpy()
    # Numbers that are not normal are off by half the smallest number.
    off = np.maximum(np.abs(value - wide * distribution) - 2.0**-150, 0) / (eps * np.abs(wide) + 1e-300)
    return float(np.max(off)), float(np.max(np.abs(gradient - slope)) / eps)


def test_gelu() -> None:
    for x in every_float32(STRIDE):
        x = x[np.abs(x) < 1e30]  # larger, infinite and NaN: below
        if x.size:
            value, gradient = gelu_error(x)
            assert value <= 1.9
            assert gradient <= 2.1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_limits_of_gelu(dtype: str) -> None:
    """Exact where the normal distribution's function rounds to 0 and 1."""
    x = tg.tensor([50.0, 1e30, np.inf, -50.0, -1e30, -np.inf, np.nan, 0.0, -0.0], dtype=dtype)
    value = tg.gelu(x).numpy()
    np.testing.assert_array_equal(value, [50, x.numpy()[1], np.inf, 0, 0, np.nan, np.nan, 0, 0])
    np.testing.assert_array_equal(np.signbit(value[[3, 4, 7, 8]]), [True, True, False, True])
    gradient = _C.gelu_backward(tg.ones(x.shape, dtype=dtype), x).numpy()
    np.testing.assert_array_equal(gradient, [1, 1, 1, 0, 0, 0, np.nan, 0.5, 0.5])


@pytest.mark.parametrize("isa", AVAILABLE)
def test_isas_agree_on_gelu(isa: str) -> None:
    x = tg.from_numpy(next(every_float32(4099)))
    ones, found = tg.ones(x.shape), []
    for target in (AVAILABLE[-1], isa):
        with running_on(target):
            found.append((tg.gelu(x).numpy(), _C.gelu_backward(ones, x).numpy()))
    np.testing.assert_array_equal(*found)


def test_relu_backward_of_special_values() -> None:
    """What is positive lets the gradient through, infinity too; NaN does not."""
    tiny = np.array(1, np.int32).view(np.float32)
    y = np.array([0, -0.0, tiny, -tiny, 1, -1, np.inf, -np.inf, np.nan, -np.nan], np.float32)
    found = _C.relu_backward(tg.full(y.shape, 3.0), tg.from_numpy(y)).numpy()
    np.testing.assert_array_equal(found, [0, 0, 3, 0, 3, 0, 3, 0, 0, 0])


# Where sin and cos of the largest doubles are needed to the last bit: the reduction meets all of its words of 2 / pi.
@pytest.mark.parametrize(
    ("x", "sine"), [(1e22, -0.8522008497671888), (2.0**120, 0.3778201093607520), (1e300, -0.8178819121159085)]
)
def test_sin_of_large_numbers(x: float, sine: float) -> None:
    found = tg.sin(tg.tensor([x], dtype="float64")).item()
    assert abs(found - sine) <= 2e-16


def test_power() -> None:
    rng = np.random.default_rng(0)
    x32 = np.concatenate(
        [
            rng.integers(0, 1 << 31, 200_000, dtype=np.uint32).view(np.float32),
            np.exp(rng.normal(size=200_000)).astype(np.float32),
        ]
    )
    y32 = (rng.normal(size=400_000) * np.exp2(rng.integers(-10, 8, 400_000))).astype(np.float32)
    for x, y, wide in [
        (x32, y32, np.float64),
        (np.exp(rng.normal(size=200_000) * 9), y32[:200_000].astype(np.float64), np.longdouble),
    ]:
        with np.errstate(all="ignore"):
            reference = np.power(x.astype(wide), y.astype(wide))
        error = errors(tg.power(tg.from_numpy(x), tg.from_numpy(y)).numpy(), reference)
        place = int(np.argmax(error))
        assert error[place] <= 1, (x[place], y[place])


SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    -2.0,
    3.0,
    -3.0,
    np.inf,
    -np.inf,
    np.nan,
    1e300,
    -1e300,
    5e-324,
    -5e-324,
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_power_of_special_values(dtype: type) -> None:
    """IEEE 754's table of pow, and exact small powers."""
    with np.errstate(all="ignore"):
        values = np.array(SPECIAL).astype(dtype)
        x, y = (np.ascontiguousarray(a) for a in np.meshgrid(values, values))
        expected = np.power(x, y)
    found = tg.power(tg.from_numpy(x), tg.from_numpy(y)).numpy()
    # Roots and cubes round; NumPy's own may be a last bit off.
    np.testing.assert_allclose(found, expected, rtol=np.finfo(dtype).eps)
    np.testing.assert_array_equal(np.signbit(found[found == 0]), np.signbit(expected[found == 0]))
    base = np.arange(1, 20, dtype=dtype)
    for exponent in range(6):
        exact = np.array([float(int(b) ** exponent) for b in base], dtype)
        np.testing.assert_array_equal(tg.power(tg.from_numpy(base), float(exponent)).numpy(), exact)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["floor", "ceil", "round", "sign", "absolute", "negative"])
def test_rounding_of_all_exponents(name: str, dtype: type) -> None:
    x = next(every_float32(4099)) if dtype == np.float32 else random_float64(100_000)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
    found = getattr(tg, name)(tg.from_numpy(x)).numpy()
    np.testing.assert_array_equal(found, expected)
    if name != "sign":  # NumPy keeps the sign of a zero's sign
        finite = ~np.isnan(x)
        np.testing.assert_array_equal(np.signbit(found[finite]), np.signbit(expected[finite]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["remainder", "floor_divide"])
def test_division_with_remainder(name: str, dtype: type) -> None:
    """Python's rule, exactly, over quotients of all sizes."""
    rng = np.random.default_rng(0)
    scale = 30 if dtype == np.float32 else 300
    a = (rng.normal(size=20_000) * np.exp2(rng.integers(-scale, scale, 20_000))).astype(dtype)
    b = (rng.normal(size=20_000) * np.exp2(rng.integers(-scale, scale, 20_000))).astype(dtype)
    a[:100], b[50:150] = 0, np.inf
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(a, b)
    found = getattr(tg, name)(tg.from_numpy(a), tg.from_numpy(b)).numpy()
    np.testing.assert_array_equal(found, expected)


def fma_arguments(dtype: type, count: int) -> list[np.ndarray]:
    """Triples of all exponents, of close ones, and near the ends of the range; many that cancel."""
    rng = np.random.default_rng(0)
    unsigned, bits = (np.uint32, 23) if dtype == np.float32 else (np.uint64, 52)
    bias, top = (127, 255) if dtype == np.float32 else (1023, 2047)
    triples = []
    for low, high in [
        (0, top + 1),
        (bias - 8, bias + 8),
        (0, 120),
        (bias // 2 - 20, bias // 2 + 40),
        (top - 60, top + 1),
    ]:
        made = []
        for _ in range(3):
            mantissa = rng.integers(0, 1 << bits, count).astype(unsigned)
            mantissa[::3] &= unsigned(((1 << bits) - 1) ^ ((1 << (bits // 2)) - 1))  # short ones make ties
            exponent = rng.integers(low, high, count).astype(unsigned) << unsigned(bits)
            sign = rng.integers(0, 2, count).astype(unsigned) << unsigned(8 * np.dtype(dtype).itemsize - 1)
            made.append((mantissa | exponent | sign).view(dtype))
        with np.errstate(all="ignore"):
            made[2][::5] = -(made[0] * made[1])[::5]
        triples.append(made)
    edges = np.array(
        [
            0.0,
            1.0,
            np.inf,
            np.nan,
            np.finfo(dtype).tiny,
            np.finfo(dtype).smallest_subnormal,
            np.finfo(dtype).max,
            1 + np.finfo(dtype).eps,
        ],
        dtype,
    )
    edges = np.concatenate([edges, -edges])
    triples.append([np.ascontiguousarray(m).reshape(-1) for m in np.meshgrid(edges, edges, edges)])
    return [np.concatenate(parts) for parts in zip(*triples, strict=True)]


@pytest.mark.skipif("avx2" not in AVAILABLE and "neon" not in AVAILABLE, reason="no fused instruction to compare with")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_emulated_fma(dtype: type) -> None:
    """The emulation gives the bits of the instruction."""
    arrays = fma_arguments(dtype, 200_000)
    a, b, c = map(tg.from_numpy, arrays)
    with running_on("avx2" if "avx2" in AVAILABLE else "neon"):
        expected = _C.fused_multiply_add(a, b, c).numpy()
    with running_on("generic"):
        vectors = _C.fused_multiply_add(a, b, c).numpy()
        single = [
            _C.fused_multiply_add(*(tg.from_numpy(x[i : i + 1]) for x in arrays)).item() for i in range(0, 200_000, 997)
        ]
    bits = np.uint32 if dtype == np.float32 else np.uint64
    numbers = ~np.isnan(expected)
    assert (np.isnan(vectors) == ~numbers).all()
    np.testing.assert_array_equal(vectors[numbers].view(bits), expected[numbers].view(bits))
    np.testing.assert_array_equal(np.array(single, dtype), expected[0:200_000:997])


def test_fma_against_fractions() -> None:
    """One rounding of the exact value, by Python's own arithmetic."""
    from fractions import Fraction

    rng = np.random.default_rng(1)
    a, b, c = (rng.normal(size=2000) * np.exp2(rng.integers(-20, 20, 2000)) for _ in range(3))
    exact = np.array([float(Fraction(x) * Fraction(y) + Fraction(z)) for x, y, z in zip(a, b, c, strict=True)])
    for isa in AVAILABLE:
        with running_on(isa):
            np.testing.assert_array_equal(_C.fused_multiply_add(*map(tg.from_numpy, (a, b, c))).numpy(), exact)
