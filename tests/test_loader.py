"""The loader: batches ahead of their use, where it is and goes on, streams, and how it ends."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import data
from tilegrad.data import transforms as T


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("tilegrad-loader")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    gc.collect()
    assert threads() == []


IMAGES = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3)).astype(np.uint8)
LABELS = np.arange(50) % 10
AUGMENT = T.Compose([T.RandomCrop(8, padding=2), T.RandomHorizontalFlip(), T.ToFloat()])


class Pictures:
    """The same data as single samples, some of which take longer than others."""

    def __len__(self) -> int:
        return 50

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index % 7 == 0:
            time.sleep(0.001)
        return IMAGES[index], LABELS[index]


def content(batches: Any) -> list[bytes]:
    return [b"".join(np.ascontiguousarray(part.numpy()).tobytes() for part in batch) for batch in batches]


def stream() -> Iterator[Any]:
    yield from zip(IMAGES, LABELS, strict=True)


def test_batches_do_not_depend_on_threads_prefetch_or_the_kind_of_data_set() -> None:
    options: dict[str, Any] = {"batch_size": 8, "shuffle": True, "seed": 3, "transform": AUGMENT}
    plain = data.DataLoader((IMAGES, LABELS), prefetch=0, **options)
    expected = [content(plain), content(plain)]
    assert expected[0] != expected[1]
    frozen = IMAGES.copy()
    frozen.flags.writeable = False
    for source in ((IMAGES, LABELS), (frozen, LABELS), (IMAGES[::-1][::-1], LABELS), Pictures()):
        for ahead, workers in ((0, 1), (1, 1), (2, 1), (5, 3), (1, 4)):
            loader = data.DataLoader(source, prefetch=ahead, workers=workers, **options)
            assert [content(loader), content(loader)] == expected, (source, ahead, workers)


def test_a_sample_is_the_same_in_batches_of_any_size() -> None:
    def rows(size: int) -> np.ndarray:
        loader = data.DataLoader((IMAGES, LABELS), size, shuffle=True, seed=1, transform=AUGMENT)
        return np.concatenate([x.numpy() for x, _ in loader])

    assert np.array_equal(rows(7), rows(50))


def test_transforms_of_every_form_of_batch() -> None:
    expected = AUGMENT(IMAGES, samples=np.arange(50)).numpy()
    for source, images in ((IMAGES, lambda b: b), ({"x": IMAGES, "y": LABELS}, lambda b: b["x"]),
                           ((IMAGES,), lambda b: b[0])):  # fmt: skip
        loader = data.DataLoader(source, 16, transform=AUGMENT)
        assert np.array_equal(np.concatenate([images(b).numpy() for b in loader]), expected)
    mixed = data.DataLoader({"x": IMAGES, "y": LABELS}, 10, transform=T.Compose([AUGMENT, T.Mixup(classes=10)]))
    assert {b["y"].shape for b in mixed} == {(10, 10)}
    function = data.DataLoader((IMAGES, LABELS), 10, transform=lambda batch: batch[1] * 2)
    assert [b.tolist() for b in function][1] == [2 * (i % 10) for i in range(10, 20)]
    with pytest.raises(tg.DTypeError, match="images must be uint8 or float32, found int64"):
        list(data.DataLoader(LABELS.reshape(-1, 1, 1, 1), transform=AUGMENT))


def test_at_most_so_many_batches_are_made_ahead() -> None:
    made: list[int] = []

    class Counting(Pictures):
        def __getitem__(self, index: int) -> Any:
            made.append(index)
            return index

    for ahead, workers in ((1, 1), (3, 1), (2, 2)):
        made.clear()
        batches = iter(data.DataLoader(Counting(), 2, prefetch=ahead, workers=workers))
        for taken in range(1, 4):
            next(batches)
            time.sleep(0.02)
            assert 2 * taken <= len(made) <= 2 * (taken + ahead)
        del batches


def test_arrays_without_a_transform_need_no_thread() -> None:
    batches = iter(data.DataLoader((IMAGES, LABELS), 4))
    next(batches)
    assert threads() == []


# Where it is.


@pytest.mark.parametrize("kind", ["arrays", "dataset", "stream"])
@pytest.mark.parametrize("ahead", [0, 3])
def test_restoring_goes_on_with_the_next_batch(kind: str, ahead: int) -> None:
    source: Any = {"arrays": (IMAGES, LABELS), "dataset": Pictures(), "stream": data.from_generator(stream, 50)}[kind]

    def loader() -> data.DataLoader:
        buffer = 16 if kind == "stream" else None
        return data.DataLoader(source, 8, True, seed=2, transform=AUGMENT, prefetch=ahead, buffer_size=buffer)

    whole = loader()
    expected = [content(whole), content(whole), content(whole)]
    assert len(expected[0]) == len(whole) == 7
    for batch in (0, 1, 5, 7):
        running = loader()
        assert running.state() == {"epoch": 0, "batch": 0}
        content(running)
        assert running.state() == {"epoch": 1, "batch": 0}
        batches = iter(running)
        found = [content([next(batches)])[0] for _ in range(batch)]
        state = running.state()
        assert state == {"epoch": 1, "batch": batch}
        again = loader()
        again.restore(state)
        assert again.state() == state
        assert found + content(again) == expected[1]
        assert content(again) == expected[2]
        del batches
    jumped = loader()
    jumped.restore({"epoch": 1, "batch": 3})
    jumped.set_epoch(2)
    assert jumped.state() == {"epoch": 2, "batch": 0}


def test_an_older_iteration_does_not_move_the_state() -> None:
    loader = data.DataLoader(np.arange(10), 2)
    old = iter(loader)
    next(old)
    new = iter(loader)
    next(old)
    assert loader.state() == {"epoch": 1, "batch": 0}
    next(new)
    assert loader.state() == {"epoch": 1, "batch": 1}


@pytest.mark.parametrize("state", [None, {}, {"epoch": 0}, {"epoch": -1, "batch": 0}, {"epoch": 0, "batch": 6}])
def test_states_that_are_refused(state: Any) -> None:
    with pytest.raises(tg.ArgumentError, match=r"DataLoader.restore: "):
        data.DataLoader(np.arange(10), 2).restore(state)


# Streams.


def test_streams() -> None:
    loader = data.DataLoader(data.from_generator(stream), 16)
    assert [len(y) for _, y in loader] == [16, 16, 16, 2]
    assert content(loader) == content(data.DataLoader((IMAGES, LABELS), 16))
    assert [len(y) for _, y in data.DataLoader(data.from_generator(stream), 16, drop_last=True)] == [16, 16, 16]
    assert list(data.DataLoader(data.from_generator(list), 4)) == []
    with pytest.raises(TypeError, match=r"from_generator\(stream\) does not say how many samples it has"):
        len(loader)
    assert len(data.DataLoader(data.from_generator(stream, length=50), 16)) == 4

    class Lines:
        def __iter__(self) -> Iterator[int]:
            return iter(range(5))

    assert isinstance(Lines(), data.IterableDataset)
    assert [b.tolist() for b in data.DataLoader(Lines(), 3)] == [[0, 1, 2], [3, 4]]
    with pytest.raises(tg.ArgumentError, match="a generator can be read only once; give from_generator"):
        data.DataLoader(stream())
    with pytest.raises(tg.ArgumentError, match="expected a function that returns an iterable, found generator"):
        data.from_generator(stream())  # type: ignore[arg-type]
    with pytest.raises(tg.ArgumentError, match="length must be a number from 0 up or None"):
        data.from_generator(stream, -1)


@pytest.mark.parametrize("buffer", [1, 2, 7, 100])
def test_a_buffer_shuffles(buffer: int) -> None:
    def epoch(number: int, seed: int = 4) -> list[int]:
        return list(data.shuffled_through(range(60), buffer, seed, number))

    order = epoch(0)
    assert sorted(order) == list(range(60))
    assert all(item < place + buffer for place, item in enumerate(order))  # it was read by then
    assert (order == list(range(60))) == (buffer == 1)
    assert epoch(0) == order
    if buffer > 1:
        assert order != epoch(1) != epoch(1, seed=5)
    loader = data.DataLoader(np.arange(60), 60, shuffle=True, seed=4, buffer_size=buffer)
    assert next(iter(loader)).tolist() == order


def test_a_whole_buffer_makes_all_orders_equally_likely() -> None:
    counts = np.zeros((4, 4))
    for epoch in range(2000):
        for place, item in enumerate(data.shuffled_through(range(4), 4, 0, epoch)):
            counts[place, item] += 1
    assert (np.abs(counts - 500) < 5 * np.sqrt(2000 * 3 / 16)).all()


@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_a_buffer_has_a_positive_size(size: Any) -> None:
    with pytest.raises(tg.ArgumentError, match=f"size must be a positive integer, found {size}"):
        data.shuffled_through(range(4), size, 0, 0)


# What goes wrong.


class Faulty:
    """Sample 13 raises."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Any:
        if index == 13:
            raise KeyError("thirteen")
        return np.zeros(3 if index < 17 else 4)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(20))

    def __repr__(self) -> str:
        return "Faulty()"


