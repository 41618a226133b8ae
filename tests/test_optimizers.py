"""Optimizers: against the formulas in NumPy float64, to the bit over ISAs and threads, and their errors."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad.optim import SGD, Adam, AdamW, Optimizer, clip_grad_norm_, clip_grad_value_
from tilegrad.optim.schedules import Cosine

from .targets import AVAILABLE, TARGETS, THREADS, running_on

STEPS = 200
SHAPES = ((3, 5), (), (129,), (0,), (1030,), (2, 1, 7))

CONFIGURATIONS: list[tuple[type[Optimizer], dict[str, Any]]] = [
    (SGD, {"lr": 0.05}),
    (SGD, {"lr": 0.05, "weight_decay": 0.1}),
    (SGD, {"lr": 0.02, "momentum": 0.9}),
    (SGD, {"lr": 0.02, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01}),
    (SGD, {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (SGD, {"lr": 0.05, "momentum": 0.9, "clip_norm": 3.0}),
    (Adam, {"lr": 0.01}),
    (Adam, {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    (Adam, {"lr": 0.01, "betas": (0.0, 0.0), "clip_norm": 1.0}),
    (AdamW, {"lr": 0.01}),
    (AdamW, {"lr": 0.01, "weight_decay": 0.5, "clip_norm": 2.0}),
]
IDS = [f"{kind.__name__}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for kind, options in CONFIGURATIONS]


class NumPyOptimizer:
    """The formulas of the docstrings, written again."""

    def __init__(self, kind: type[Optimizer], parameters: list[np.ndarray], options: dict[str, Any]) -> None:
        self.kind, self.parameters, self.options = kind, parameters, options
        self.first = [np.zeros_like(p) for p in parameters]
        self.second = [np.zeros_like(p) for p in parameters]
        self.t = 0

    def step(self, gradients: list[np.ndarray]) -> None:
        o = self.options
        self.t += 1
        clip = o.get("clip_norm")
        if clip is not None:
            norm = np.sqrt(sum((g**2).sum() for g in gradients))
            gradients = [g * min(1.0, clip / norm) for g in gradients]
        for i, (p, g) in enumerate(zip(self.parameters, gradients, strict=True)):
            if self.kind is SGD:
                self.sgd(i, p, g)
            else:
                self.adam(i, p, g)

    def sgd(self, i: int, p: np.ndarray, g: np.ndarray) -> None:
        o = self.options
        g = g + o.get("weight_decay", 0.0) * p
        momentum = o.get("momentum", 0.0)
        if momentum:
            v = g if self.t == 1 else momentum * self.first[i] + (1 - o.get("dampening", 0.0)) * g
            self.first[i] = v
            g = g + momentum * v if o.get("nesterov") else v
        p -= o["lr"] * g

    def adam(self, i: int, p: np.ndarray, g: np.ndarray) -> None:
        o = self.options
        beta1, beta2 = o.get("betas", (0.9, 0.999))
        decay = o.get("weight_decay", 0.01 if self.kind is AdamW else 0.0)
        if self.kind is AdamW:
            p *= 1 - o["lr"] * decay
        else:
            g = g + decay * p
        self.first[i] = beta1 * self.first[i] + (1 - beta1) * g
        self.second[i] = beta2 * self.second[i] + (1 - beta2) * g**2
        m, v = self.first[i] / (1 - beta1**self.t), self.second[i] / (1 - beta2**self.t)
        p -= o["lr"] * m / (np.sqrt(v) + o.get("eps", 1e-8))


def drawn(dtype: str) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Parameters, and the gradients of every step: bounded away from 0 so that Adam's quotient is well conditioned."""
    rng = np.random.default_rng(3)
    parameters = [rng.normal(size=shape).astype(dtype) for shape in SHAPES]
    gradients = [
        [np.asarray(rng.choice([-1, 1], size=s) * rng.uniform(0.5, 2.0, size=s)).astype(dtype) for s in SHAPES]
        for _ in range(STEPS)
    ]
    return parameters, gradients


def leaves(arrays: list[np.ndarray]) -> list[tg.Tensor]:
    return [tg.tensor(a, dtype=str(a.dtype), requires_grad=True) for a in arrays]


