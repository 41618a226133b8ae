"""Random numbers: their words, their distributions, and that seeds mean the same for ever."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

import tilegrad as tg

from . import philox
from .targets import AVAILABLE, ISAS, THREADS, running_on

FLOATING = ("float32", "float64")
COUNTS = (0, 1, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 1000, 4097)

DRAWS: dict[str, Callable[[int, str, tg.Generator], tg.Tensor]] = {
    "rand": lambda n, dtype, g: tg.rand(n, dtype, generator=g),
    "uniform": lambda n, dtype, g: tg.uniform(-2.5, 7.0, n, dtype, generator=g),
    "randn": lambda n, dtype, g: tg.randn(n, dtype, generator=g),
    "normal": lambda n, dtype, g: tg.normal(3.0, 0.25, n, dtype, generator=g),
    "truncated_normal": lambda n, dtype, g: tg.truncated_normal(0.5, n, dtype=dtype, generator=g),
    "bernoulli": lambda n, dtype, g: tg.bernoulli(0.3, n, dtype, generator=g),
    "randint": lambda n, dtype, g: tg.randint(-5, 1000, n, "int32" if dtype == "float32" else "int64", generator=g),
    "permutation": lambda n, dtype, g: tg.permutation(n, generator=g),
}


def test_philox_reference_has_the_published_values() -> None:
    """The known answers of the paper's authors (Random123, kat_vectors) for the NumPy twin that other tests rely on."""
    ones = 0xFFFFFFFFFFFFFFFF
    assert philox.blocks(0, 0, np.array([0])).tolist() == [[0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]]
    assert philox.blocks(ones, ones, np.array([ones], np.uint64)).tolist() == [
        [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    ]
    index = np.array([0x85A308D3_243F6A88], np.uint64)
    assert philox.blocks(0x299F31D0_A4093822, 0x03707344_13198A2E, index).tolist() == [
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]
    ]


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("isa", ISAS)
def test_rand_is_the_words_of_philox(isa: str, dtype: str) -> None:
    """Exactly the numbers of the formula, for every count and for seeds and streams beyond 32 bits."""
    with running_on(isa):
        for seed, stream in ((0, 0), (1, 2), (2**40 + 3, 2**35 + 7), (2**63 - 1, 2**63 - 2)):
            for count in COUNTS:
                found = tg.rand(count, dtype, generator=tg.Generator(seed, stream)).numpy()
                expected = philox.uniform(seed, stream, count, dtype)
                assert found.tobytes() == expected.tobytes(), (seed, stream, count)


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("name", DRAWS)
def test_bits_on_every_isa_and_thread_count(name: str, dtype: str) -> None:
    for count in (0, 65, 1000):
        expected: bytes | None = None
        for isa in AVAILABLE:
            for threads in THREADS:
                with running_on(isa, threads):
                    generator = tg.Generator(5, 9)
                    found = DRAWS[name](count, dtype, generator).numpy().tobytes()
                assert generator.state() == (5, 10)
                expected = found if expected is None else expected
                assert found == expected, (count, isa, threads)


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("name", [name for name in DRAWS if name != "permutation"])
def test_an_element_depends_on_its_index_alone(name: str, dtype: str) -> None:
    """A longer draw begins with the shorter one; shapes do not matter."""
    whole = DRAWS[name](1000, dtype, tg.Generator(3)).numpy()
    for count in (1, 17, 63, 65, 400):
        assert DRAWS[name](count, dtype, tg.Generator(3)).numpy().tobytes() == whole[:count].tobytes()
    if name == "rand":
        assert tg.rand((10, 100), dtype, generator=tg.Generator(3)).numpy().tobytes() == whole.tobytes()


