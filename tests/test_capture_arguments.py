"""What goes into a captured function and comes out of it: structures, names, views, methods."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest

import tilegrad as tg


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
