"""What training depends on, through a file and back: optimizers, schedules, generators; and runs that are killed."""

from __future__ import annotations

import copy
import functools
import os
import random
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import tilegrad as tg
from tilegrad.io import state
from tilegrad.optim import SGD, Optimizer
from tilegrad.optim.schedules import PerEpoch, Product, ReduceOnPlateau, Sequential, Warmup

from . import resume_run as run
from .optimizer_formulas import CONFIGURATIONS, IDS, drawn, leaves, set_gradients
from .test_schedules import CASES


def through_file(tree: Any, path: Path) -> Any:
    state.write_state(path, {"tree": tree}, None)
    return state.read_state(path)["tree"]


def bits(optimizer: Optimizer) -> list[bytes]:
    """Of parameters and state."""
    tensors = [p.detach() for group in optimizer.groups for p in group.parameters]
    return [t.numpy().tobytes() for t in [*tensors, *optimizer.state_dict()["state"].values()]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "options"), CONFIGURATIONS, ids=IDS)
def test_every_optimizer(kind: type[Optimizer], options: dict[str, Any], dtype: str, tmp_path: Path) -> None:
    arrays, gradients = drawn(dtype)

    def make(values: list[Any]) -> tuple[list[tg.Tensor], Optimizer]:
        parameters = leaves(values)
        groups = [{"params": parameters[:2]}, {"params": parameters[2:], "lr": 0.003, "max_norm": 2.0}]
        return parameters, kind(groups, **options)

    parameters, optimizer = make(arrays)
    for step, found in enumerate(gradients[:5]):
        set_gradients(parameters, found)
        parameters[2].requires_grad = step > 2  # joins later: counts of its own
        optimizer.step()
    saved = through_file(
        {"model": [p.detach() for p in parameters], "optimizer": optimizer.state_dict()}, tmp_path / "s"
    )
    others, other = make([p.numpy() for p in saved["model"]])
    other.load_state_dict(saved["optimizer"])
    assert bits(other) == bits(optimizer)
    for found in gradients[5:9]:
        for group, trained in ((parameters, optimizer), (others, other)):
            set_gradients(group, found)
            trained.step()
    assert bits(other) == bits(optimizer)
    assert other.steps == optimizer.steps == 9


PLATEAUS = [
    ReduceOnPlateau(0.5, factor=0.5, patience=0, cooldown=1),
    ReduceOnPlateau(0.5, mode="max", threshold_mode="abs", patience=1, min_rate=0.2),
    Warmup(ReduceOnPlateau(0.5, factor=0.3, patience=0), steps=4),
    Sequential([0.1, ReduceOnPlateau(0.5, patience=0), ReduceOnPlateau(0.2, patience=1)], milestones=[3, 9]),
    Product([PerEpoch(ReduceOnPlateau(0.5, patience=0), 2), ReduceOnPlateau(1.0, factor=0.9, patience=0, mode="max")]),
]


@pytest.mark.parametrize("schedule", [*(case for case, _ in CASES), *PLATEAUS], ids=repr)
@pytest.mark.parametrize("stop", [0, 1, 7])
def test_every_schedule(schedule: Any, stop: int, tmp_path: Path) -> None:
    metrics = [1.0, 0.5, float("nan"), 0.5, 2.0, -1.0, float("inf"), 3.0, float("-inf"), 0.1, 0.2, 0.3, 0.1, 0.5]

    def rates_of(optimizer: SGD, parameter: tg.Tensor, steps: range) -> list[float]:
        rates = []
        for step in steps:
            parameter.grad = tg.ones(2)
            rates.append(optimizer.lr)
            optimizer.step()
            optimizer.observe({"val_loss": metrics[step]})
        return [*rates, *parameter.detach().tolist()]

    def make() -> tuple[SGD, tg.Tensor]:
        parameter = tg.tensor([1.0, 2.0], requires_grad=True)
        return SGD([parameter], lr=copy.deepcopy(schedule)), parameter

    optimizer, parameter = make()
    rates_of(optimizer, parameter, range(stop))
    saved = through_file({"p": parameter.detach(), "o": optimizer.state_dict()}, tmp_path / "s")
    expected = rates_of(optimizer, parameter, range(stop, 14))
    other, copied = make()
    copied.detach().numpy()[...] = saved["p"].numpy()
    other.load_state_dict(saved["o"])
    assert rates_of(other, copied, range(stop, 14)) == expected
    assert other.state_dict()["groups"] == optimizer.state_dict()["groups"]


