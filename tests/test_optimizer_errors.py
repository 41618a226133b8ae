"""Optimizers: their errors, which change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad.optim import (
    LAMB,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    NAdam,
    RMSprop,
    clip_grad_norm_,
    clip_grad_value_,
    max_norm_,
)

from .optimizer_formulas import leaves

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
        (lambda: SGD(fresh(), lr="0.1"), tg.ArgumentError, "SGD: lr must be a number, found str"),
        (lambda: Adam(tg.nn.Linear(2, 1).named_parameters()), tg.ArgumentError,
         "Adam: parameter 0 must be a tensor, found tuple; .parameters() gives tensors without their names"),
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
        (lambda: SGD({"params": fresh()}, lr=1), tg.ArgumentError, "SGD: params is one group; put it in a list"),
        (lambda: SGD(tg.nn.Linear(2, 3), lr=1), tg.ArgumentError, "SGD: params is a Linear; give its parameters()"),
        (lambda: SGD(None, lr=1), tg.ArgumentError,
         "SGD: params must be a sequence of tensors or of groups, found NoneType"),
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
         "SGD: unknown options ['beta'] in a group; known are ['dampening', 'decoupled_weight_decay', 'l1_decay', "
         "'lr', 'max_norm', 'maximize', 'momentum', 'nesterov', 'weight_decay']"),
        (lambda: SGD(fresh(), lr=1, l1_decay=float("nan")), tg.ArgumentError,
         "SGD: l1_decay must be finite, at least 0, found nan"),
        (lambda: SGD(fresh(), lr=1, max_norm=0), tg.ArgumentError, "SGD: max_norm must be finite, above 0, found 0"),
        (lambda: SGD(fresh(), lr=1, clip_value=-1), tg.ArgumentError,
         "SGD: clip_value must be finite, above 0, found -1"),
        (lambda: SGD(fresh(), lr=1, clip_value=1, clip_norm=1), tg.ArgumentError,
         "SGD: give clip_value or clip_norm, not both"),
        (lambda: Adagrad(fresh(), lr_decay=-1), tg.ArgumentError,
         "Adagrad: lr_decay must be finite, at least 0, found -1"),
        (lambda: Adagrad(fresh(), initial_accumulator_value=float("nan")), tg.ArgumentError,
         "Adagrad: initial_accumulator_value must be finite, at least 0, found nan"),
        (lambda: Adagrad(fresh(), eps=0), tg.ArgumentError, "Adagrad: eps must be finite, above 0, found 0"),
        (lambda: RMSprop(fresh(), alpha=1), tg.ArgumentError,
         "RMSprop: alpha must be finite, at least 0 and below 1, found 1"),
        (lambda: RMSprop(fresh(), lr=float("nan")), tg.ArgumentError,
         "RMSprop: lr must be finite, at least 0, found nan"),
        (lambda: RMSprop(fresh(), momentum=-1), tg.ArgumentError,
         "RMSprop: momentum must be finite, at least 0, found -1"),
        (lambda: Adadelta(fresh(), rho=-0.5), tg.ArgumentError,
         "Adadelta: rho must be finite, at least 0 and below 1, found -0.5"),
        (lambda: Adadelta(fresh(), eps=float("inf")), tg.ArgumentError,
         "Adadelta: eps must be finite, above 0, found inf"),
        (lambda: NAdam(fresh(), momentum_decay=-1), tg.ArgumentError,
         "NAdam: momentum_decay must be finite, at least 0, found -1"),
        (lambda: NAdam(fresh(), betas=(0.9, 1.0)), tg.ArgumentError,
         "NAdam: betas[1] must be finite, at least 0 and below 1, found 1"),
        (lambda: LAMB(fresh(), lr=-1), tg.ArgumentError, "LAMB: lr must be finite, at least 0, found -1"),
        (lambda: LAMB(fresh(), betas="ab"), tg.ArgumentError, "LAMB: betas[0] must be a number, found str"),
        (lambda: LAMB(fresh(), decoupled_weight_decay=True), tg.ArgumentError,
         "LAMB: decoupled_weight_decay does not apply: its weight decay is never in the gradient"),
        (lambda: max_norm_(tg.zeros((2, 2)), 0), tg.ArgumentError,
         "max_norm_: the largest norm must be above 0, found 0"),
        (lambda: max_norm_(tg.zeros((2, 3)).permute(1, 0), 1), tg.ArgumentError,
         "max_norm_: weight 0 is a strided view (float32 [3, 2], strides [1, 3]) and cannot be updated in place; make "
         "it with tg.contiguous()"),
        (lambda: max_norm_([tg.tensor([[1, 2]])], 1), tg.DTypeError,
         "max_norm_: weight 0 must be float32 or float64, found int64 [1, 2]"),
        (lambda: SGD([{"lr": 1}], lr=1), tg.ArgumentError,
         "SGD: a parameter group is a dictionary with 'params', found {'lr': 1}"),
        (lambda: SGD([{"params": tg.nn.Linear(2, 3)}], lr=1), tg.ArgumentError,
         "SGD: params of a group is a Linear; give its parameters()"),
        (lambda: SGD([{"params": None}], lr=1), tg.ArgumentError,
         "SGD: params of a group must be tensors, found NoneType"),
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
    state = dict(good["state"])
    del state["0.first_moment"], state["1.second_moment"]
    refused(["missing '0.first_moment'; missing '1.second_moment'"], state=state)
    refused(["missing '1.largest_second_moment'"], groups=[{**group, "amsgrad": True}])
    refused(["'1.step' is a ndarray, expected a tensor"], state={**good["state"], "1.step": np.ones(1, np.int64)})
    refused(["groups is [3], expected a list of dictionaries"], groups=[3])
    refused(["group 0 has None parameters, here 2"], groups=[{**group, "parameters": None}])
    refused(["state is a list, expected tensors by name"], state=[1])
    with pytest.raises(tg.ArgumentError, match="expected a state dict, found NoneType"):
        optimizer.load_state_dict(None)  # type: ignore[arg-type]
    with pytest.raises(tg.ArgumentError, match="this is no optimizer state, it lacks \\['step', 'groups', 'state'\\]"):
        optimizer.load_state_dict({"optimizer": "Adam"})
    assert a.tolist() == before
    optimizer.load_state_dict(good)
