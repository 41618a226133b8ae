"""Modules: what they find inside themselves, state dicts, hooks, copies, and the layer's path in errors."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn


class Scale(nn.Module):
    """x * factor + shift, with a counter that is not trained."""

    def __init__(self, size: int, start: float = 1.0) -> None:
        self.factor = nn.Parameter(tg.full((size,), start))
        self.shift = nn.Parameter(tg.zeros(size))
        self.register_buffer("count", tg.zeros((), dtype="int64"))

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return x * self.factor + self.shift


class Lazy(nn.Module):
    """Adds a vector whose size comes from the first input."""

    def __init__(self, size: int | None = None) -> None:
        self.size = size
        self.vector: Any = None
        self._unbuilt = size is None
        if size is not None:
            self._make_parameters()

    def _make_parameters(self) -> None:
        assert self.size is not None
        self.vector = nn.Parameter(tg.ones(self.size))

    def _create(self, x: tg.Tensor) -> None:
        self._infer(size=x.shape[-1])

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return x + self.vector


class Pair(nn.Module):
    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        self.blocks = nn.ModuleList([first, second])

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        for block in self.blocks:
            x = block(x)
        return x


def names(found: Any) -> list[str]:
    return [name for name, _ in found]


def test_parameters_buffers_and_modules_are_found_by_path() -> None:
    model = Pair(Scale(2), nn.Sequential(Scale(3)))
    assert names(model.named_parameters()) == [
        "blocks.0.factor", "blocks.0.shift", "blocks.1.0.factor", "blocks.1.0.shift"
    ]  # fmt: skip
    assert names(model.named_buffers()) == ["blocks.0.count", "blocks.1.0.count"]
    assert names(model.named_modules()) == ["", "blocks", "blocks.0", "blocks.1", "blocks.1.0"]
    assert names(model.named_children()) == ["blocks"]
    assert list(model.state_dict()) == [
        "blocks.0.factor", "blocks.0.shift", "blocks.0.count", "blocks.1.0.factor", "blocks.1.0.shift",
        "blocks.1.0.count",
    ]  # fmt: skip


def test_a_shared_layer_counts_once() -> None:
    shared = Scale(2)
    model = nn.Sequential(shared, shared)
    assert names(model.named_parameters()) == ["0.factor", "0.shift"]
    assert np.array_equal(model(tg.ones((1, 2))).numpy(), [[1, 1]])


def test_an_attribute_that_is_replaced_or_deleted_is_not_found() -> None:
    layer = Scale(2)
    layer.shift = nn.Parameter(tg.ones(2))
    assert sum(p.size for p in layer.parameters()) == 4
    del layer.shift
    assert names(layer.named_parameters()) == ["factor"]


def test_a_plain_list_of_modules_warns() -> None:
    layer = Scale(1)
    with pytest.warns(UserWarning, match="ModuleList"):
        layer.others = [Scale(1)]  # type: ignore[attr-defined]


def test_a_tensor_is_not_lost_in_the_place_of_a_parameter() -> None:
    layer = nn.Linear(3, 2)
    for value in (tg.zeros((3, 2)), np.zeros((3, 2), np.float32)):
        with pytest.raises(tg.DTypeError, match=r"^Linear\.weight is a parameter.*assign nn\.Parameter\(tensor\)"):
            layer.weight = value  # type: ignore[assignment]
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    layer.weight = nn.Parameter(tg.zeros((3, 2)))
    layer.bias = None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]


def test_a_leaf_that_is_no_parameter_warns() -> None:
    module = Scale(2)
    with pytest.warns(UserWarning, match=r"Scale\.extra is a tensor that wants a gradient but no parameter.*Parameter"):
        module.extra = tg.zeros(2, requires_grad=True)
    module.result = nn.Parameter(tg.ones(2)) * 2.0
    module.constant = tg.zeros(2)


def test_train_and_eval_reach_every_module() -> None:
    model = Pair(Scale(2), nn.Sequential(Scale(3)))
    assert all(m.training for m in model.modules())
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    assert all(m.training for m in model.train().modules())
    with pytest.raises(tg.ArgumentError, match=r"Pair\.train: mode must be True or False, found \[1, 2\]"):
        model.train([1, 2])  # type: ignore[arg-type]
    assert all(m.training for m in model.modules())


def test_freeze_and_unfreeze() -> None:
    model = Pair(Scale(2), Scale(2))
    model.blocks[0].freeze()
    (model(tg.ones((1, 2))) * 1.0).backward(tg.ones((1, 2)))
    assert model.blocks[0].factor.grad is None
    assert model.blocks[1].factor.grad is not None
    assert all(p.requires_grad for p in model.unfreeze().parameters())


def test_zero_grad_keeps_the_buffers() -> None:
    layer = Scale(2)
    layer(tg.ones(2)).backward(tg.ones(2))
    grad = layer.factor.grad
    assert np.array_equal(grad.numpy(), [1, 1])
    layer.zero_grad()
    assert np.array_equal(grad.numpy(), [0, 0])
    assert layer.factor.grad.data_ptr() == grad.data_ptr()


def test_load_state_dict_copies_in_place() -> None:
    source, target = Scale(2, 3.0), Scale(2)
    parameter, address = target.factor, target.factor.data_ptr()
    result = target.load_state_dict(source.state_dict())
    assert result == ([], [])
    assert target.factor is parameter
    assert target.factor.data_ptr() == address != source.factor.data_ptr()
    assert np.array_equal(target.factor.detach().numpy(), [3, 3])


def test_load_state_dict_of_views_of_its_own_memory() -> None:
    layer = nn.Linear(3, 3, bias=False)
    before = layer.weight.numpy().copy()
    layer.load_state_dict({"weight": layer.weight.detach().T})
    assert np.array_equal(layer.weight.numpy(), before.T)


def test_load_state_dict_takes_numpy_arrays() -> None:
    layer = Scale(2)
    layer.load_state_dict({"factor": np.float32([5, 6]), "shift": np.float32([1, 2]), "count": np.int64(7)})
    assert np.array_equal(layer.factor.detach().numpy(), [5, 6])
    assert layer.count.item() == 7


def test_load_state_dict_lists_every_problem_and_changes_nothing() -> None:
    model = nn.Sequential(OrderedDict(a=Scale(2), b=Scale(3)))
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    state = dict(model.state_dict())
    del state["a.shift"]
    state["extra"] = tg.ones(4)
    state["a.factor"] = tg.ones((2, 1))
    state["b.factor"] = tg.ones(3, dtype="float64")
    state["b.shift"] = "text"
    with pytest.raises(tg.StateDictError) as caught:
        model.load_state_dict(state)
    message = str(caught.value)
    for line in (
        "missing: a.shift float32 [2]",
        "unexpected: extra float32 [4]",
        "misshaped: a.factor float32 [2, 1], expected float32 [2]",
        "mistyped: b.factor float64 [3], expected float32 [3]",
        "mistyped: b.shift is a str",
    ):
        assert line in message
    assert isinstance(caught.value, ValueError)
    for name, tensor in model.state_dict().items():
        assert np.array_equal(tensor.numpy(), before[name])


def test_load_state_dict_of_what_is_none() -> None:
    for state in (None, [1.0], Scale(1)):
        with pytest.raises(tg.StateDictError, match=f"of this Scale, found {type(state).__name__}"):
            Scale(1).load_state_dict(state)  # type: ignore[arg-type]
    with pytest.raises(tg.StateDictError, match=r"found str; tg\.load\(\) reads a model file"):
        Scale(1).load_state_dict("layer.safetensors")  # type: ignore[arg-type]


def test_load_state_dict_that_is_not_strict() -> None:
    layer = Scale(2)
    result = layer.load_state_dict({"factor": tg.full((2,), 4.0), "other": tg.ones(1)}, strict=False)
    assert result.missing == ["shift", "count"]
    assert result.unexpected == ["other"]
    assert np.array_equal(layer.factor.detach().numpy(), [4, 4])
    with pytest.raises(tg.StateDictError, match="misshaped"):
        layer.load_state_dict({"factor": tg.ones(9)}, strict=False)


def test_to_changes_floating_dtypes_and_keeps_sharing() -> None:
    shared = Scale(2)
    model = nn.Sequential(shared, shared, Scale(2)).to("float64")
    assert {p.dtype.name for p in model.parameters()} == {"float64"}
    assert model[0].factor is model[1].factor
    assert model[0].count.dtype == "int64"
    assert model.to("cpu") is model
    with pytest.raises(tg.DeviceError, match="cuda"):
        model.to("cuda:9")
    with pytest.raises(tg.DTypeError, match="int64"):
        model.to(tg.int64)


@pytest.mark.parametrize("moved", [nn.Linear(2, 1), tg.zeros(2)], ids=["module", "tensor"])
def test_to_nowhere(moved: Any) -> None:
    with pytest.raises(
        tg.DTypeError, match=r"^to: 'gpu' is no device \('cpu', 'cuda', 'cuda:1'\); dtype 'gpu' is not one"
    ):
        moved.to("gpu")


def test_sizes_are_inferred_at_build_and_at_the_first_call() -> None:
    model = nn.Sequential(Lazy(), Lazy())
    with pytest.raises(tg.ArgumentError, match=r"^0 \(Lazy\) has no parameters yet.*build"):
        list(model.parameters())
    assert model.build((3,)) is model
    assert [p.shape for p in model.parameters()] == [(3,), (3,)]
    assert repr(model) == "Sequential(\n    Lazy(size=3),\n    Lazy(size=3),\n)"
    assert model.training
    model = nn.Sequential(Lazy())
    assert model(tg.ones((2, 5))).shape == (2, 5)
    assert [p.shape for p in model.parameters()] == [(5,)]


def test_hooks_see_and_replace_outputs_until_removed() -> None:
    layer, seen = Scale(2), []
    first = layer.register_forward_hook(lambda module, inputs, output: seen.append((module, inputs[0].shape)))
    second = layer.register_forward_hook(lambda module, inputs, output: output * 2.0)
    assert np.array_equal(layer(tg.ones(2)).detach().numpy(), [2, 2])
    assert seen == [(layer, (2,))]
    first.remove()
    first.remove()
    second.remove()
    assert np.array_equal(layer(tg.ones(2)).detach().numpy(), [1, 1])
    assert len(seen) == 1


def test_deepcopy_has_memory_of_its_own_and_keeps_sharing() -> None:
    shared = Scale(2)
    model = nn.Sequential(shared, shared)
    copied = copy.deepcopy(model)
    assert copied[0] is copied[1] is not shared
    assert copied[0].factor.requires_grad
    assert isinstance(copied[0].factor, nn.Parameter)
    copied[0].load_state_dict(Scale(2, 9.0).state_dict())
    assert np.array_equal(shared.factor.detach().numpy(), [1, 1])


def test_copy_is_another_module_around_the_same_parameters() -> None:
    model = nn.Sequential(Scale(2))
    copied = copy.copy(model)
    assert copied[0] is model[0]
    copied.append(Scale(2))
    assert len(model) == 1


def test_repr_reads_like_the_code() -> None:
    model = nn.Sequential(OrderedDict(scale=Scale(2, start=0.5), inner=nn.Sequential(Scale(3))))
    assert repr(model) == (
        "Sequential(OrderedDict(\n    scale=Scale(2, start=0.5),\n    inner=Sequential(\n        Scale(3),\n    ),\n))"
    )
    assert repr(nn.Sequential()) == "Sequential()"
    assert repr(nn.ModuleDict({"a": Scale(1)})) == "ModuleDict({\n    'a': Scale(1),\n})"


def test_containers() -> None:
    model = nn.Sequential(Scale(1), Scale(2)).append(Scale(3))
    assert [m.factor.size for m in model] == [1, 2, 3]
    assert model[-1].factor.size == 3
    model[1] = Scale(7)
    assert model["1"].factor.size == 7
    with pytest.raises(IndexError, match="index 3 is out of range for 3 modules"):
        model[3]
    with pytest.raises(tg.ArgumentError, match="give the layer itself"):
        nn.Sequential(Scale)
    with pytest.raises(AttributeError, match="nothing"):
        model.nothing  # noqa: B018
    heads = nn.ModuleDict({"a": Scale(1)})
    heads["b"] = Scale(2)
    assert names(heads.named_parameters()) == ["a.factor", "a.shift", "b.factor", "b.shift"]
    assert "a" in heads
    assert list(heads) == ["a", "b"]
    for bad, told in (({1: Scale(1)}, "1 cannot be a module's name"), ({"a.b": Scale(1)}, "'a.b' cannot be")):
        with pytest.raises(tg.ArgumentError, match=f"ModuleDict: {told}"):
            nn.ModuleDict(bad)  # type: ignore[arg-type]
    with pytest.raises(tg.ArgumentError, match="ModuleDict: give a dictionary from names to modules, found list"):
        heads.update([("c", Scale(1))])  # type: ignore[arg-type]
    assert list(nn.ModuleDict(heads)) == list(heads)
    with pytest.raises(tg.ArgumentError, match="ModuleList: give a list of modules, found one Scale"):
        nn.ModuleList(Scale(1))  # type: ignore[arg-type]


def test_attributes_of_containers_are_found_and_not_run_through() -> None:
    class Blocks(nn.ModuleList):
        def __init__(self) -> None:
            super().__init__([Scale(1)])
            self.last = Scale(2)

    blocks = Blocks()
    assert len(blocks) == len(list(blocks)) == 1
    assert [name for name in blocks.state_dict() if "factor" in name] == ["0.factor", "last.factor"]
    assert not blocks.eval().last.training
    blocks.set_submodule("last", Scale(3))
    assert blocks.last.factor.size == 3
    blocks.add_module("1", Scale(4))
    assert [block.factor.size for block in blocks] == [1, 4]


class Wrong(nn.Module):
    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return x + tg.ones((7, 7))


def test_an_error_has_the_path_of_its_layer_in_front_once() -> None:
    with pytest.raises(tg.ShapeError) as plain:
        tg.add(tg.ones(2), tg.ones((7, 7)))
    model = nn.Sequential(OrderedDict(features=Pair(Scale(2), nn.Sequential(Scale(2), Wrong()))))
    with pytest.raises(tg.ShapeError) as caught:
        model(tg.ones(2))
    assert str(caught.value) == f"features.blocks.1.1 (Wrong): {plain.value}"
    with pytest.raises(tg.ShapeError) as caught:
        Wrong()(tg.ones(2))
    assert str(caught.value) == f"Wrong: {plain.value}"


def test_a_forward_that_is_missing_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(1)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (nn.Flatten(), "Flatten"), (nn.MaxPool2d(2), "MaxPool2d"), (nn.BatchNorm2d(1), "BatchNorm2d"),
        (nn.Conv2d(1, 2, 3), "Conv2d"), (nn.Conv2d(None, 2, 3), "Conv2d"), (nn.LSTM(1, 2), "LSTM"),
        (nn.Sequential(nn.Dropout(0.5), nn.ReLU()), r"0 \(Dropout\)"),
    ],
)  # fmt: skip
def test_arrays_for_tensors(layer: nn.Module, kind: str) -> None:
    """The first mistake of all: a layer says that it was given an array, and how to make a tensor of it."""
    with pytest.raises(tg.DTypeError, match=rf"^{kind}: .*tensor, found (numpy\.)?ndarray.*tg.tensor\(\)"):
        layer(np.ones((2, 4, 4, 1), np.float32))


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss(), nn.NLLLoss()])
def test_arrays_for_targets(loss: nn.Module) -> None:
    with pytest.raises(tg.DTypeError, match=r"target must be a tensor, found numpy.ndarray; tg.tensor\(\)"):
        loss(tg.zeros((2, 3)), np.zeros(2, np.int64))


def test_mistakes_of_a_module_of_ones_own_are_its_own() -> None:
    class Wrong(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.no_such_thing

    with pytest.raises(AttributeError, match="no_such_thing"):
        Wrong()(np.ones(3))


def test_summary_counts_parameters() -> None:
    model = nn.Sequential(OrderedDict(a=Scale(2), b=nn.Sequential(Lazy())))
    model.a.freeze()
    summary = model.summary((5, 2))
    assert [(r.name, r.kind, r.output_shape, r.parameters) for r in summary.rows] == [
        ("a", "Scale", (5, 2), 4),
        ("b.0", "Lazy", (5, 2), 2),
    ]
    assert (summary.total, summary.trainable) == (6, 2)
    assert str(summary).splitlines()[0].split() == ["layer", "kind", "output", "parameters", "multiply-adds"]
    assert "(N, 5, 2)" in str(summary)
