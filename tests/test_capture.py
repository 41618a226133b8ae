"""Capture and replay: equal to the function itself to the bit, and nothing baked in that should not be."""

from __future__ import annotations

import dataclasses
import threading
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

from .processes import run_python
from .targets import AVAILABLE, THREADS, running_on

Batch = tuple[tg.Tensor, tg.Tensor]
RNG = np.random.default_rng(0)
BATCHES: list[Batch] = [
    (
        tg.tensor(RNG.standard_normal((size, 14, 14, 1)).astype(np.float32)),
        tg.tensor(RNG.integers(0, 10, size), dtype="int64"),
    )
    for size in [32, 32, 20, 32, 32, 32, 20, 20, 32, 20, 32, 32]
]

OPTIMIZERS: dict[str, tuple[type[tg.optim.Optimizer], dict[str, Any]]] = {
    "adam": (tg.optim.AdamW, {}),
    "sgd": (tg.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "nadam": (tg.optim.NAdam, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "adagrad": (tg.optim.Adagrad, {"lr_decay": 0.1}),
    "rmsprop": (tg.optim.RMSprop, {"centered": True, "momentum": 0.5, "l1_decay": 1e-3}),
    "adadelta": (tg.optim.Adadelta, {"max_norm": 0.5}),
    "lamb": (tg.optim.LAMB, {"maximize": True}),
}


class Setup:
    """A convolutional network with dropout and batch norm, its optimizer, and a training step."""

    def __init__(self, optimizer: str = "adam", clip_norm: float | None = None) -> None:
        tg.manual_seed(3)
        self.model = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding="same"), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
            nn.Conv2d(6, 8, 3, stride=2, activation="relu"), nn.Flatten(), nn.Linear(72, 10),
        )  # fmt: skip
        parameters = self.model.parameters()
        schedule = tg.optim.schedules.OneCycle(1e-2, steps=20)
        kind, options = OPTIMIZERS[optimizer]
        self.optimizer: Any = kind(parameters, lr=schedule, clip_norm=clip_norm, **options)

    def step(self, x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        self.optimizer.zero_grad()
        loss = tg.cross_entropy(self.model(x), y, label_smoothing=0.1)
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self) -> list[bytes]:
        saved = self.optimizer.state_dict()["state"]
        tensors = [*self.model.state_dict().values(), *saved.values()]
        return [tensor.numpy().tobytes() for tensor in tensors] + [repr(tg.random.default_generator.state()).encode()]


def losses(step: Callable[..., tg.Tensor], batches: list[Batch] = BATCHES) -> list[float]:
    return [step(x, y).item() for x, y in batches]


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


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclasses.dataclass(frozen=True)
class Box:
    value: Any
    label: str


def test_any_structure_goes_in_and_comes_out() -> None:
    @tg.capture
    def swap(box: Box, pair: Pair, named: dict[str, Any], scale: float, *rest: Any) -> Any:
        return {"a": Pair(pair.second, box.value * scale), "b": [named["x"] + rest[0], "text", None], "c": box.label}

    for position in range(4):
        x, y = tg.full((2, 3), position), tg.full((3,), 10.0 + position)
        found = swap(Box(x, "label"), Pair(x, y), {"x": y}, 2.0, np.float32([1, 2, 3]))
        assert isinstance(found["a"], Pair)
        assert found["a"].first.tolist() == y.tolist()
        assert found["a"].second.tolist() == (x * 2.0).tolist()
        assert found["b"][0].tolist() == [11 + position, 12 + position, 13 + position]
        assert found["b"][1:] == ["text", None]
        assert found["c"] == "label"
    assert swap.programs == 1
    assert swap(Box(x, "label"), Pair(x, y), {"x": y}, 3.0, np.float32([1, 2, 3]))["a"].second.tolist()[0][0] == 9.0
    assert swap.programs == 2  # a number is part of the form


def test_numbers_of_different_kinds_are_different_forms() -> None:
    @tg.capture
    def scaled(x: tg.Tensor, by: Any) -> Any:
        return x * float(by), type(by)

    x = tg.ones(2)
    for by in (1, 1.0, True, 0.0, -0.0):
        for _ in range(2):
            value, kind = scaled(x, by)
            assert kind is type(by)
            assert np.array_equal(np.signbit(value.numpy()), np.signbit([float(by)] * 2))