def set_gradients(parameters: list[tg.Tensor], gradients: list[np.ndarray]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = tg.tensor(gradient, dtype=str(gradient.dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("isa", TARGETS)
@pytest.mark.parametrize(("kind", "options"), CONFIGURATIONS, ids=IDS)
def test_against_the_formula(kind: type[Optimizer], options: dict[str, Any], isa: str, dtype: str) -> None:
    """200 steps stay within what rounding can add up to.

    A step rounds the parameter once and its update 8 times at most. The parameters' errors add, and later steps do not
    amplify them: weight decay shrinks them, and gradients do not depend on parameters here. SGD's velocity is up to
    1 / (1 - momentum) gradients. Adam's moments and powers of beta carry the rounding of t steps at most: half of an
    epsilon each in the root, t / 2 on average over the run.
    """
    arrays, gradients = drawn(dtype)
    reference = NumPyOptimizer(kind, [a.astype(np.float64) for a in arrays], options)
    parameters = leaves(arrays)
    largest = max(np.abs(a).max(initial=0) for a in arrays)
    with running_on(isa):
        optimizer = kind(parameters, **options)
        for found in gradients:
            set_gradients(parameters, found)
            optimizer.step()
            reference.step([g.astype(np.float64) for g in found])
            largest = max(largest, *(np.abs(p).max(initial=0) for p in reference.parameters))
    update = options["lr"] * (2.5 if kind is SGD else 1.5) / (1 - options.get("momentum", 0.0))
    roundings = 8 if kind is SGD else 8 + STEPS / 2
    tolerance = np.finfo(dtype).eps * STEPS * (largest + roundings * update)
    for p, expected in zip(parameters, reference.parameters, strict=True):
        assert p.dtype == dtype
        assert np.abs(p.numpy() - expected).max(initial=0) <= tolerance


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "options"), CONFIGURATIONS, ids=IDS)
def test_bits_on_every_isa_and_thread_count(kind: type[Optimizer], options: dict[str, Any], dtype: str) -> None:
    arrays, gradients = drawn(dtype)
    expected: list[bytes] | None = None
    for isa in AVAILABLE:
        for threads in THREADS:
            with running_on(isa, threads):
                parameters = leaves(arrays)
                optimizer = kind(parameters, **options)
                for found in gradients[:3]:
                    set_gradients(parameters, found)
                    optimizer.step()
            state = optimizer.state_dict()["state"].values()
            bits = [p.detach().numpy().tobytes() for p in [*parameters, *state]]
            expected = expected or bits
            assert bits == expected, (isa, threads)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.parametrize(("kind", "options"), CONFIGURATIONS, ids=IDS)
def test_against_pytorch(kind: type[Optimizer], options: dict[str, Any]) -> None:
    import torch

    arrays, gradients = drawn("float64")
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    plain = {name: value for name, value in options.items() if name != "clip_norm"}
    twin = getattr(torch.optim, kind.__name__)(theirs, **plain)
    ours = leaves(arrays)
    optimizer = kind(ours, **options)
    for found in gradients:
        set_gradients(ours, found)
        optimizer.step()
        for p, g in zip(theirs, found, strict=True):
            p.grad = torch.tensor(g)
        if "clip_norm" in options:  # PyTorch divides by norm + 1e-6
            torch.nn.utils.clip_grad_norm_(theirs, options["clip_norm"])
        twin.step()
    tolerance = 1e-4 if "clip_norm" in options else 1e-12
    for a, b in zip(ours, theirs, strict=True):
        assert np.abs(a.detach().numpy() - b.detach().numpy()).max(initial=0) <= tolerance


@pytest.mark.parametrize(("kind", "options"), CONFIGURATIONS, ids=IDS)
def test_saved_and_loaded_it_continues_to_the_bit(kind: type[Optimizer], options: dict[str, Any]) -> None:
    arrays, gradients = drawn("float32")
    options = {**options, "lr": Cosine(options["lr"], steps=20)}
    parameters = leaves(arrays)
    optimizer = kind(parameters, **options)
    for found in gradients[:7]:
        set_gradients(parameters, found)
        optimizer.step()
    saved = optimizer.state_dict()
    copies = leaves([p.detach().numpy() for p in parameters])
    other = kind(copies, **options)
    set_gradients(copies, gradients[50])
    other.step()  # state of its own, to be overwritten
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


def test_state_is_updated_in_place() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    optimizer = Adam([x], lr=0.1)
    x.grad = tg.ones(2)
    address, gradient = x.data_ptr(), x.grad.data_ptr()
    optimizer.step()
    moment = optimizer.groups[0]._state["first_moment"][0].data_ptr()
    version = x._version
    optimizer.step()
    optimizer.zero_grad()
    assert x.data_ptr() == address
    assert x.grad.data_ptr() == gradient
    assert optimizer.groups[0]._state["first_moment"][0].data_ptr() == moment
    assert x._version == version + 1
    assert x.grad.tolist() == [0.0, 0.0]


def test_a_value_used_before_the_step_cannot_be_differentiated_after_it() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    x.grad = tg.ones(2)
    SGD([x], lr=0.1).step()
    with pytest.raises(tg.AutogradError, match="modified in place"):
        y.backward(tg.ones(2))


def test_parameters_without_gradient_and_frozen_ones_are_left_alone() -> None:
    """And when they join later, their bias is corrected from their own first step."""
    a, b, frozen = leaves([np.ones(3), np.ones(3), np.ones(3)])
    optimizer = Adam([a, b, frozen], lr=0.1)
    frozen.grad = tg.ones(3, dtype="float64")
    frozen.requires_grad = False
    a.grad = tg.ones(3, dtype="float64")
    for _ in range(10):
        optimizer.step()
    assert b.tolist() == frozen.tolist() == [1.0] * 3
    assert a.tolist() != [1.0] * 3
    assert set(optimizer.state_dict()["state"]) == {"0.step", "0.first_moment", "0.second_moment"}
    b.grad = tg.ones(3, dtype="float64")
    optimizer.step()
    assert np.allclose(b.detach().numpy(), 0.9, atol=1e-8)
    assert optimizer.state_dict()["state"]["0.step"].tolist() == [11]
    assert optimizer.state_dict()["state"]["1.step"].tolist() == [1]


def test_groups_have_rates_and_options_of_their_own() -> None:
    a, b, c = leaves([np.ones(2), np.ones(2), np.ones(2)])
    optimizer = SGD([{"params": [a], "lr": 0.5}, {"params": b, "weight_decay": 1.0}], lr=0.1)
    optimizer.add_group({"params": [c], "lr": lambda step: 0.25 * (step + 1)})
    set_gradients([a, b, c], [np.ones(2)] * 3)
    assert optimizer.lr == [0.5, 0.1, 0.25]
    optimizer.step()
    assert np.allclose([t.tolist()[0] for t in (a, b, c)], [0.5, 0.8, 0.75])
    assert optimizer.lr == [0.5, 0.1, 0.5]
    optimizer.lr = 1.0
    assert optimizer.lr == [1.0] * 3
    optimizer.lr = [0.1, 0.2, 0.3]
    assert optimizer.lr == [0.1, 0.2, 0.3]
    optimizer.groups[1]["weight_decay"] = 0.0
    assert optimizer.groups[1]["weight_decay"] == 0.0
    assert repr(optimizer) == "SGD(parameters=3, lr=[0.1, 0.2, 0.3], steps=1)"


def test_mixed_dtypes_in_one_optimizer() -> None:
    a, b = leaves([np.ones(2, np.float32), np.ones(2, np.float64)])
    optimizer = Adam([a, b], lr=0.1)
    a.grad, b.grad = tg.ones(2), tg.ones(2, dtype="float64")
    optimizer.step()
    assert np.allclose(a.tolist(), 0.9)
    assert np.allclose(b.tolist(), 0.9)


def test_strided_gradients() -> None:
    x = tg.tensor(np.zeros((2, 3)), dtype="float64", requires_grad=True)
    x.grad = tg.tensor(np.arange(6.0).reshape(3, 2), dtype="float64").permute(1, 0)
    clip_grad_value_(x, 3.0)
    SGD([x], lr=1.0).step()
    assert x.tolist() == [[0, -2, -3], [-1, -3, -3]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clip_grad_norm(dtype: str) -> None:
    arrays, gradients = drawn(dtype)
    exact = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients[0]))
    expected: bytes | None = None
    for isa in AVAILABLE:
        for threads in THREADS:
            with running_on(isa, threads):
                parameters = leaves(arrays)
                set_gradients(parameters, gradients[0])
                norm = clip_grad_norm_(parameters, 2.0)
            found = b"".join([norm.numpy().tobytes()] + [p.grad.numpy().tobytes() for p in parameters])
            expected = expected or found
            assert found == expected
            assert abs(norm.item() - exact) <= 2e-15 * exact
            for p, g in zip(parameters, gradients[0], strict=True):
                assert np.allclose(p.grad.numpy(), g * (2.0 / exact), rtol=4 * np.finfo(dtype).eps, atol=0)
    parameters = leaves(arrays)
    set_gradients(parameters, gradients[0])
    clip_grad_norm_(parameters, 1e6)
    assert all(p.grad.numpy().tobytes() == g.tobytes() for p, g in zip(parameters, gradients[0], strict=True))
    assert clip_grad_norm_(leaves(arrays), 1.0).item() == 0.0


