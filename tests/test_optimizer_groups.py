"""Optimizers: their groups, what state they keep, and which parameters they touch."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad.optim import LAMB, SGD, Adam, AdamW, NAdam, Optimizer, RMSprop, clip_grad_value_

from .optimizer_formulas import CONFIGURATIONS, IDS, drawn, leaves, set_gradients


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


@pytest.mark.parametrize(("kind", "options"), CONFIGURATIONS, ids=IDS)
def test_a_parameter_that_joins_later_starts_from_its_own_first_step(
    kind: type[Optimizer], options: dict[str, Any]
) -> None:
    """With the bits of an optimizer of its own; until then it has no state."""
    arrays, gradients = drawn("float32")
    early, late, alone = leaves([arrays[0], arrays[4], arrays[4]])
    options = {name: value for name, value in options.items() if name != "clip_norm"}  # which is of all gradients
    optimizer, other = kind([early, late], **options), kind([alone], **options)
    set_gradients([early], [gradients[0][0]])
    for _ in range(3):
        optimizer.step()
    assert late.tolist() == arrays[4].tolist()
    assert all(name.startswith("0.") for name in optimizer.state_dict()["state"])
    for found in gradients[:3]:
        set_gradients([late], [found[4]])
        set_gradients([alone], [found[4]])
        optimizer.step()
        other.step()
    assert late.detach().numpy().tobytes() == alone.detach().numpy().tobytes()


def test_adam_with_decoupled_decay_is_adamw() -> None:
    a, b = leaves([np.ones(5), np.ones(5)])
    pair = Adam([a], lr=0.1, weight_decay=0.3, decoupled_weight_decay=True), AdamW([b], lr=0.1, weight_decay=0.3)
    for optimizer in pair:
        set_gradients([a, b], [np.arange(5.0)] * 2)
        optimizer.step()
    assert a.tolist() == b.tolist() != [1.0] * 5


def test_options_that_are_set_later_reach_captured_steps() -> None:
    def run(capture: bool) -> list[float]:
        x = tg.tensor([[3.0, -2.0]], dtype="float64", requires_grad=True)
        optimizer = Adam([x], lr=0.1)

        def step() -> None:
            optimizer.zero_grad()
            (x * x).sum().backward()
            optimizer.step()

        taken = tg.capture(step) if capture else step
        changes: list[tuple[str, Any]] = [
            ("l1_decay", 0.5), ("max_norm", 0.7), ("maximize", True), ("amsgrad", True), ("weight_decay", 0.1),
            ("decoupled_weight_decay", True), ("lr", 0.01),
        ]  # fmt: skip
        for name, value in changes:
            for _ in range(3):
                taken()
            optimizer.groups[0][name] = value
        optimizer.clip_value = 0.1
        for _ in range(3):
            taken()
        optimizer.clip_value = None
        optimizer.clip_norm = 0.1
        taken()
        return list(x.detach().numpy().reshape(-1))

    assert run(True) == run(False)


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


def test_groups_under_the_names_of_pytorch() -> None:
    a, b = leaves([np.ones(2), np.ones(2)])
    optimizer = SGD([a], lr=0.5)
    optimizer.add_param_group({"params": [b], "lr": 0.25})
    assert optimizer.param_groups is optimizer.groups
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.25]
    optimizer.param_groups[1]["lr"] = 1.0
    set_gradients([a, b], [np.ones(2)] * 2)
    optimizer.step()
    assert (a.tolist(), b.tolist()) == ([0.5] * 2, [0.0] * 2)
    with pytest.raises(tg.ArgumentError, match="SGD: unknown option 'eps' of a group; known are"):
        optimizer.groups[0]["eps"] = 1.0
    with pytest.raises(TypeError, match="unexpected keyword argument 'beta'"):
        SGD([a], lr=1, beta=1)  # type: ignore[call-arg]


def test_a_copied_optimizer_knows_its_own_parameters() -> None:
    optimizer = copy.deepcopy(SGD(leaves([np.ones(2)]), lr=0.5))
    with pytest.raises(tg.ArgumentError, match="given twice"):
        optimizer.add_group({"params": optimizer.groups[0].parameters})


def test_state_is_kept_only_where_it_is_needed() -> None:
    def kept(kind: type[Optimizer], **options: Any) -> set[str]:
        x = leaves([np.ones(2)])[0]
        optimizer = kind([x], **options)
        x.grad = tg.ones(2, dtype="float64")
        optimizer.step()
        return {name.split(".")[1] for name in optimizer.state_dict()["state"]} - {"step"}

    assert kept(SGD, lr=1) == set()
    assert kept(Adam) == {"first_moment", "second_moment"}
    assert kept(Adam, amsgrad=True) == {"first_moment", "second_moment", "largest_second_moment"}
    assert kept(RMSprop) == {"mean_square"}
    assert kept(RMSprop, centered=True, momentum=0.1) == {"mean_square", "mean", "velocity"}
    assert kept(NAdam) == {"first_moment", "second_moment", "momentum_product"}


def test_state_that_an_option_needs_is_there_when_it_is_set() -> None:
    x, y = leaves([np.ones(2), np.ones(2)])
    optimizer, other = SGD([x], lr=1), SGD([y], lr=1)
    x.grad = tg.ones(2, dtype="float64")
    optimizer.step()
    optimizer.groups[0]["momentum"] = 0.5
    other.load_state_dict(optimizer.state_dict())
    assert sorted(other.state_dict()["state"]) == ["0.step", "0.velocity"]


def test_a_centered_variance_that_rounds_below_zero_counts_as_zero() -> None:
    x = tg.tensor(np.linspace(0.1, 3, 300), dtype="float32", requires_grad=True)
    optimizer = RMSprop([x], lr=1e-3, centered=True, alpha=0.5)
    x.grad = tg.tensor(np.linspace(0.1, 3, 300), dtype="float32")
    for _ in range(200):  # the variance of a constant
        optimizer.step()
    assert np.isfinite(x.detach().numpy()).all()


@pytest.mark.parametrize("kind", [LAMB, Adam, NAdam])
def test_a_zero_gradient_and_a_zero_parameter(kind: type[Optimizer]) -> None:
    x, y = leaves([np.zeros(3), np.ones(3)])
    x.grad, y.grad = tg.ones(3, dtype="float64"), tg.zeros(3, dtype="float64")
    kind([x, y], lr=0.1, weight_decay=0.0).step()
    assert np.allclose(x.detach().numpy(), -0.1, atol=0.01)  # LAMB's quotient of norms counts as 1
    assert y.tolist() == [1.0] * 3


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
