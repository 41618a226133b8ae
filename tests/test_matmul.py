"""Matrix products: the order of their sums, independent rows, fused epilogues, every layout and path."""

from __future__ import annotations

import ctypes
import math

import numpy as np
import pytest

import tilegrad as tg

from .targets import AVAILABLE, ISAS, THREADS, running_on

DTYPES = ("float32", "float64")
LIBM = ctypes.CDLL("libm.so.6")
LIBM.fma.restype = ctypes.c_double
LIBM.fma.argtypes = [ctypes.c_double] * 3
LIBM.fmaf.restype = ctypes.c_float
LIBM.fmaf.argtypes = [ctypes.c_float] * 3


def tensor(rng: np.random.Generator, *shape: int, dtype: str = "float32") -> tg.Tensor:
    return tg.tensor(rng.normal(size=shape).astype(dtype))


def sum_in_the_documented_order(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Chunks of 512, or of what makes at most 32 of them; each one fma chain; added in ascending order."""
    K = len(a)
    chunk = 512 if K <= 16384 else math.ceil(math.ceil(K / 32) / 64) * 64
    fma = LIBM.fmaf if a.dtype == np.float32 else LIBM.fma
    total = a.dtype.type(0)
    for begin in range(0, K, chunk):
        chain = 0.0
        for x, y in zip(a[begin : begin + chunk].tolist(), b[begin : begin + chunk].tolist(), strict=True):
            chain = fma(x, y, chain)
        total = a.dtype.type(chain) if begin == 0 else total + a.dtype.type(chain)
    return np.asarray(total)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", [1, 5, 512, 513, 1024, 1300, 16384, 16385, 40000])
def test_the_order_of_the_sum_is_the_documented_one(K: int, dtype: str, isa: str) -> None:
    rng = np.random.default_rng(K)
    a, b = rng.normal(size=(2, K)).astype(dtype), rng.normal(size=(K, 3)).astype(dtype)
    with running_on(isa):
        found = tg.matmul(tg.tensor(a), tg.tensor(b)).numpy()
        row = tg.matmul(tg.tensor(a[1]), tg.tensor(b)).numpy()
        column = tg.matmul(tg.tensor(a), tg.tensor(b[:, 2].copy())).numpy()
    assert found[1, 2] == row[2] == column[1] == sum_in_the_documented_order(a[1], b[:, 2])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("K", "N"), [(3, 5), (64, 10), (600, 33), (784, 128), (1100, 1), (20000, 4)])
def test_a_row_has_the_same_bits_alone_and_in_any_batch(K: int, N: int, dtype: str) -> None:
    rng = np.random.default_rng(K)
    x, w, b = tensor(rng, 256, K, dtype=dtype), tensor(rng, K, N, dtype=dtype), tensor(rng, N, dtype=dtype)
    whole = tg.linear(x, w, b, activation="gelu").numpy()
    for batch in (1, 7, 256):
        for first in (0, 100):
            part = tg.linear(tg.tensor(x.numpy()[first : first + batch]), w, b, activation="gelu").numpy()
            assert part.tobytes() == whole[first : first + batch].tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "gelu"])
def test_a_fused_activation_has_the_bits_of_the_separate_op(activation: str, dtype: str, isa: str) -> None:
    rng = np.random.default_rng(0)
    with running_on(isa):
        for M, N, K in [
            (1, 1, 1),
            (1, 40, 7),
            (40, 1, 7),
            (5, 17, 9),
            (30, 70, 33),
            (64, 100, 600),
            (3, 5, 20000),
            (45, 5, 40),
            (64, 10, 600),
            (16, 43, 60),
        ]:
            x, w = tensor(rng, M, K, dtype=dtype), tensor(rng, K, N, dtype=dtype)
            b = tensor(rng, N, dtype=dtype)
            separate = getattr(tg, activation)(tg.matmul(x, w) + b)
            for weights in (w, tg.from_numpy(np.asfortranarray(w.numpy()))):
                for bias in (b, tg.from_numpy(np.repeat(b.numpy(), 2)[::2])):
                    fused = tg.linear(x, weights, bias, activation=activation)
                    assert fused.numpy().tobytes() == separate.numpy().tobytes(), (M, N, K)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_layout_and_path_has_the_same_bits(dtype: str) -> None:
    """Sizes at the edges of tiles, panels and blocks, operands as they lie, transposed, padded and backwards."""
    rng = np.random.default_rng(2)
    sizes = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 15, 16, 17, 33, 48, 65, 112, 121, 250]
    for case in range(90):
        M, N = (int(v) for v in rng.choice(sizes, 2))
        K = int(rng.choice([1, 3, 16, 31, 64, 130, 513]))
        a, b = rng.normal(size=(M, K)).astype(dtype), rng.normal(size=(K, N)).astype(dtype)
        expected = tg.matmul(tg.tensor(a), tg.tensor(b)).numpy()
        assert np.allclose(expected, a.astype(np.float64) @ b, rtol=1e-4, atol=1e-4)
        padded = np.zeros((2 * M, K + 5), dtype)[::2, 2 : K + 2]
        padded[...] = a
        wide = np.zeros((K, N + 9), dtype)[:, 3 : N + 3]
        wide[...] = b
        for left in (a, np.asfortranarray(a), padded, a[::-1].copy()[::-1]):
            for right in (b, np.asfortranarray(b), wide, b[:, ::-1].copy()[:, ::-1]):
                isa, threads = AVAILABLE[case % len(AVAILABLE)], THREADS[case % len(THREADS)]
                with running_on(isa, threads):
                    found = tg.matmul(tg.from_numpy(left), tg.from_numpy(right)).numpy()
                assert found.tobytes() == expected.tobytes(), (M, N, K, left.strides, right.strides, isa, threads)


@pytest.mark.parametrize("dtype", DTYPES)
def test_operands_beyond_the_caches_have_the_same_bits(dtype: str) -> None:
    """What is fetched ahead: rows of A, blocks of long sums, panels of B; rows that crowd the cache; few rows."""
    rng = np.random.default_rng(4)
    isas = [isa for isa in AVAILABLE if isa != "generic"] or AVAILABLE
    for M, N, K in [
        (1500, 40, 100),
        (70, 50, 40000),
        (70, 512, 20000),
        (20, 1000, 150),
        (130, 600, 530),
        (29, 150, 64),
        (64, 450, 1100),
        (32, 1500, 520),
    ]:
        a, b = rng.normal(size=(M, K)).astype(dtype), rng.normal(size=(K, N)).astype(dtype)
        apart = np.zeros((M, max(4096, K + 3)), dtype)[:, 3 : K + 3]
        apart[...] = a
        with running_on(isas[0], 1):
            expected = tg.matmul(tg.tensor(a), tg.tensor(b)).numpy()
        assert np.allclose(expected, a.astype(np.float64) @ b, rtol=1e-4, atol=5e-3)
        for left in (a, np.asfortranarray(a), apart):
            for right in (b, np.asfortranarray(b)):
                for isa in isas:
                    for threads in (1, 3):
                        with running_on(isa, threads):
                            found = tg.matmul(tg.from_numpy(left), tg.from_numpy(right)).numpy()
                        assert found.tobytes() == expected.tobytes(), (
                            M,
                            N,
                            K,
                            left.strides,
                            right.strides,
                            isa,
                            threads,
                        )


@pytest.mark.parametrize("isa", ISAS)
def test_large_products_cross_every_block(isa: str) -> None:
    """More columns, rows and terms than one cache block holds, and sums long enough to be computed apart."""
    rng = np.random.default_rng(3)
    shapes = [(130, 1100, 520), (20, 30, 17000)] if isa == "generic" else [(300, 1300, 1100), (40, 60, 40000)]
    with running_on(isa):
        for M, N, K in shapes:
            a, b = tensor(rng, M, K), tensor(rng, K, N)
            expected = a.numpy().astype(np.float64) @ b.numpy()
            bound = 2.0**-23 * 700 * (np.abs(a.numpy()).astype(np.float64) @ np.abs(b.numpy()))
            results = []
            for threads in (1, 2, 3):
                with running_on(isa, threads):
                    results.append(tg.matmul(a, b).numpy())
            assert (np.abs(results[0] - expected) <= bound).all()
            assert all(r.tobytes() == results[0].tobytes() for r in results)


def test_nan_and_infinity_follow_ieee() -> None:
    a = tg.tensor([[np.inf, 1.0], [np.nan, 2.0], [-np.inf, 1.0]])
    b = tg.tensor([[1.0, 0.0], [2.0, 3.0]])
    found = tg.matmul(a, b).numpy()
    assert found[0, 0] == np.inf
    assert found[2, 0] == -np.inf
    assert np.isnan(found[[0, 1, 1, 2], [1, 0, 1, 1]]).all()


def test_a_broadcast_operand_is_read_without_a_copy() -> None:
    """An operand that stride 0 stretches to more elements than memory holds."""
    a = tg.broadcast_to(tg.ones((1, 4)), (3, 4))
    b = tg.broadcast_to(tg.full((1,), 2.0), (4, 5))
    assert (tg.matmul(a, b).numpy() == 8).all()
    batch = tg.broadcast_to(tg.ones((1, 2, 3)), (5, 2, 3))
    assert (tg.matmul(batch, tg.ones((3, 4))).numpy() == 3).all()


def test_sizes_that_do_not_fit_are_refused() -> None:
    column = tg.broadcast_to(tg.ones((1, 1)), (2**40, 1))
    with pytest.raises(tg.ArgumentError, match=r"does not fit in 64 bits"):
        tg.matmul(column, tg.permute(column, (1, 0)))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", [1, 3, 7, 13, 300, 512, 517, 1024, 1100, 1536, 2048, 3072])
def test_one_vector_times_long_rows_has_the_same_bits_wherever_they_begin(K: int, dtype: str, isa: str) -> None:
    """Two chunks or two groups of rows at a time, in blocks that fit cache lines; infinities, zeros at the edges."""
    rng = np.random.default_rng(K)
    for case, (rows, shift, padding) in enumerate(
        [(32, 0, 0), (41, 4, 0), (75, 2, 0), (37, 12, 16), (33, 3, 1), (64, 1, 8)]
    ):
        w = np.frombuffer(bytearray(64 + 8 * (rows * (K + padding) + shift)), dtype)
        start = -w.ctypes.data % 64 // w.itemsize + shift  # elements behind a cache line
        w = w[start : start + rows * (K + padding)].reshape(rows, K + padding)[:, :K]
        w[...] = rng.normal(size=w.shape)
        w[5, np.array([0, 3, 4, 511, 512, K - 1]) % K], w[7, (K - 4) % K], w[9, 508 % K] = 0.0, np.inf, np.nan
        x, b = rng.normal(size=K).astype(dtype), rng.normal(size=rows).astype(dtype)
        x[:8] = -0.0
        with np.errstate(invalid="ignore"):
            expected = tg.linear(tg.tensor(x), tg.tensor(w.T.copy()), tg.tensor(b), activation="relu").numpy()
        with running_on(isa, THREADS[case % len(THREADS)]):
            row = tg.linear(tg.from_numpy(x), tg.from_numpy(w.T), tg.from_numpy(b), activation="relu").numpy()
            column = tg.matmul(tg.from_numpy(w), tg.from_numpy(x[:, None])).numpy()
        assert row.tobytes() == expected.tobytes(), (rows, shift, padding)
        assert column.tobytes() == tg.matmul(tg.tensor(x), tg.tensor(w.T.copy())).numpy().tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("K", "N"), [(1024, 260), (1000, 300), (2048, 2100), (20000, 30), (1024, 4200), (700, 4200)])
def test_the_chunks_of_one_vector_are_added_in_order_by_any_team(K: int, N: int, dtype: str, isa: str) -> None:
    rng = np.random.default_rng(5)
    x, w, bias = tensor(rng, 3, K, dtype=dtype), tensor(rng, K, N, dtype=dtype), tensor(rng, N, dtype=dtype)
    with running_on(isa, 1):
        product, layer = tg.matmul(x, w).numpy(), tg.linear(x, w, bias, activation="relu").numpy()
    for threads in (1, 2, 4):
        with running_on(isa, threads):
            row = tg.linear(x[:1], w, bias, activation="relu").numpy()
            column = tg.matmul(tg.transpose(w), x[1]).numpy()
            batch = tg.matmul(tg.reshape(x, (3, 1, K)), tg.stack([w] * 3)).numpy()
        assert row.tobytes() == layer[:1].tobytes(), threads
        assert column.tobytes() == product[1].tobytes(), threads
        assert batch[:, 0].tobytes() == product.tobytes(), threads


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("M", "N", "K"), [(64, 64, 64), (65, 70, 63), (96, 20, 130)])
def test_a_product_of_a_batch_has_the_bits_that_it_has_alone(M: int, N: int, K: int, dtype: str, isa: str) -> None:
    """Beside the next one's operands, which a member fetches: dense, transposed, rows apart, flipped, shared."""
    rng = np.random.default_rng(9)
    a, b = tensor(rng, 3, 7, M, K, dtype=dtype), tensor(rng, 3, 7, K, N, dtype=dtype)
    apart = tensor(rng, 3, M, 7, K, dtype=dtype)
    lefts = [
        a,
        tg.permute(tensor(rng, 3, 7, K, M, dtype=dtype), (0, 1, 3, 2)),
        tg.permute(apart, (0, 2, 1, 3)),
        tg.flip(a, (2, 3)),
        tg.broadcast_to(a[:, :1], (3, 7, M, K)),
        tensor(rng, 3, 7, M, 2 * K, dtype=dtype)[:, :, :, ::2],
    ]
    rights = [b, tg.permute(tensor(rng, 3, 7, N, K, dtype=dtype), (0, 1, 3, 2)), tg.broadcast_to(b[:1], (3, 7, K, N))]
    for left, right in [(x, b) for x in lefts] + [(a, x) for x in rights]:
        with running_on(isa, 1):
            alone = [tg.matmul(left[i, j], right[i, j]).numpy() for i in range(3) for j in range(7)]
        for threads in (1, 2, 3):
            with running_on(isa, threads):
                batch = tg.matmul(left, right).numpy()
            assert batch.tobytes() == b"".join(x.tobytes() for x in alone), threads