def test_clipping_of_numbers_that_are_not_finite() -> None:
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x.grad = tg.tensor([float("inf"), 1.0, -1.0])
    assert clip_grad_norm_(x, 1.0).item() == float("inf")
    assert np.isnan(x.grad.numpy()[0])
    assert x.grad.tolist()[1:] == [0.0, 0.0]
    x.grad = tg.tensor([float("nan"), 5.0, -float("inf")])
    clip_grad_value_(x, 2.0)
    assert np.isnan(x.grad.numpy()[0])
    assert x.grad.tolist()[1:] == [2.0, -2.0]
    assert np.isnan(clip_grad_norm_(x, 1.0).item())
    huge = tg.tensor([0.0, 0.0], requires_grad=True)
    huge.grad = tg.tensor([3e38, 0.0])  # its square is beyond float32
    assert clip_grad_norm_(huge, 1.0).item() == pytest.approx(3e38, rel=1e-6)


x32 = np.ones(2, np.float32)


def fresh() -> list[tg.Tensor]:
    return leaves([x32])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SGD(fresh(), lr=-1), tg.ArgumentError, "SGD: lr must be finite, at least 0, found -1"),
        (lambda: SGD(fresh(), lr=float("nan")), tg.ArgumentError, "SGD: lr must be finite, at least 0, found nan"),
        (lambda: SGD(fresh(), lr=float("inf")), tg.ArgumentError, "SGD: lr must be finite, at least 0, found inf"),
        (lambda: SGD(fresh(), lr="fast"), tg.ArgumentError, "SGD: lr must be a number, found str"),
        (lambda: SGD(fresh(), lr=lambda step: -1.0), tg.ArgumentError,
         "SGD: lr (of the schedule) must be finite, at least 0, found -1"),
        (lambda: SGD(fresh(), lr=1, momentum=-0.1), tg.ArgumentError,
         "SGD: momentum must be finite, at least 0, found -0.1"),
        (lambda: SGD(fresh(), lr=1, dampening=2), tg.ArgumentError, "SGD: dampening must be at most 1, found 2"),
        (lambda: SGD(fresh(), lr=1, weight_decay=-1), tg.ArgumentError,
         "SGD: weight_decay must be finite, at least 0, found -1"),
        (lambda: SGD(fresh(), lr=1, nesterov=True), tg.ArgumentError,
         "SGD: nesterov=True needs momentum above 0 and dampening 0, found momentum 0 and dampening 0"),
        (lambda: SGD(fresh(), lr=1, clip_norm=0), tg.ArgumentError, "SGD: clip_norm must be finite, above 0, found 0"),
        (lambda: Adam(fresh(), betas=(1.0, 0.9)), tg.ArgumentError,
         "Adam: betas[0] must be finite, at least 0 and below 1, found 1"),
        (lambda: Adam(fresh(), betas=(0.9, -0.1)), tg.ArgumentError,
         "Adam: betas[1] must be finite, at least 0 and below 1, found -0.1"),
        (lambda: Adam(fresh(), betas=0.9), tg.ArgumentError, "Adam: betas must be two numbers, found 0.9"),
        (lambda: AdamW(fresh(), eps=0), tg.ArgumentError, "AdamW: eps must be finite, above 0, found 0"),
        (lambda: AdamW(fresh(), eps=float("nan")), tg.ArgumentError, "AdamW: eps must be finite, above 0, found nan"),
        (lambda: SGD([], lr=1), tg.ArgumentError, "SGD: params is empty: there is nothing to optimize"),
        (lambda: SGD(fresh()[0], lr=1), tg.ArgumentError,
         "SGD: params must be a sequence of tensors, found one tensor; put it in a list"),
        (lambda: SGD([x32], lr=1), tg.ArgumentError, "SGD: parameter 0 must be a tensor, found ndarray"),
        (lambda: SGD(fresh() * 2, lr=1), tg.ArgumentError,
         "SGD: parameter 1 (float32 [2]) is given twice, and would be updated twice in each step"),
        (lambda: SGD([tg.tensor([1, 2])], lr=1), tg.DTypeError,
         "SGD: parameter 0 must be float32 or float64, found int64 [2]"),
        (lambda: SGD([fresh()[0] * 2.0], lr=1), tg.ArgumentError,
         "SGD: parameter 0 (float32 [2]) is the result of an op; optimize the tensors it was made from"),
        (lambda: SGD([tg.tensor(np.ones((2, 3))).permute(1, 0)], lr=1), tg.ArgumentError,
         "SGD: parameter 0 (float64 [3, 2]) is a strided view; make it with tg.contiguous()"),
        (lambda: SGD([{"params": fresh(), "beta": 1}], lr=1), tg.ArgumentError,
         "SGD: unknown options ['beta'] in a group; known are ['dampening', 'lr', 'momentum', 'nesterov', "
         "'weight_decay']"),
        (lambda: SGD([{"lr": 1}], lr=1), tg.ArgumentError,
         "SGD: a parameter group is a dictionary with 'params', found {'lr': 1}"),
        (lambda: clip_grad_norm_(fresh(), -1), tg.ArgumentError,
         "clip_norm: the largest norm must not be negative, found -1"),
        (lambda: clip_grad_value_(fresh(), float("nan")), tg.ArgumentError,
         "clip_grad_value_: the bound must not be negative, found nan"),
    ],
)  # fmt: skip
def test_bad_arguments(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message


def test_a_bad_rate_changes_nothing() -> None:
    x = fresh()[0]
    x.grad = tg.ones(2)
    optimizer = SGD([x], lr=lambda step: 0.5 if step == 0 else float("nan"))
    optimizer.step()
    for _ in range(2):
        with pytest.raises(tg.ArgumentError, match="at step 1\\) must be finite"):
            optimizer.step()
    for bad in (-1.0, float("nan"), [1.0, 2.0]):
        with pytest.raises(tg.ArgumentError):
            optimizer.lr = bad
    with pytest.raises(tg.ArgumentError):
        optimizer.groups[0]["momentum"] = -1
    assert optimizer.groups[0]["momentum"] == 0
    assert optimizer.steps == 1
    assert x.tolist() == [0.5, 0.5]


def test_loading_lists_everything_that_does_not_fit() -> None:
    a, b = leaves([np.ones(2, np.float32), np.ones((3, 2), np.float32)])
    a.grad, b.grad = tg.ones(2), tg.ones((3, 2))
    optimizer = Adam([a, b])
    optimizer.step()
    good = optimizer.state_dict()
    before = a.tolist()

    def refused(expected: list[str], **changes: Any) -> None:
        with pytest.raises(tg.ArgumentError) as caught:
            optimizer.load_state_dict({**good, **changes})
        assert str(caught.value).startswith("Adam.load_state_dict: ")
        for text in expected:
            assert text in str(caught.value)
        assert optimizer.steps == 1
        assert optimizer.state_dict()["state"]["0.step"].tolist() == [1]

    state = dict(good["state"])
    del state["0.step"]
    state["1.first_moment"] = tg.zeros((2, 3))
    state["0.second_moment"] = tg.zeros(2, dtype="float64")
    state["2.first_moment"] = tg.zeros(2)
    refused(
        ["it was saved by SGD, this is Adam", "missing '0.step'", "unexpected '2.first_moment'",
         "'1.first_moment' is float32 [2, 3], here float32 [3, 2]",
         "'0.second_moment' is float64 [2], here float32 [2]"],
        state=state, optimizer="SGD",
    )  # fmt: skip
    group = good["groups"][0]
    refused(["group 0 lacks 'eps'"], groups=[{k: v for k, v in group.items() if k != "eps"}])
    refused(["group 0 has an unexpected 'rho'"], groups=[{**group, "rho": 1}])
    refused(["group 0 has 1 parameters, here 2"], groups=[{**group, "parameters": [0]}])
    refused(["betas[0] must be"], groups=[{**group, "betas": (2, 0.9)}])
    refused(["it has 2 parameter groups, this optimizer 1"], groups=[group, group])
    refused(["step is -1"], step=-1)
    with pytest.raises(tg.ArgumentError, match="this is no optimizer state, it lacks \\['step', 'groups', 'state'\\]"):
        optimizer.load_state_dict({"optimizer": "Adam"})
    assert a.tolist() == before
    optimizer.load_state_dict(good)
