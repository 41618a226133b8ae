"""Capture and replay: equal to the function itself to the bit, in any number of threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

from .captured_step import BATCHES, OPTIMIZERS, Batch, Setup, losses
from .processes import run_python
from .targets import AVAILABLE, THREADS, running_on


@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_has_the_same_bits(optimizer: str, clip_norm: float | None) -> None:
    eager, captured, checked = (Setup(optimizer, clip_norm) for _ in range(3))
    tg.manual_seed(5)
    expected, weights = losses(eager.step), eager.state()
    tg.manual_seed(5)
    step = tg.capture(captured.step)
    assert losses(step) == expected
    assert captured.state() == weights
    assert step.programs == 2  # one for each batch size
    assert captured.optimizer.steps == len(BATCHES)
    assert captured.optimizer.lr == eager.optimizer.lr
    tg.manual_seed(5)
    assert losses(tg.capture(checked.step, check=True)) == expected
    assert checked.state() == weights


@pytest.mark.parametrize("isa", AVAILABLE)
def test_replay_has_the_same_bits_for_any_threads_and_isa(isa: str) -> None:
    def run() -> Any:
        setup = Setup()
        return losses(tg.capture(setup.step)), setup.state()

    with running_on(AVAILABLE[-1], threads=1):
        expected = run()
    for threads in THREADS:
        with running_on(isa, threads):
            assert run() == expected, threads


def test_a_program_runs_on_more_and_fewer_threads_than_it_was_recorded_with() -> None:
    eager, captured = Setup(), Setup()
    tg.manual_seed(5)
    expected = losses(eager.step)
    tg.manual_seed(5)
    step = tg.capture(captured.step)
    found = []
    for position, (x, y) in enumerate(BATCHES):
        with running_on(AVAILABLE[-1], threads=(2, 2, 3, 7, 1)[position % 5]):
            found.append(step(x, y).item())
    assert found == expected


def accumulating(setup: Setup) -> Callable[[list[Batch]], tg.Tensor]:
    def step(parts: list[Batch]) -> tg.Tensor:
        setup.optimizer.zero_grad()
        total = tg.zeros(())
        for x, y in parts:
            loss = tg.cross_entropy(setup.model(x), y)
            (loss * 0.5).backward()
            total = total + loss.detach()
        setup.optimizer.step()
        return total

    return step


def test_gradient_accumulation_inside_and_across_calls() -> None:
    pairs = [BATCHES[0:2], BATCHES[3:5], BATCHES[4:6], BATCHES[0:2]]
    eager, captured = Setup(), Setup()
    tg.manual_seed(5)
    expected = [accumulating(eager)(pair).item() for pair in pairs]
    tg.manual_seed(5)
    step = tg.capture(accumulating(captured))
    assert [step(pair).item() for pair in pairs] == expected
    assert captured.state() == eager.state()

    # Gradients that are added to by every call, and applied by another.
    eager, captured = Setup(), Setup()

    def backward(setup: Setup) -> Callable[..., tg.Tensor]:
        def run(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
            loss = tg.cross_entropy(setup.model(x), y)
            loss.backward()
            return loss

        return run

    tg.manual_seed(5)
    one, two = backward(eager), tg.capture(backward(captured))
    for position, (x, y) in enumerate(BATCHES):
        state = tg.random.default_generator.state()
        first = one(x, y).item()
        tg.random.default_generator.set_state(state)
        assert two(x, y).item() == first
        if position % 3 == 2:
            for setup in (eager, captured):
                setup.optimizer.step()
                setup.optimizer.zero_grad()
    assert captured.state() == eager.state()


def test_two_optimizers_in_one_step() -> None:
    def make() -> tuple[Any, Any, Callable[..., Any]]:
        tg.manual_seed(1)
        a, b = nn.Linear(4, 3), nn.Linear(3, 2)
        first, second = tg.optim.SGD(a.parameters(), lr=0.1), tg.optim.Adam(b.parameters(), lr=0.01)

        def step(x: tg.Tensor) -> tuple[tg.Tensor, dict[str, tg.Tensor]]:
            first.zero_grad()
            second.zero_grad()
            hidden = tg.tanh(a(x))
            loss = tg.mean(b(hidden) ** 2.0)
            loss.backward()
            first.step()
            second.step()
            first.step()  # twice in one call
            return loss, {"hidden": hidden}

        return a, b, step

    a, b, step = make()
    c, d, other = make()
    captured = tg.capture(other)
    for seed in range(6):
        x = tg.randn((5, 4), generator=tg.Generator(seed))
        (loss, extra), (expected, wanted) = captured(x), step(x)
        assert loss.item() == expected.item()
        assert extra["hidden"].tolist() == wanted["hidden"].tolist()
    for mine, theirs in zip([*a.parameters(), *b.parameters()], [*c.parameters(), *d.parameters()], strict=True):
        assert mine.tolist() == theirs.tolist()


def test_memory_is_at_most_that_of_eager() -> None:
    setup = Setup()
    x, y = (tg.tensor(np.concatenate([t.numpy()] * 8)) for t in BATCHES[0])
    step = tg.capture(setup.step)

    def peak(function: Callable[..., Any]) -> int:
        function(x, y)
        tg._C.reset_peak_memory()
        before = tg.memory_stats()["bytes_in_use"]
        function(x, y)
        return tg.memory_stats()["peak_bytes_in_use"] - before

    eager = peak(setup.step)
    for _ in range(3):
        step(x, y)
    assert step.programs == 1
    assert 0 < peak(step) <= eager


def test_threads_of_the_program_may_replay_at_once() -> None:
    function = tg.capture(lambda x: tg.tanh(tg.matmul(x, x)).sum(axis=0))
    inputs = [tg.randn((64, 64), generator=tg.Generator(seed)) for seed in range(4)]
    expected = [function(x).tolist() for x in inputs]
    failures: list[int] = []

    def work(position: int) -> None:
        for _ in range(50):
            if function(inputs[position]).tolist() != expected[position]:
                failures.append(position)

    workers = [threading.Thread(target=work, args=(position,)) for position in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert not any(worker.is_alive() for worker in workers)
    assert not failures


def test_a_forked_child_replays() -> None:
    run_python(
        """
        import os, tilegrad as tg
        tg.set_num_threads(2); tg._C.set_work_per_member(0)
        f = tg.capture(lambda x: tg.exp(tg.matmul(x, x)))
        x = tg.randn((40, 40)) * 0.1
        expected = [f(x).tolist() for _ in range(3)][0]
        child = os.fork()
        if child == 0:
            os._exit(0 if f(x).tolist() == expected else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert f(x).tolist() == expected
        """
    )


def test_an_interrupt_leaves_everything_usable() -> None:
    run_python(
        """
        import os, signal, threading, time
        import tilegrad as tg
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
        model = tg.nn.Sequential(tg.nn.Linear(64, 64), tg.nn.ReLU(), tg.nn.Linear(64, 8))
        optimizer = tg.optim.Adam(model.parameters(), lr=1e-3)
        @tg.capture
        def step(x):
            optimizer.zero_grad()
            loss = tg.mean(model(x) ** 2.0)
            loss.backward()
            optimizer.step()
            return loss
        x = tg.randn((256, 64))
        interrupted = 0
        for attempt in range(8):
            timer = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT))
            try:
                timer.start()
                while True:
                    step(x)
            except KeyboardInterrupt:
                interrupted += 1
            timer.join()
            loss = step(x).item()
        assert interrupted == 8 and loss == loss, (interrupted, loss)
        assert tg.exp(tg.zeros(1)).item() == 1.0
        """
    )