def test_generators(tmp_path: Path) -> None:
    mine = tg.Generator(2**63 - 1, 5)
    tg.manual_seed(3)

    def draws() -> list[Any]:
        x = tg.ones((4, 5))
        found = [
            tg.dropout(x, 0.5, True),
            tg.alpha_dropout(x, 0.3, True),
            tg.spatial_dropout(tg.ones((2, 3, 4)), 0.5, True),
        ]
        found += [tg.randn(3), tg.truncated_normal(1.0, 3), tg.permutation(5), tg.randint(0, 9, 4, generator=mine)]
        found += [tg.rand(3, generator=mine.fork(2))]
        return [t.tolist() for t in found]

    draws()
    saved = through_file({"default": tg.default_generator.state(), "mine": mine.state()}, tmp_path / "s")
    expected = draws()
    assert draws() != expected
    tg.default_generator.set_state(saved["default"])
    mine.set_state(saved["mine"])
    assert draws() == expected


# Runs that are killed. Their end is compared with that of a run left alone.

needs_fork = pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="needs a safe fork")


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_killed_at_random_steps(tmp_path: Path) -> None:
    """20 kills in one run; every attempt has another number of threads, other checkpoints and other prefetching."""
    expected = run.train(tmp_path / "whole", every=4)
    rng = random.Random(5)
    for attempt, fatal in enumerate(sorted(rng.choices(range(run.STEPS), k=20))):
        every, prefetch = rng.choice([1, 2, 5]), rng.choice([0, 1, 3])

        def attempted() -> None:
            tg.set_num_threads(1 + attempt % 3)
            after = functools.partial(kill_from, fatal)
            run.train(tmp_path / "killed", every, after, capture=attempt % 2 == 1, prefetch=prefetch)

        assert run.in_child(attempted) == -signal.SIGKILL
    assert run.train(tmp_path / "killed", every=3) == expected


def kill_from(fatal: int, step: int) -> None:
    if step >= fatal:
        run.kill()


# A state's file is opened, written in pieces, synchronised, closed and renamed; then its folder is opened, synchronised
# and closed, and an old file removed. The third state comes after the history, which is written in the same way.
BOUNDARIES = [
    *((name, count) for name in ("open", "fsync", "close") for count in range(1, 6)),
    *(("write", count) for count in (1, 2, 20, 45)),
    *(("replace", count) for count in (1, 2, 3)),
    *(("unlink", count) for count in (1, 2)),
]


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_killed_at_every_boundary_of_saving(tmp_path: Path) -> None:
    """Before each call by which states and the history are written, in the middle of an epoch and at its end."""
    expected = run.train(tmp_path / "whole", every=4)
    begun = functools.partial(kill_from, 9)
    assert run.in_child(lambda: run.train(tmp_path / "begun", 4, begun, keep_last=1)) == -signal.SIGKILL
    newest = set()
    for name, fatal in BOUNDARIES:
        folder = tmp_path / f"{name}{fatal}"
        shutil.copytree(tmp_path / "begun", folder)

        def attempted() -> None:
            tg.set_num_threads(1 + fatal % 2)
            run.train(folder, 4, lambda step: run.kill_at_call(name, fatal) if step == 9 else None, keep_last=1)

        assert run.in_child(attempted) == -signal.SIGKILL, (name, fatal)
        newest.add(tg.train.CheckpointFolder(folder / "checkpoints").checkpoints()[-1].number)
        assert run.train(folder, 4) == expected, (name, fatal)
    assert len(newest) >= 3  # before any was written, and after one in an epoch and one at its end


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_damaged_checkpoint_costs_steps_and_no_bits(tmp_path: Path) -> None:
    expected = run.train(tmp_path / "whole", every=4)
    assert run.in_child(lambda: run.train(tmp_path / "killed", 2, functools.partial(kill_from, 12))) == -signal.SIGKILL
    newest = tg.train.CheckpointFolder(tmp_path / "killed" / "checkpoints").checkpoints()[-1].path
    newest.write_bytes(newest.read_bytes()[:-9])
    with pytest.warns(tg.CheckpointWarning, match=newest.name):
        assert run.train(tmp_path / "killed", every=3) == expected