# The first values of seed 2026, frozen: whoever stored a seed gets the same numbers from every later version. The
# uniform ones are the formula's (see the test above); all have been checked against it when they were written down.
FROZEN: dict[str, list[Any]] = {
    "rand float32": [
        "0x1.b96ca00000000p-2",
        "0x1.f9ffea0000000p-1",
        "0x1.636b740000000p-1",
        "0x1.77a8600000000p-1",
        "0x1.4640a80000000p-1",
        "0x1.4381a40000000p-2",
    ],
    "rand float64": [
        "0x1.b96ca3c2dbdf2p-2",
        "0x1.f9ffea1653c35p-1",
        "0x1.636b742e0af6ep-1",
        "0x1.77a861faf5857p-1",
        "0x1.4640a889eef76p-1",
        "0x1.4381a50b04e98p-2",
    ],
    "uniform float32": [
        "0x1.9862000000000p+0",
        "0x1.b8dfe40000000p+2",
        "0x1.060f9a0000000p+2",
        "0x1.1e17f20000000p+2",
        "0x1.c6d9900000000p+1",
        "0x1.00a7c80000000p-1",
    ],
    "uniform float64": [
        "0x1.986204eeca320p+0",
        "0x1.b8dfe5fa8377ep+2",
        "0x1.060f99f6ad053p+2",
        "0x1.1e17f45a038e7p+2",
        "0x1.c6d99047978b8p+1",
        "0x1.00a7cff457550p-1",
    ],
    "randn float32": [
        "-0x1.409efa0000000p-2",
        "-0x1.60eab00000000p+1",
        "0x1.6779ea0000000p+0",
        "-0x1.e82c5a0000000p-1",
        "-0x1.5812b60000000p-2",
        "-0x1.81a9e40000000p-1",
    ],
    "randn float64": [
        "-0x1.409eebda04652p-2",
        "-0x1.60eab0cdd7513p+1",
        "0x1.6779ec9a19ac5p+0",
        "-0x1.e82c4e7807ce4p-1",
        "-0x1.5812963cc7ddbp-2",
        "-0x1.81a9e44eec596p-1",
    ],
    "normal float32": [
        "0x1.75fb080000000p+1",
        "0x1.27c5540000000p+1",
        "0x1.acef3e0000000p+1",
        "0x1.617d3a0000000p+1",
        "0x1.753f6a0000000p+1",
        "0x1.67e5620000000p+1",
    ],
    "normal float64": [
        "0x1.75fb08a12fdcdp+1",
        "0x1.27c553cc8a2bbp+1",
        "0x1.acef3d9343359p+1",
        "0x1.617d3b187f832p+1",
        "0x1.753f6b4e19c11p+1",
        "0x1.67e561bb113a7p+1",
    ],
    "truncated_normal float32": [
        "-0x1.409efa0000000p-3",
        "-0x1.46708c0000000p-2",
        "0x1.6779ea0000000p-1",
        "-0x1.e82c5a0000000p-2",
        "-0x1.5812b60000000p-3",
        "-0x1.81a9e40000000p-2",
    ],
    "truncated_normal float64": [
        "-0x1.409eebda04652p-3",
        "-0x1.46708b2079cc3p-2",
        "0x1.6779ec9a19ac5p-1",
        "-0x1.e82c4e7807ce4p-2",
        "-0x1.5812963cc7ddbp-3",
        "-0x1.81a9e44eec596p-2",
    ],
    "bernoulli float32": ["0x0.0p+0", "0x0.0p+0", "0x0.0p+0", "0x0.0p+0", "0x0.0p+0", "0x0.0p+0"],
    "bernoulli float64": ["0x0.0p+0", "0x0.0p+0", "0x0.0p+0", "0x0.0p+0", "0x0.0p+0", "0x0.0p+0"],
    "randint float32": [428, 988, 692, 732, 635, 312],
    "randint float64": [428, 988, 692, 732, 635, 312],
    "permutation float32": [0, 5, 4, 2, 3, 1],
    "permutation float64": [0, 5, 4, 2, 3, 1],
}


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("key", FROZEN)
def test_seeds_mean_the_same_for_ever(key: str, isa: str) -> None:
    name, dtype = key.split()
    with running_on(isa):
        found = DRAWS[name](6, dtype, tg.Generator(2026)).numpy()
    assert [float(v).hex() for v in found] == FROZEN[key] if found.dtype.kind == "f" else found.tolist() == FROZEN[key]