@pytest.mark.parametrize(("ahead", "workers"), [(0, 1), (2, 1), (4, 3)])
def test_an_exception_names_the_sample_and_ends_the_threads(ahead: int, workers: int) -> None:
    loader = data.DataLoader(Faulty(), 4, prefetch=ahead, workers=workers)
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    with pytest.raises(tg.DataError, match=r"sample 13 of Faulty\(\) raised KeyError: 'thirteen'") as caught:
        next(batches)
    assert isinstance(caught.value.__cause__, KeyError)
    assert threads() == []
    if ahead:
        assert list(batches) == []
    with pytest.raises(tg.DataError, match="sample 13 of from_generator"):
        list(data.DataLoader(data.from_generator(lambda: iter(Faulty())), 4, prefetch=ahead))


def of_samples(*samples: Any) -> Any:
    return list(data.DataLoader(data.from_generator(lambda: samples), len(samples)))


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ((np.zeros(2), np.zeros(2), np.zeros(3)), tg.ShapeError, r"sample 2 has shape \[3\], but sample 0 has"),
        (((1, np.zeros(2)), (1, np.zeros((2, 1)))), tg.ShapeError, r"sample 1\[1\] has shape \[2, 1\], but"),
        (({"a": 1.0}, {"b": 1.0}), tg.ShapeError, r"sample 1 has keys \['b'\], but sample 0 has \['a'\]"),
        (({"a": [1, 2]}, {"a": [1]}), tg.ShapeError, r"sample 1\['a'\] has parts 1, but sample 0\['a'\] has 2"),
        (((1, 2), 3), tg.ShapeError, "sample 1 has parts int, but sample 0 has 2"),
        (({"a": 1}, 3), tg.ShapeError, "sample 1 has keys int"),
        ((1, 2.0), tg.DTypeError, "sample 1 has dtype float64, but sample 0 has int64"),
        ((np.float32(1), np.float64(1)), tg.DTypeError, "sample 1 has dtype float64, but sample 0 has float32"),
        ((1, "two"), tg.DTypeError, "sample 1 is str, expected numbers, booleans or an array"),
        ((None, None), tg.DTypeError, "sample 0 is NoneType"),
    ],
)  # fmt: skip
def test_samples_that_do_not_fit_each_other(samples: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        of_samples(*samples)


def test_collate_keeps_the_dtype_of_numpys_numbers() -> None:
    numbers = np.arange(3.0)  # whose elements are floats to Python, too
    x, y = data.collate([(numbers, numbers[1]), (numbers, numbers[2])])
    assert (x.dtype, y.dtype) == (tg.float64, tg.float64)
    assert data.collate([np.float32(1), np.float32(2)]).dtype == tg.float32


def test_collate() -> None:
    x, more = data.collate([(1.0, {"n": 2, "t": tg.ones(2)}), (3.0, {"n": 4, "t": tg.zeros(2)})])
    assert (x.dtype, more["n"].dtype, more["t"].shape) == ("float32", "int64", (2, 2))
    with pytest.raises(tg.ShapeError, match="at least one sample"):
        data.collate([])
    loader = data.DataLoader(Pictures(), 10, collate=lambda samples: sum(int(y) for _, y in samples))
    assert list(loader) == [45] * 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prefetch": -1}, "prefetch must be an integer from 0 to 1024, found -1"),
        ({"workers": 1.5}, "workers must be an integer from 0 to 1024, found 1.5"),
        ({"buffer_size": 0, "shuffle": True}, "buffer_size must be a positive integer, with shuffle=True; found 0"),
        ({"buffer_size": 8}, "with shuffle=True; found 8"),
        ({"transform": 3}, "transform must be a function, found int"),
        ({"collate": 3}, "collate must be a function, found int"),
        ({"collate": sum}, "batches of arrays are not collated"),
    ],
)  # fmt: skip
def test_arguments_that_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(tg.ArgumentError, match=message):
        data.DataLoader(np.zeros(3), **options)