def test_arguments_may_be_named_in_any_order() -> None:
    @tg.capture
    def difference(x: tg.Tensor, y: tg.Tensor, *, scale: tg.Tensor) -> tg.Tensor:
        return (x - y) * scale

    one, two, three = tg.full((2,), 5.0), tg.full((2,), 3.0), tg.full((2,), 10.0)
    for _ in range(2):
        assert difference(one, two, scale=three).tolist() == [20.0, 20.0]
        assert difference(scale=three, y=two, x=one).tolist() == [20.0, 20.0]
        assert difference(two, scale=one, y=three).tolist() == [-35.0, -35.0]
    assert difference.programs == 1


def test_outputs_stay_and_carry_no_gradient() -> None:
    weight = tg.tensor([2.0, 3.0], requires_grad=True)
    product = tg.capture(lambda x: (x * weight, (x * weight)[1:]))
    kept = [product(tg.full((2,), float(value))) for value in range(5)]
    assert [whole.tolist() for whole, _ in kept] == [[2.0 * v, 3.0 * v] for v in range(5)]
    assert [part.tolist() for _, part in kept] == [[3.0 * v] for v in range(5)]
    assert not any(whole.requires_grad for whole, _ in kept)
    with pytest.raises(tg.AutogradError, match="does not require a gradient"):
        kept[-1][0].backward()


def test_views_arguments_and_outside_tensors_come_out_as_themselves() -> None:
    outside = tg.zeros(3)

    @tg.capture
    def run(x: tg.Tensor) -> Any:
        outside.add_(x)
        made = x * 2.0
        return outside, x[1:], made, made.reshape(1, 3), tg.zeros(2)

    for count in range(1, 5):
        x = tg.tensor([1.0, 2.0, 3.0])
        found = run(x)
        assert found[0].tolist() == [1.0 * count, 2.0 * count, 3.0 * count]
        assert found[0].data_ptr() == outside.data_ptr()
        assert found[1].data_ptr() == x.data_ptr() + 4
        found[2].fill_(7.0)
        assert found[3].tolist() == [[7.0, 7.0, 7.0]]
        assert found[4].tolist() == [0.0, 0.0]
        found[4].fill_(1.0)