def cut_normal(x: np.ndarray) -> np.ndarray:
    return stats.truncnorm.cdf(x, -2, 2, scale=0.5)


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize(
    ("name", "cdf"),
    [
        ("rand", stats.uniform.cdf),
        ("uniform", stats.uniform(-2.5, 9.5).cdf),
        ("randn", stats.norm.cdf),
        ("normal", stats.norm(3.0, 0.25).cdf),
        ("truncated_normal", cut_normal),
    ],
)
def test_distribution(name: str, cdf: Any, dtype: str) -> None:
    """Kolmogorov and Smirnov's test does not reject, nor does it for pairs of neighbours or of halves of a tile."""
    values = DRAWS[name](60_000, dtype, tg.Generator(42)).numpy().astype(np.float64)
    assert stats.kstest(values, cdf).pvalue > 1e-3
    levels = cdf(values)  # uniform if the distribution is right
    for lag in (1, 15, 16, 17, 32, 48, 64):
        # The mean of n products of independent uniform numbers less 1/2 has standard deviation 1 / (12 sqrt(n)).
        correlation = ((levels[lag:] - 0.5) * (levels[:-lag] - 0.5)).mean() * 12 * np.sqrt(len(levels) - lag)
        assert abs(correlation) < 4.5, (lag, correlation)


@pytest.mark.parametrize("dtype", FLOATING)
def test_moments_of_normal_numbers(dtype: str) -> None:
    """Mean, variance, skewness and kurtosis, each within 4.5 of its standard errors."""
    n = 200_000
    z = DRAWS["randn"](n, dtype, tg.Generator(1)).numpy().astype(np.float64)
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - expected) < 4.5 * np.sqrt(variance / n), power
    assert np.abs(z).max() < (5.8 if dtype == "float32" else 8.6)  # sqrt(2 ln 2^24), sqrt(2 ln 2^53)


@pytest.mark.parametrize("dtype", FLOATING)
def test_normal_numbers_agree_with_box_and_muller(dtype: str) -> None:
    """Against the transform in NumPy, of the same uniform numbers."""
    tile = 64 if dtype == "float32" else 32
    u = philox.uniform(8, 0, 4 * tile, dtype).astype(np.float64).reshape(-1, 2, tile // 2)
    radius = np.sqrt(-2 * np.log(1 - u[:, 0]))
    turn = 2 * np.pi * u[:, 1]
    expected = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1).reshape(-1)
    found = tg.randn(4 * tile, dtype, generator=tg.Generator(8)).numpy()
    # The angle is rounded once, then series, log (2 ulp, halved by the root), root and product: 4 of epsilon in all.
    epsilon = np.finfo(dtype).eps
    assert np.abs(found - expected).max() <= 4 * epsilon * radius.max()


def test_ranges() -> None:
    g = tg.Generator(0)
    for dtype in FLOATING:
        u = tg.uniform(1.0, 1.0 + 2**-22, 5000, dtype, generator=g).numpy()
        assert u.min() >= 1
        assert u.max() < 1 + 2**-22
        assert np.abs(tg.truncated_normal(3.0, 50_000, dtype=dtype, generator=g).numpy()).max() <= 6
    assert set(tg.randint(0, 256, 5000, "uint8", generator=g).tolist()) == set(range(256))
    whole = tg.randint(-(2**63), 2**63 - 1, 1000, generator=g).numpy()
    assert whole.min() < -(2**61)
    assert whole.max() > 2**61
    assert tg.randint(2**63 - 2, 2**63 - 1, 3, generator=g).tolist() == [2**63 - 2] * 3
    assert tg.uniform(2.0, 2.0, 3, generator=g).tolist() == [2.0] * 3


def test_integers_are_equally_likely() -> None:
    """Chi-squared, also of a range where taking the remainder would favour the lower third."""
    counts = np.bincount(tg.randint(0, 7, 70_000, generator=tg.Generator(2)).numpy(), minlength=7)
    assert stats.chisquare(counts).pvalue > 1e-3
    thirds = tg.randint(0, 3 * 2**61, 60_000, generator=tg.Generator(2)).numpy() >> 61
    assert stats.chisquare(np.bincount(thirds, minlength=3)).pvalue > 1e-3


def test_bernoulli() -> None:
    for p in (0.0, 2.0**-40, 0.3, 1 - 2.0**-40, 1.0):
        found = tg.bernoulli(p, 40_000, "uint8", generator=tg.Generator(6)).numpy()
        assert set(found.tolist()) <= {0, 1}
        assert abs(found.mean() - p) <= 4.5 * np.sqrt(p * (1 - p) / 40_000) + 2.0**-32