# How it ends.


def test_threads_end_when_an_iteration_is_broken_off_or_dropped() -> None:
    loader = data.DataLoader(Pictures(), 4, prefetch=3, workers=2)
    for _ in loader:
        assert len(threads()) == 2
        break
    assert threads() == []
    first, second = iter(loader), iter(loader)
    next(first), next(second)
    del first
    assert len(threads()) == 2
    assert len(list(second)) == 12
    assert threads() == []
    with pytest.raises(ZeroDivisionError):
        [1 / 0 for _ in loader]
    gc.collect()
    assert threads() == []
    cycle: dict[str, Any] = {"it": iter(loader)}
    cycle["self"] = cycle
    next(cycle["it"])
    del cycle
    gc.collect()
    assert threads() == []


def run(program: str, **options: Any) -> subprocess.CompletedProcess[str]:
    head = """
    import os, signal, sys, threading, time
    import numpy as np
    from tilegrad import data
    class Slow:
        def __len__(self): return 40
        def __getitem__(self, index):
            time.sleep(0.002)
            return np.full(3, index)
    """
    code = textwrap.dedent(head) + textwrap.dedent(program)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, **options)


def test_the_interpreter_ends_while_batches_are_made() -> None:
    done = run("""
    batches = iter(data.DataLoader(Slow(), 4, prefetch=4, workers=3))
    next(batches)
    print("ends")
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ends\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_goes_on_alone() -> None:
    done = run("""
    loader = data.DataLoader(Slow(), 4, prefetch=4, workers=3)
    batches = iter(loader)
    first = next(batches)
    generated = iter(data.DataLoader(data.from_generator(lambda: range(40)), 4))
    next(generated)
    child = os.fork()
    rest = [b.tolist() for b in batches]
    assert [b[0][0] for b in rest] == list(range(4, 40, 4)), rest
    if child == 0:
        try:
            next(generated)
        except RuntimeError as error:
            assert "iterate over the loader anew in the child" in str(error)
            assert len(list(loader)) == 10
            print("child", flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert len(list(generated)) == 9
    print("parent")
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "child\nparent\n", "")


@pytest.mark.skipif(not hasattr(signal, "raise_signal") or os.name == "nt", reason="no such signal here")
def test_ctrl_c_while_waiting_for_a_batch() -> None:
    done = run("""
    class Stuck(Slow):
        def __getitem__(self, index):
            if index >= 8:
                time.sleep(0.1)
            return index
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        for batch in data.DataLoader(Stuck(), 4):
            pass
    except KeyboardInterrupt:
        left = [t.name for t in threading.enumerate() if t.name.startswith("tilegrad-loader")]
        print("interrupted", left)
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted []\n", "")


def test_the_figures_of_whole_epochs() -> None:
    """1,000 samples by 128 are 7 batches and one of 104; 50,000 are 391, the last of 80: made ahead too."""
    for count, expected in ((1000, [128] * 7 + [104]), (50_000, [128] * 390 + [80])):
        images = np.zeros((count, 1, 1, 1), np.uint8)
        loader = data.DataLoader((images, np.arange(count)), 128, shuffle=True, transform=T.ToFloat())
        batches = [y.numpy() for _, y in loader]
        assert [len(y) for y in batches] == expected
        assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(count))
