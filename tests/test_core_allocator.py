"""The caching allocator: size classes, reuse, statistics, trim, alignment, and what happens without memory."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import numpy as np
import pytest

import tilegrad as tg

from .processes import SANITIZED, run_python

UNIT, STAGGER = 2**16, 2**12


def in_use() -> int:
    return tg.memory_stats()["bytes_in_use"]


@pytest.fixture(autouse=True)
def _clean_cache() -> Iterator[None]:
    gc.collect()  # what other tests left in cycles must not be let go in the middle of these
    gc.disable()
    tg.empty_cache()
    yield
    gc.enable()


def expected_class(bytes_asked: int) -> int:
    """Four sizes an octave, in whole cache lines; from 1 MiB on units of 64 KiB, into which a block begins up to 4 KiB.

    The rule, stated once more.
    """
    if bytes_asked <= 64:
        return 64
    if bytes_asked >= 2**20:
        return -(-(bytes_asked + STAGGER) // UNIT) * UNIT
    octave = 64
    while octave * 2 < bytes_asked:
        octave *= 2
    sizes = [octave + octave * quarter // 4 for quarter in (1, 2, 3, 4)]
    return -(-next(size for size in sizes if size >= bytes_asked) // 64) * 64


SIZES = [0, 1, 63, 64, 65, 80, 81, 127, 128, 129, 160, 161, 192, 255, 256, 257, 320, 321, 1000, 1024, 1025, 4095, 4096]
SIZES += [4097, 5120, 5121, 2**20 - 1, 2**20, 2**20 + 1, 2**21 - 1, 2**21, 2**21 + 1, 5 * 2**20 + 7, 2**24 + 2**22 + 1]


@pytest.mark.parametrize("size", SIZES)
def test_size_class(size: int) -> None:
    before = in_use()
    x = tg.empty(size, dtype="uint8")
    assert in_use() - before == expected_class(size)
    del x
    assert in_use() == before
    assert tg.memory_stats()["bytes_cached"] >= expected_class(size)


def test_rounding_loses_at_most_a_quarter_and_a_line() -> None:
    before = in_use()
    for size in range(1, 5000, 7):
        x = tg.empty(size, dtype="uint8")
        assert size <= in_use() - before < size * 1.25 + 64
        assert x.size == size
        del x


@pytest.mark.parametrize("size", [1, 100, 4096, 2**20, 2**21, 2**22 + 5])
def test_alignment(size: int) -> None:
    tensors = [tg.empty(size, dtype="uint8") for _ in range(3)]
    for x in tensors:
        assert x.data_ptr() % 64 == 0


@pytest.mark.parametrize("size", [2**20, 2**20 + 2**19, 2**21, 4 * 10**6, 2**22, 2**23, 2**25])
def test_neighbours_begin_in_different_places_of_the_l1_cache(size: int) -> None:
    tensors = [tg.empty(size, dtype="uint8") for _ in range(4)]
    addresses = [x.data_ptr() for x in tensors]
    assert all(address % UNIT < STAGGER for address in addresses)
    units = -(-(size + STAGGER) // UNIT)
    for i, one in enumerate(addresses):
        for other in addresses[:i]:
            blocks, rest = divmod(abs(one // UNIT - other // UNIT), units)
            if rest == 0 and blocks <= 3:  # others are no neighbours: they lie where earlier tests left room
                assert (one - other) % STAGGER != 0


def test_freed_block_is_used_again() -> None:
    x = tg.empty(1000, dtype="uint8")
    address = x.data_ptr()
    del x
    hits = tg.memory_stats()["cache_hits"]
    y = tg.empty(1020, dtype="uint8")  # of the same class
    assert y.data_ptr() == address
    assert tg.memory_stats()["cache_hits"] == hits + 1
    z = tg.empty(1000, dtype="uint8")  # y still has it
    assert z.data_ptr() != address


def total() -> int:
    stats = tg.memory_stats()
    return stats["bytes_in_use"] + stats["bytes_cached"]


MIB = 2**20


def test_large_blocks_are_cut_and_grow_together() -> None:
    """Blocks of other sizes take the place of a large one, and it theirs: the system is not asked a second time."""
    one = tg.empty(20 * MIB, dtype="uint8")
    largest = total()
    del one
    pieces = [tg.full((size * MIB + 1,), number, dtype="uint8") for number, size in enumerate((1, 9, 3, 5))]
    assert total() - largest < MIB  # the numbers that they were filled with
    for number, piece in enumerate(pieces):
        assert (piece.numpy() == number).all()
    del piece, pieces[1], pieces[0], pieces
    again = tg.empty(20 * MIB, dtype="uint8")
    assert total() - largest < MIB
    again.fill_(7)


def test_a_hole_between_blocks_in_use_is_filled() -> None:
    tg.empty_cache()  # so that no other range is free
    first, hole, last = (tg.full((4 * MIB - STAGGER,), number, dtype="uint8") for number in range(3))
    address, before = hole.data_ptr(), total()
    del hole
    smaller = tg.full((2 * MIB - STAGGER,), 3, dtype="uint8")
    assert smaller.data_ptr() // UNIT * UNIT == address // UNIT * UNIT + 2 * MIB, (
        "the highest range that holds it, at its end"
    )
    rest = tg.full((2 * MIB - STAGGER,), 4, dtype="uint8")
    assert rest.data_ptr() == address
    assert total() == before
    for number, block in ((0, first), (2, last), (3, smaller), (4, rest)):
        assert (block.numpy() == number).all()


def test_large_blocks_never_overlap() -> None:
    """Drawn sizes and lifetimes: what was written into each block stays there, and the books are right."""
    rng = np.random.default_rng(0)
    alive: list[tuple[int, tg.Tensor]] = []
    before = in_use()
    for number in range(200):
        if alive and rng.random() < 0.5:
            value, block = alive.pop(int(rng.integers(len(alive))))
            assert (block.numpy() == value).all()
            del block
        else:
            alive.append((number % 251, tg.full((int(rng.integers(MIB // 2, 3 * MIB)),), number % 251, dtype="uint8")))
        assert in_use() - before == sum(expected_class(block.size) for _, block in alive)
    for value, block in alive:
        assert (block.numpy() == value).all()


def test_block_lives_as_long_as_a_view_of_it() -> None:
    before = in_use()
    x = tg.zeros((100, 100))
    view = x.reshape(-1)
    array = x.numpy()
    del x
    assert in_use() > before
    del view
    assert in_use() > before
    assert array.sum() == 0
    del array
    assert in_use() == before


def test_statistics() -> None:
    tg.reset_peak_memory()
    start = tg.memory_stats()
    assert start["peak_bytes_in_use"] == start["bytes_in_use"]
    x, y = tg.empty(2**16, dtype="uint8"), tg.empty(2**17, dtype="uint8")
    stats = tg.memory_stats()
    assert stats["bytes_in_use"] == start["bytes_in_use"] + 2**16 + 2**17
    assert stats["allocations"] == start["allocations"] + 2
    del x, y
    after = tg.memory_stats()
    assert after["bytes_in_use"] == start["bytes_in_use"]
    assert after["bytes_cached"] == start["bytes_cached"] + 2**16 + 2**17
    assert after["peak_bytes_in_use"] == start["bytes_in_use"] + 2**16 + 2**17
    tg.reset_peak_memory()
    assert tg.memory_stats()["peak_bytes_in_use"] == start["bytes_in_use"]


def test_trim_gives_everything_back() -> None:
    tensors = [tg.empty(size, dtype="uint8") for size in SIZES]
    del tensors
    assert tg.memory_stats()["bytes_cached"] > 0
    tg.empty_cache()
    assert tg.memory_stats()["bytes_cached"] == 0
    assert tg.ones(3).tolist() == [1, 1, 1]


HUGE = [
    ((2**62,), "uint8", MemoryError),
    ((2**50,), "uint8", MemoryError),
    ((2**61, 2), "float32", tg.ArgumentError),
    ((2**40, 2**40), "uint8", tg.ArgumentError),
    ((2**40, 2**40, 0), "uint8", tg.ArgumentError),
    ((sys.maxsize,), "float64", tg.ArgumentError),
    ((2**64,), "uint8", tg.ArgumentError),
    ((-1,), "float32", tg.ShapeError),
]


@pytest.mark.parametrize(("shape", "dtype", "error"), HUGE)
def test_huge_size_is_refused_before_allocation(shape: tuple[int, ...], dtype: str, error: type[Exception]) -> None:
    before = tg.memory_stats()
    for make in (tg.empty, tg.zeros, tg.ones):
        with pytest.raises(error):
            make(shape, dtype=dtype)
    after = tg.memory_stats()
    assert after["bytes_in_use"] == before["bytes_in_use"]
    assert after["peak_bytes_in_use"] == before["peak_bytes_in_use"]
    assert tg.ones(3).tolist() == [1, 1, 1]


@pytest.mark.skipif(SANITIZED or sys.platform != "linux", reason="needs a limit on address space")
def test_out_of_memory_raises_and_leaves_all_usable() -> None:
    """A process that may have 300 MiB more: the request fails, the cache is given back, and work goes on."""
    run_python(
        """
        import resource
        import numpy as np
        import tilegrad as tg

        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 300 * 2**20, -1))
        kept = tg.tensor(np.arange(1000, dtype=np.float32))
        held = [tg.empty((10, 200_000)) for _ in range(4)], tg.empty(3_000_000, dtype="uint8")
        del held[0][1]
        before = tg.memory_stats()
        for _ in range(3):
            try:
                tg.empty(2**30, dtype="uint8")
            except MemoryError as error:
                assert "1073741824 bytes" in str(error), error
                holders = "most is held by 3 of float32 [10, 200000] (24.0 MB), 1 of uint8 [3000000] (3.0 MB)"
                assert holders in str(error), error
            else:
                raise AssertionError("got memory that is not there")
        after = tg.memory_stats()
        assert after["bytes_in_use"] == before["bytes_in_use"]
        assert (kept + kept).numpy().tolist() == list(range(0, 2000, 2))

        # 150 MiB in the cache, then a block that fits only without it.
        x = tg.empty(150 * 2**20, dtype="uint8")
        del x
        assert tg.memory_stats()["bytes_cached"] >= 150 * 2**20
        y = tg.empty(220 * 2**20 - 4096, dtype="uint8")
        assert tg.memory_stats()["bytes_cached"] < 2**20
        y.numpy()[-1] = 7
        assert y.numpy()[-1] == 7
        """
    )


def test_cached_blocks_of_several_threads() -> None:
    """Tensors made in one thread and dropped in another keep the books right."""
    from concurrent.futures import ThreadPoolExecutor

    before = in_use()

    def make(seed: int) -> tg.Tensor:
        total = tg.zeros(64)
        for i in range(50):
            total = total + tg.full((64,), float(seed + i))
        return total

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(make, range(8)))
    for seed, result in enumerate(results):
        np.testing.assert_array_equal(result.numpy(), np.full(64, 50 * seed + 1225, np.float32))
    del result, results
    assert in_use() == before
