"""Optimizers: against the formulas in NumPy float64 and PyTorch, to the bit over ISAs, threads and checkpoints."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad.optim import LAMB, SGD, Adadelta, AdamW, NAdam, Optimizer
from tilegrad.optim.schedules import Cosine

from .optimizer_formulas import (
    COMMON,
    CONFIGURATIONS,
    DEFAULTS,
    IDS,
    STEPS,
    NumPyOptimizer,
    drawn,
    leaves,
    set_gradients,
)
from .targets import AVAILABLE, TARGETS, THREADS, running_on


@functools.cache
def reference(configuration: int, dtype: str) -> tuple[list[np.ndarray], float, float]:
    """Where 200 steps lead in float64, with the largest parameter and the largest change in a step on the way."""
    kind, options = CONFIGURATIONS[configuration]
    arrays, gradients = drawn(dtype)
    run = NumPyOptimizer(kind, [a.astype(np.float64) for a in arrays], options)
    largest = change = 0.0
    for found in gradients:
        before = [p.copy() for p in run.parameters]
        run.step([g.astype(np.float64) for g in found])
        for p, old in zip(run.parameters, before, strict=True):
            largest = max(largest, np.abs(p).max(initial=0), np.abs(old).max(initial=0))
            change = max(change, np.abs(p - old).max(initial=0))
    return run.parameters, largest, change


def stepped(
    kind: type[Optimizer], options: dict[str, Any], arrays: list[np.ndarray], gradients: list[list[np.ndarray]]
) -> tuple[list[tg.Tensor], Optimizer]:
    """Parameters after a step with each of the gradients, and their optimizer."""
    parameters = leaves(arrays)
    optimizer = kind(parameters, **options)
    for found in gradients:
        set_gradients(parameters, found)
        optimizer.step()
    return parameters, optimizer


def roundings(kind: type[Optimizer], options: dict[str, Any]) -> float:
    """By how many epsilons a step's change may be wrong, in units of the largest change.

    The formulas round 8 times at most. Velocities carry the errors of 1 / (1 - momentum) steps; running means and
    powers of beta those of t steps, half of each in the root. The variance of the centered RMSprop is a difference, at
    worst 0.1 g^2 - 0.01 g^2 in the first step, 12 times as sensitive. Adadelta's steps are proportional to those
    before, and inherit all of their errors.
    """
    if kind is SGD:
        found = 8.0
    elif kind is Adadelta:
        found = 8.0 * STEPS
    else:
        found = (8 + STEPS / 2) * (12 if options.get("centered") else 1)
    return found / (1 - options.get("momentum", 0.0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("isa", TARGETS)
@pytest.mark.parametrize("configuration", range(len(CONFIGURATIONS)), ids=IDS)
def test_against_the_formula(configuration: int, isa: str, dtype: str) -> None:
    """200 steps stay within what rounding can add up to.

    A step rounds the parameter once and its change as above. The parameters' errors add, and later steps do not amplify
    them: weight decay shrinks them, and gradients do not depend on parameters here. Only LAMB's steps are proportional
    to the norm of the parameter: errors grow by 1 + lr in each step.
    """
    kind, options = CONFIGURATIONS[configuration]
    arrays, gradients = drawn(dtype)
    with running_on(isa):
        parameters, _ = stepped(kind, options, arrays, gradients)
    expected, largest, change = reference(configuration, dtype)
    tolerance = np.finfo(dtype).eps * STEPS * (largest + roundings(kind, options) * change)
    if kind is LAMB:
        tolerance *= (1 + options["lr"]) ** STEPS
    for p, e in zip(parameters, expected, strict=True):
        assert p.dtype == dtype
        assert np.abs(p.detach().cpu().numpy() - e).max(initial=0) <= tolerance


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "options"), CONFIGURATIONS, ids=IDS)
def test_bits_on_every_isa_and_thread_count(kind: type[Optimizer], options: dict[str, Any], dtype: str) -> None:
    arrays, gradients = drawn(dtype)
    expected: list[bytes] | None = None
    for isa in AVAILABLE:
        for threads in THREADS:
            with running_on(isa, threads):
                parameters, optimizer = stepped(kind, options, arrays, gradients[:3])
            state = optimizer.state_dict()["state"].values()
            bits = [p.detach().numpy().tobytes() for p in [*parameters, *state]]
            expected = expected or bits
            assert bits == expected, (isa, threads)


@pytest.mark.parametrize(("kind", "options"), CONFIGURATIONS, ids=IDS)
def test_against_pytorch(kind: type[Optimizer], options: dict[str, Any]) -> None:
    """Its optimizers with the same options; what they lack (L1, decoupled decay) done beside them."""
    torch = pytest.importorskip("torch")
    if kind is LAMB:
        pytest.skip("PyTorch has no LAMB")
    arrays, gradients = drawn("float64")
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    o = {**COMMON, **DEFAULTS[kind], **options}
    beside = {"decoupled_weight_decay", "l1_decay", "clip_norm", "clip_value"}
    plain = {name: value for name, value in o.items() if name not in beside}
    by_hand = o["decoupled_weight_decay"] and kind is not AdamW
    if by_hand:
        plain["weight_decay"] = 0.0
    twin = getattr(torch.optim, kind.__name__)(theirs, **plain)
    ours = leaves(arrays)
    optimizer = kind(ours, **options)
    for found in gradients:
        set_gradients(ours, found)
        optimizer.step()
        for p, g in zip(theirs, found, strict=True):
            p.grad = torch.tensor(g)
        if o["clip_norm"] is not None:  # PyTorch divides by norm + 1e-6
            torch.nn.utils.clip_grad_norm_(theirs, o["clip_norm"])
        if o["clip_value"] is not None:
            torch.nn.utils.clip_grad_value_(theirs, o["clip_value"])
        with torch.no_grad():
            for p in theirs:
                l1 = o["l1_decay"] * torch.sign(p)
                if by_hand:
                    p -= o["lr"] * (o["weight_decay"] * p + l1)
                else:
                    p.grad += -l1 if o["maximize"] else l1
        twin.step()
    # Its NAdam keeps the product of momenta in float32.
    tolerance = 1e-4 if o["clip_norm"] is not None else 1e-8 if kind is NAdam else 1e-12
    for a, b in zip(ours, theirs, strict=True):
        assert np.abs(a.detach().numpy() - b.detach().numpy()).max(initial=0) <= tolerance


@pytest.mark.parametrize(("kind", "options"), CONFIGURATIONS, ids=IDS)
def test_saved_and_loaded_it_continues_to_the_bit(kind: type[Optimizer], options: dict[str, Any]) -> None:
    arrays, gradients = drawn("float32")
    options = {**options, "lr": Cosine(options["lr"], steps=20)}
    parameters, optimizer = stepped(kind, options, arrays, gradients[:7])
    saved = optimizer.state_dict()
    # With state of its own, to be overwritten.
    copies, other = stepped(kind, options, [p.detach().numpy() for p in parameters], gradients[50:51])
    for a, b in zip(copies, parameters, strict=True):
        a.detach().numpy()[...] = b.detach().numpy()
    other.load_state_dict(saved)
    assert other.steps == 7
    for found in gradients[7:12]:
        for group, run in ((parameters, optimizer), (copies, other)):
            set_gradients(group, found)
            run.step()
    for a, b in zip(copies, parameters, strict=True):
        assert a.detach().numpy().tobytes() == b.detach().numpy().tobytes()