def test_bernoulli_of_a_mask() -> None:
    drawn = [tg.bernoulli(0.3, (7, 11), dtype, generator=tg.Generator(2)).tolist() for dtype in ("bool", "uint8")]
    assert drawn[0] == drawn[1]
    assert tg.bernoulli(1.0, 2, "bool").dtype == tg.bool_


@pytest.mark.parametrize("name", ["uniform_", "normal_", "bernoulli_"])
def test_a_broadcast_view_is_not_drawn_into(name: str) -> None:
    with pytest.raises(tg.ArgumentError, match=f"^{name[:-1]}: axis 0 of .* is a broadcast view"):
        getattr(tg.zeros((1, 3)).expand(2, 3), name)()


def test_permutation() -> None:
    for n in (0, 1, 2, 5, 1000):
        assert sorted(tg.permutation(n, generator=tg.Generator(1)).tolist()) == list(range(n))
    generator = tg.Generator(3)
    orders = [tuple(tg.permutation(4, generator=generator).tolist()) for _ in range(4800)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


def test_streams_seeds_and_forks_are_independent() -> None:
    n = 20_000
    sources = [tg.Generator(0), tg.Generator(1), tg.Generator(0, 1), tg.Generator(0).fork(0), tg.Generator(0).fork(1),
               tg.Generator(2**32), tg.Generator(1).fork(0)]  # fmt: skip
    draws = [tg.rand(n, "float64", generator=g).numpy() for g in sources]
    for i, a in enumerate(draws):
        for b in draws[:i]:
            assert not np.isin(a[:100], b).any()
            assert abs(((a - 0.5) * (b - 0.5)).mean() * 12 * np.sqrt(n)) < 4.5


def test_state_goes_on_with_every_draw_and_back() -> None:
    tg.manual_seed(9)
    first, second = tg.rand(5), tg.rand(5)
    assert first.tolist() != second.tolist()
    assert tg.default_generator.state() == (9, 2)
    tg.default_generator.set_state((9, 1))
    assert tg.rand(5).tolist() == second.tolist()
    tg.manual_seed(9)
    assert tg.rand(5).tolist() == first.tolist()
    generator = tg.Generator(4, 17)
    assert pickle.loads(pickle.dumps(generator)).state() == copy.deepcopy(generator).state() == (4, 17)
    assert repr(generator) == "Generator(seed=4, stream=17)"
    generator.set_state([2**63 - 1, 2**63 - 1])
    assert generator.state() == (2**63 - 1, 2**63 - 1)


def test_in_place() -> None:
    """Row-major whatever the strides, recorded as an overwriting, and refused for leaves."""
    plain = tg.normal(1.0, 2.0, (4, 5), generator=tg.Generator(3))
    turned = tg.zeros((5, 4)).permute(1, 0)
    assert turned.normal_(1.0, 2.0, generator=tg.Generator(3)).tolist() == plain.tolist()
    assert (
        tg.zeros(4).uniform_(2.0, 3.0, generator=tg.Generator(3)).tolist()
        == tg.uniform(2.0, 3.0, 4, generator=tg.Generator(3)).tolist()
    )
    x = tg.ones(3, requires_grad=True)
    y = x * 2.0
    y.uniform_()
    y.backward(tg.ones(3))
    assert x.grad is None or x.grad.tolist() == [0.0] * 3
    with pytest.raises(tg.AutogradError, match="normal_: a leaf tensor that requires a gradient"):
        x.normal_()
    with tg.no_grad():
        assert x.normal_().requires_grad


def test_draws_from_several_threads_take_different_streams() -> None:
    from concurrent.futures import ThreadPoolExecutor

    generator = tg.Generator(0)
    with ThreadPoolExecutor(4) as pool:
        draws = list(pool.map(lambda _: tuple(tg.rand(3000, generator=generator).tolist()), range(40)))
    assert len(set(draws)) == 40
    assert generator.state() == (0, 40)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tg.manual_seed(-1), tg.ArgumentError, "manual_seed: seed must be from 0 to 2**63 - 1, found -1"),
        (lambda: tg.manual_seed(2**63), tg.ArgumentError,
         f"manual_seed: seed must be from 0 to 2**63 - 1, found {2**63}"),
        (lambda: tg.Generator("a"), tg.ArgumentError, "Generator: seed must be an integer, found str"),
        (lambda: tg.Generator(0, -1), tg.ArgumentError, "Generator: stream must be from 0 to 2**63 - 1, found -1"),
        (lambda: tg.Generator(0).set_state(3), tg.ArgumentError,
         "Generator.set_state: expected (seed, stream), found 3"),
        (lambda: tg.rand(-1), tg.ShapeError, "rand: negative dimension in shape [-1]"),
        (lambda: tg.rand((2**40, 2**40)), tg.ArgumentError, "does not fit in 64 bits"),
        (lambda: tg.rand(2**70), tg.ArgumentError, "does not fit in 64 bits"),
        (lambda: tg.randn(2, device="gpu"), tg.DeviceError, "randn: device 'gpu' is none of"),
        (lambda: tg.normal(0, "1", 2), tg.DTypeError, "normal: std must be a number, found '1'"),
        (lambda: tg.rand(1.5), tg.ShapeError, "rand: shape must be an integer or a sequence of integers, found 1.5"),
        (lambda: tg.randn(3, 4), tg.ShapeError, "randn: the sizes are one argument: write randn((3, 4, ...))"),
        (lambda: tg.rand(2, "int64"), tg.DTypeError, "rand: dtype must be float32 or float64, found int64"),
        (lambda: tg.rand(2, generator=3), tg.ArgumentError, "generator must be a tg.Generator, found int"),
        (lambda: tg.uniform(1, 0, 2), tg.ArgumentError, "uniform: low must not be above high, found low 1 and high 0"),
        (lambda: tg.uniform(0, float("inf"), 2), tg.ArgumentError,
         "uniform: high must be finite in float32, found inf"),
        (lambda: tg.uniform(0, 1e39, 2), tg.ArgumentError, "uniform: high must be finite in float32, found 1e+39"),
        (lambda: tg.uniform(-3e38, 3e38, 2), tg.ArgumentError, "uniform: high - low must be finite"),
        (lambda: tg.normal(0, -1, 2), tg.ArgumentError, "normal: std must not be negative, found -1"),
        (lambda: tg.normal(float("nan"), 1, 2), tg.ArgumentError, "normal: mean must be finite in float32, found nan"),
        (lambda: tg.truncated_normal(-1, 2), tg.ArgumentError, "truncated_normal: std must not be negative, found -1"),
        (lambda: tg.randint(3, 3, 2), tg.ArgumentError, "randint: low must be below high, found low 3 and high 3"),
        (lambda: tg.randint(0, 257, 2, "uint8"), tg.ArgumentError,
         "randint: numbers from 0 to 256 do not fit in uint8"),
        (lambda: tg.randint(0, 2**63, 2), tg.ArgumentError, "randint: high must fit in 64 bits"),
        (lambda: tg.randint(0.5, 3, 2), tg.ArgumentError, "randint: low must be an integer, found float"),
        (lambda: tg.randint(0, 2, 2, "float32"), tg.DTypeError,
         "randint: dtype must be int64, int32 or uint8, found float32"),
        (lambda: tg.bernoulli(1.5, 2), tg.ArgumentError, "bernoulli: p must be a probability, from 0 to 1, found 1.5"),
        (lambda: tg.permutation(-1), tg.ArgumentError, "permutation: n must be from 0 to 2**63 - 1, found -1"),
        (lambda: tg.permutation(3, generator=3), tg.ArgumentError,
         "permutation: generator must be a tg.Generator, found int"),
        (lambda: tg.dropout(tg.ones(3), 0.5, True, generator=3), tg.ArgumentError,
         "dropout: generator must be a tg.Generator, found int"),
        (lambda: tg.scaled_dot_product_attention(*[tg.ones((1, 2, 4))] * 3, dropout_p=0.5, generator=3),
         tg.ArgumentError, "scaled_dot_product_attention: generator must be a tg.Generator, found int"),
    ],
)  # fmt: skip
def test_bad_arguments(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    """Refused with the argument and what was found; the generator stays where it was."""
    before = tg.default_generator.state()
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)
    assert tg.default_generator.state() == before