def test_arguments_are_written_where_they_are_and_may_be_strided() -> None:
    @tg.capture
    def add(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        x.add_(y)
        return x.sum()

    for _ in range(3):
        memory = np.zeros((4, 6), np.float32)
        x = tg.from_numpy(memory[::2, 1::2])
        version = x._version
        assert add(x, tg.ones((2, 3))).item() == 6.0
        assert memory[::2, 1::2].tolist() == np.ones((2, 3)).tolist()
        assert memory.sum() == 6.0
        assert x._version > version
        backwards = tg.from_numpy(np.arange(6, dtype=np.float32)[::-1])
        assert add(tg.zeros(6), backwards).item() == 15.0
    assert add.programs == 2


VALUE_READERS: dict[str, Callable[[tg.Tensor], Any]] = {
    "item": lambda x: x.sum().item(),
    "if": lambda x: 1 if x.sum() > 0 else 2,
    "float": lambda x: float(x.sum()),
    "numpy": lambda x: x.numpy(),
    "asarray": lambda x: np.asarray(x),
    "tolist": lambda x: x.tolist(),
    "print": lambda x: str(x),
    "buffer": lambda x: memoryview(x),
    "dlpack": lambda x: np.from_dlpack(x),
}


@pytest.mark.parametrize("name", VALUE_READERS)
def test_looking_at_a_value_is_refused_and_says_what_to_do(name: str) -> None:
    captured = tg.capture(lambda x: (VALUE_READERS[name](x), x)[1])
    for _ in range(2):
        with pytest.raises(tg.CaptureError, match=r"cannot look at values.*return the tensor"):
            captured(tg.ones(3))
    assert tg.ones(3).sum().item() == 3.0  # outside all is as before
    assert tg.capture(lambda x: x + 1.0)(tg.ones(1)).item() == 2.0


def test_an_error_in_the_function_leaves_all_usable() -> None:
    @tg.capture
    def run(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        return x + y

    for _ in range(2):
        with pytest.raises(tg.ShapeError):
            run(tg.ones(2), tg.ones(3))
    assert run(tg.ones(2), tg.ones(2)).tolist() == [2.0, 2.0]
    assert run.programs == 1


def test_check_finds_what_was_baked_in() -> None:
    counter = [0.0]

    def number(x: tg.Tensor) -> tg.Tensor:
        counter[0] += 1.0
        return x * counter[0]

    captured = tg.capture(number, check=True)
    assert captured(tg.ones(1)).item() == 1.0
    with pytest.raises(tg.CaptureError, match="a number that has changed: pass it as a tensor argument"):
        captured(tg.ones(1))

    held = [tg.ones(2)]

    def replaced(x: tg.Tensor) -> tg.Tensor:
        result = x + held[0]
        held[0] = result.detach()
        return result

    captured = tg.capture(replaced, check=True)
    captured(tg.ones(2))
    with pytest.raises(tg.CaptureError, match="replaced instead of written into"):
        captured(tg.ones(2))

    def branch(x: tg.Tensor) -> tg.Tensor:
        counter[0] += 1.0
        return tg.exp(x) if counter[0] % 2 else tg.tanh(x)

    captured = tg.capture(branch, check=True)
    captured(tg.ones(2))
    with pytest.raises(tg.CaptureError, match=r"launch 1 \((exp|tanh)\): now it is (tanh|exp)"):
        captured(tg.ones(2))

    def shape(x: tg.Tensor) -> tg.Tensor:
        counter[0] += 1.0
        return tg.exp(x[: int(counter[0])])

    captured = tg.capture(shape, check=True)
    captured(tg.ones(20))
    with pytest.raises(tg.CaptureError, match=r"options or shapes are others now|another part of memory"):
        captured(tg.ones(20))


def test_a_bad_label_in_a_replay_raises_and_the_weights_stay() -> None:
    setup = Setup()
    step = tg.capture(setup.step)
    losses(step)
    before = [p.tolist() for p in setup.model.parameters()]
    x, y = BATCHES[0]
    wrong = y.copy()
    wrong[7] = 10
    with pytest.raises(IndexError, match=r"cross_entropy: target\[7\] is 10, expected 0 to 9"):
        step(x, wrong)
    assert [p.tolist() for p in setup.model.parameters()] == before
    assert np.isfinite(step(x, y).item())

    table = tg.randn((5, 2))
    take = tg.capture(lambda index: table[index] * 1.0)
    for _ in range(3):
        assert take(tg.tensor([4, 0])).shape == (2, 2)
    with pytest.raises(IndexError, match="index 5 at position"):
        take(tg.tensor([1, 5]))
    assert take(tg.tensor([1, 3])).tolist() == table[tg.tensor([1, 3])].tolist()


def test_a_schedule_that_fails_in_a_replay_raises_and_the_weights_stay() -> None:
    model = nn.Linear(2, 1)
    optimizer = tg.optim.SGD(model.parameters(), lr=lambda step: 0.1 if step < 4 else float("nan"))

    @tg.capture
    def step(x: tg.Tensor) -> tg.Tensor:
        optimizer.zero_grad()
        loss = tg.mean(model(x) ** 2.0)
        loss.backward()
        optimizer.step()
        return loss

    x = tg.ones((3, 2))
    for _ in range(4):
        step(x)
    before = [p.tolist() for p in model.parameters()]
    with pytest.raises(tg.ArgumentError, match="at step 4"):
        step(x)
    assert [p.tolist() for p in model.parameters()] == before
    assert optimizer.steps == 4


def test_modes_frozen_parameters_and_options_are_noticed() -> None:
    setup = Setup()
    predict = tg.capture(lambda x: setup.model(x))
    x = BATCHES[0][0]
    for _ in range(2):
        with tg.no_grad():
            setup.model.train()
            drawn = [predict(x).tolist() for _ in range(3)]
            assert drawn[0] != drawn[1] != drawn[2]  # dropout goes on drawing
            setup.model.eval()
            fixed = predict(x).tolist()
            assert fixed == predict(x).tolist() == setup.model(x).tolist()
    assert predict.programs == 2

    step = tg.capture(setup.step)
    losses(step)
    known = step.programs
    setup.model[0].freeze()
    frozen, trained = setup.model[0].weight.tolist(), setup.model[-1].weight.tolist()
    step(*BATCHES[0])
    step(*BATCHES[0])
    assert setup.model[0].weight.tolist() == frozen
    assert setup.model[-1].weight.tolist() != trained
    assert step.programs > known
    setup.model.unfreeze()
    step(*BATCHES[0])
    assert setup.model[0].weight.tolist() != frozen

    setup.optimizer.lr = 0.0
    setup.optimizer.groups[0]["weight_decay"] = 0.0
    before = setup.model[-1].weight.tolist()
    for _ in range(3):
        step(*BATCHES[0])
    assert setup.model[-1].weight.tolist() == before


def test_a_replaced_layer_is_noticed() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    predict = tg.capture(lambda x: model(x))
    x = tg.ones((4, 3))
    for _ in range(3):
        before = predict(x).tolist()
    model[2] = nn.Linear(2, 5)
    assert predict(x).shape == (4, 5)
    assert predict(x).tolist() == model(x).tolist() != before
    model[0].weight = nn.Parameter(tg.full((3, 2), 0.5))
    assert predict(x).tolist() == predict(x).tolist() == model(x).tolist()


def test_loaded_weights_are_used() -> None:
    setup, other = Setup().model.build((14, 14, 1)).eval(), Setup().model.build((14, 14, 1)).eval()
    for parameter in other.parameters():
        parameter.detach().mul_(1.5)
    predict = tg.capture(lambda x: setup(x))
    x = BATCHES[0][0]
    with tg.no_grad():
        for _ in range(3):
            predict(x)
        setup.load_state_dict(other.state_dict())
        assert predict(x).tolist() == other(x).tolist()


def test_what_depends_on_values_runs_eagerly_and_says_so_once() -> None:
    positive = tg.capture(lambda x: x[x > 0.0])
    with pytest.warns(UserWarning, match="depends on values.*run without capture"):
        assert positive(tg.tensor([1.0, -1.0, 2.0])).tolist() == [1.0, 2.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert positive(tg.tensor([-1.0, -1.0, 3.0])).tolist() == [3.0]
    assert positive.programs == 0


def test_the_cache_is_bounded() -> None:
    double = tg.capture(lambda x: x * 2.0, max_programs=3)
    for size in (1, 2, 3):
        double(tg.ones(size))
    with pytest.warns(UserWarning, match="3 programs already"):
        assert double(tg.ones(4)).tolist() == [2.0] * 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in (5, 4, 1):
            assert double(tg.ones(size)).tolist() == [2.0] * size
    assert double.programs == 3
    double.clear()
    assert double.programs == 0
    with pytest.raises(tg.ArgumentError, match="max_programs must be at least 1"):
        tg.capture(lambda x: x, max_programs=0)
    with pytest.raises(tg.ArgumentError, match="expected a function"):
        tg.capture(3)  # type: ignore[call-overload]


def test_methods_decorators_and_captured_functions_inside_others() -> None:
    class Scaler:
        def __init__(self, by: float) -> None:
            self.by = tg.full((), by)

        @tg.capture(max_programs=4)
        def scale(self, x: tg.Tensor) -> tg.Tensor:
            """Times by."""
            return x * self.by

    two, three = Scaler(2.0), Scaler(3.0)
    both = tg.capture(lambda x: two.scale(x) + three.scale(x))
    for value in range(4):
        x = tg.full((2,), float(value))
        assert two.scale(x).tolist() == [2.0 * value] * 2
        assert three.scale(x).tolist() == [3.0 * value] * 2
        assert both(x).tolist() == [5.0 * value] * 2
    assert Scaler.scale.__doc__ == "Times by."
    assert Scaler.scale.programs == 2


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
