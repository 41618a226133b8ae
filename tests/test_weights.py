"""Weights of PyTorch and Keras: layouts, names, flattened images, and every entry that does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.io import safetensors

rng = np.random.default_rng(0)


def draw(*shape: int) -> np.ndarray[Any, Any]:
    return rng.normal(size=shape).astype(np.float32)


def model_of() -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, activation="relu"), nn.Flatten(), nn.Linear(2 * 3 * 4, 5)
    )


INPUT = (4, 5, 3)


def state_of() -> dict[str, Any]:
    return {
        "0.weight": draw(4, 3, 3, 3), "1.weight": draw(4), "1.bias": draw(4), "1.running_mean": draw(4),
        "1.running_var": draw(4) ** 2, "1.num_batches_tracked": np.array(7), "3.weight": draw(5, 24), "3.bias": draw(5),
    }  # fmt: skip


def values(model: nn.Module) -> dict[str, Any]:
    return {path: tensor.numpy().copy() for path, tensor in model.state_dict().items()}


def test_layouts_by_hand() -> None:
    model, state = model_of(), state_of()
    assert tg.io.load_torch(state, into=model, input_shape=INPUT) == ([], [])
    found = values(model)
    assert np.array_equal(found["0.weight"], state["0.weight"].transpose(2, 3, 1, 0))
    for name in ("1.weight", "1.bias", "1.running_mean", "1.running_var", "3.bias"):
        assert np.array_equal(found[name], state[name])
    for h in range(2):
        for w in range(3):
            for c in range(4):
                assert np.array_equal(found["3.weight"][(h * 3 + w) * 4 + c], state["3.weight"][:, (c * 2 + h) * 3 + w])


def test_the_mode_and_the_random_state_stay(tmp_path: Path) -> None:
    model = model_of().eval()
    model[1].train()
    tg.manual_seed(3)
    tg.io.load_torch(state_of(), into=model, input_shape=INPUT)
    after = tg.rand(2).tolist()
    tg.manual_seed(3)
    assert tg.rand(2).tolist() == after
    assert [m.training for m in model] == [False, True, False, False]


@pytest.mark.parametrize("kind", ["safetensors", "zip", "streams", "torch", "tensors", "float64"])
def test_sources(kind: str, tmp_path: Path) -> None:
    state, model = state_of(), model_of()
    source: Any = state
    if kind == "safetensors":
        tensors = {name: tg.tensor(value) for name, value in state.items()}
        (tmp_path / "m").write_bytes(b"".join(bytes(part) for part in safetensors.layout(tensors, {"format": "pt"})))
        source = tmp_path / "m"
    elif kind == "tensors":
        source = {name: tg.tensor(value) for name, value in state.items()}
    elif kind == "float64":
        source = {name: value.astype(np.float64) if value.ndim else value for name, value in state.items()}
    else:
        torch = pytest.importorskip("torch")
        source = {name: torch.from_numpy(value.copy()) for name, value in state.items()}
        source["0.weight"] = torch.nn.Parameter(source["0.weight"].to(memory_format=torch.channels_last))
        if kind != "torch":
            torch.save(source, tmp_path / "m", _use_new_zipfile_serialization=kind == "zip")
            source = tmp_path / "m"
    tg.io.load_torch(source, into=model, input_shape=INPUT, cast=kind == "float64")
    expected = model_of()
    tg.io.load_torch(state, into=expected, input_shape=INPUT)
    for path, value in values(expected).items():
        assert np.array_equal(values(model)[path], value)


def test_every_entry_that_does_not_fit_and_nothing_changed() -> None:
    model, state = model_of(), state_of()
    before = values(model)
    del state["1.bias"], state["3.weight"]
    state |= {
        "0.weight": draw(3, 3, 3, 4),
        "1.weight": draw(4).astype(np.float64),
        "4.weight": draw(1),
        "1.running_var": "a",
    }
    with pytest.raises(tg.StateDictError) as caught:
        tg.io.load_torch(state, into=model, input_shape=INPUT)
    lines = str(caught.value).split("\n    ")
    assert lines[0] == "load_torch: the weights do not fit this Sequential:"
    assert set(lines[1:]) == {
        "missing: 1.bias float32 [4]",
        "missing: 3.weight float32 [5, 24]",
        "misshaped: 0.weight float32 [3, 3, 3, 4], expected float32 [4, 3, 3, 3]",
        "mistyped: 1.weight float64 [4], expected float32 [4]; cast=True converts it",
        "mistyped: 1.running_var (str), expected float32 [4]",
        "unexpected: 4.weight float32 [1]",
    }
    # Where not all must be there, shapes must fit still.
    with pytest.raises(tg.StateDictError, match="misshaped") as caught:
        tg.io.load_torch(state, into=model, input_shape=INPUT, strict=False)
    assert "missing" not in str(caught.value)
    for path, value in values(model).items():
        assert np.array_equal(value, before[path])


def test_a_part_of_the_weights() -> None:
    model, state = model_of(), state_of()
    state["5.bias"] = draw(1)
    del state["1.bias"]
    found = tg.io.load_torch(state, into=model, input_shape=INPUT, strict=False)
    assert found.missing == ["1.bias"]
    assert found.unexpected == ["5.bias"]
    # A head for other classes stays as it is.
    model[3] = nn.Linear(24, 2)
    head, state = model[3].weight.detach().tolist(), state_of()
    assert tg.io.load_torch(state, into=model, input_shape=INPUT, skip=["3"]) == ([], [])
    assert model[3].weight.detach().tolist() == head
    with pytest.raises(tg.ArgumentError, match="'head', of skip or flattened, is not a layer"):
        tg.io.load_torch(state, into=model, input_shape=INPUT, skip=["head"])


def test_names_and_nested_checkpoints() -> None:
    model, state = model_of(), state_of()
    expected = model_of()
    tg.io.load_torch(state, into=expected, input_shape=INPUT)
    prefixed = {f"module.{name}": value for name, value in state.items()}
    for rename in ({"module": ""}, lambda name: name.removeprefix("module.")):
        tg.io.load_torch({"epoch": 1, "model": prefixed}, into=model, input_shape=INPUT, rename=rename, key="model")
        assert np.array_equal(values(model)["3.weight"], values(expected)["3.weight"])
    names = {"module": "", "module.1": "3", "module.3": "1"}  # the longest counts
    with pytest.raises(tg.StateDictError, match=r"misshaped: 1\.weight float32 \[5, 24\]"):
        tg.io.load_torch(prefixed, into=model, input_shape=INPUT, rename=names)
    with pytest.raises(tg.ArgumentError, match=r"it has 'epoch', 'model'; say which.*key='model'"):
        tg.io.load_torch({"epoch": 1, "model": prefixed}, into=model, input_shape=INPUT)
    with pytest.raises(tg.ArgumentError, match=r"no entry 'weights': it has 'epoch'"):
        tg.io.load_torch({"epoch": 1}, into=model, key="weights")
    with pytest.raises(tg.ArgumentError, match="two entries come to be called 'x'"):
        tg.io.load_torch(state, into=model, rename=lambda name: "x")
    with pytest.raises(tg.ArgumentError, match="expected a state dict or a file of one, found list"):
        tg.io.load_torch([], into=model)  # type: ignore[arg-type]


# Where an image is flattened.


def test_an_input_shape_is_asked_for_where_it_matters() -> None:
    with pytest.raises(tg.ArgumentError, match=r"give input_shape=, the shape of one sample"):
        tg.io.load_torch(state_of(), into=model_of())
    with pytest.raises(tg.ArgumentError, match=r"has no parameters yet"):
        tg.io.load_torch({}, into=nn.Sequential(nn.Linear(None, 2)))
    model = tg.models.resnet20(include_top=False)
    with pytest.raises(tg.StateDictError, match=r"missing: conv1\.weight"):
        tg.io.load_torch({}, into=model)


@nn.register("tests.Flattening")
class Flattening(nn.Module):
    """Its forward flattens, and does something between."""

    def __init__(self, between: Callable[[Any], Any]) -> None:
        self.between = between
        self.flatten, self.fc = nn.Flatten(), nn.Linear(12, 2)

    def forward(self, x: tg.Tensor) -> Any:
        return self.fc(self.between(self.flatten(x)))


def test_flattened_images_that_cannot_be_followed() -> None:
    state = {"fc.weight": draw(2, 12), "fc.bias": draw(2)}
    model = Flattening(lambda x: x * 2.0)
    with pytest.raises(tg.ArgumentError, match=r"that flatten flattens was not seen to come to a dense layer"):
        tg.io.load_torch(state, into=model, input_shape=(2, 2, 3))
    tg.io.load_torch(state, into=model, flattened={})
    assert np.array_equal(values(model)["fc.weight"], state["fc.weight"].T)
    tg.io.load_torch(state, into=model, flattened={"fc": (2, 2, 3)})
    turned = state["fc.weight"].reshape(2, 3, 2, 2).transpose(2, 3, 1, 0).reshape(12, 2)
    assert np.array_equal(values(model)["fc.weight"], turned)
    with pytest.raises(tg.ArgumentError, match=r"fc has 12 rows, which an image \[2, 2, 4\] does not flatten to"):
        tg.io.load_torch(state, into=model, flattened={"fc": (2, 2, 4)})
    tg.io.load_torch(state, into=Flattening(lambda x: x), input_shape=(1, 1, 12))  # nothing to put in order


def test_layers_between_the_flattening_and_the_dense_layer() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3), torch.nn.Flatten(), torch.nn.BatchNorm1d(3 * 4 * 5), torch.nn.ReLU(),
        torch.nn.Dropout(), torch.nn.Linear(60, 60), torch.nn.Linear(60, 3),
    ).eval()  # fmt: skip
    for tensor in (*theirs.parameters(), *theirs[2].buffers()):
        if tensor.is_floating_point():
            tensor.data = torch.from_numpy(np.abs(draw(*tensor.shape)) / 10 + 0.1)
    ours = nn.Sequential(
        nn.Conv2d(2, 3, 3),
        nn.Flatten(),
        nn.BatchNorm1d(60),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(60, 60),
        nn.Linear(60, 3),
    ).eval()
    assert tg.io.load_torch(theirs.state_dict(), into=ours, input_shape=(6, 7, 2)) == ([], [])
    x = draw(4, 6, 7, 2)
    expected = theirs(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).detach().numpy()
    np.testing.assert_allclose(ours(tg.tensor(x)).detach().numpy(), expected, rtol=2e-5)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_grouped_filters(groups: int) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Conv2d(6, 12, (3, 2), stride=2, padding=1, groups=groups)
    ours = nn.Conv2d(6, 12, (3, 2), stride=2, padding=1, groups=groups)
    tg.io.load_torch(theirs.state_dict(), into=ours)
    x = draw(2, 7, 8, 6)
    expected = theirs(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).detach().numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(ours(tg.tensor(x)).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


class Scaled(nn.Module):
    """No layer of the library's."""

    def __init__(self) -> None:
        self.scale = nn.Parameter(tg.zeros((2, 3)))


def test_layers_without_an_entry() -> None:
    model = nn.Sequential(nn.LayerNorm(3), Scaled())
    state = {"0.weight": draw(3), "0.bias": draw(3), "1.scale": draw(2, 3)}
    tg.io.load_torch(state, into=model)
    assert np.array_equal(values(model)["0.bias"], state["0.bias"])
    assert np.array_equal(values(model)["1.scale"], state["1.scale"])
    model.append(tg.models.Perceptron(2))
    with pytest.raises(tg.ArgumentError, match="lay out the weights of Perceptron is not known: give skip="):
        tg.io.load_torch(state, into=model)
    assert tg.io.load_torch(state, into=model, skip=["2"]) == ([], [])


def test_half_precision_is_converted_where_it_is_asked_for() -> None:
    model, state = nn.Linear(2, 3), {"weight": draw(3, 2).astype(np.float16), "bias": draw(3).astype(np.float16)}
    with pytest.raises(
        tg.StateDictError, match=r"mistyped: weight float16 \[3, 2\], expected float32 \[3, 2\]; cast=True"
    ):
        tg.io.load_torch(state, into=model)
    tg.io.load_torch(state, into=model, cast=True)
    assert np.array_equal(values(model)["weight"], state["weight"].astype(np.float32).T)
    for dtype in ("bfloat16", "float64"):
        tensors = {name: tg.tensor(value).astype(dtype) for name, value in state.items()}
        tg.io.load_torch(tensors, into=model, cast=True)
        assert np.array_equal(values(model)["weight"], tensors["weight"].astype("float32").numpy().T)
    with pytest.raises(tg.StateDictError, match=r"mistyped: weight int64"):
        tg.io.load_torch({name: value.astype(np.int64) for name, value in state.items()}, into=model, cast=True)


# Keras.


def keras_model() -> Any:
    return nn.Sequential(
        {
            "conv": nn.Conv2d(4, 6, 3), "deep": nn.Conv2d(6, 12, 3, groups=6, bias=False), "norm": nn.BatchNorm2d(12),
            "flat": nn.Flatten(), "dense": nn.Linear(12, 2), "layer": nn.LayerNorm(2),
        }
    )  # fmt: skip


def keras_arrays() -> dict[str, Any]:
    return {
        "conv/kernel:0": draw(3, 3, 4, 6), "conv/bias:0": draw(6), "deep/depthwise_kernel:0": draw(3, 3, 6, 2),
        "norm/gamma:0": draw(12), "norm/beta:0": draw(12), "norm/moving_mean:0": draw(12),
        "norm/moving_variance:0": draw(12), "dense/kernel:0": draw(12, 2), "dense/bias:0": draw(2),
        "layer/gamma:0": draw(2), "layer/beta:0": draw(2),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["arrays", "npz", "safetensors", "dots"])
def test_keras_names_and_layouts(kind: str, tmp_path: Path) -> None:
    arrays, model = keras_arrays(), keras_model()
    source: Any = arrays
    if kind == "npz":
        np.savez(tmp_path / "m.npz", **arrays)
        source = tmp_path / "m.npz"
    elif kind == "safetensors":
        tensors = {name: tg.tensor(value) for name, value in arrays.items()}
        (tmp_path / "m").write_bytes(b"".join(bytes(part) for part in safetensors.layout(tensors, {})))
        source = tmp_path / "m"
    elif kind == "dots":
        source = {name.replace("/", ".")[:-2]: value for name, value in arrays.items()}
    assert tg.io.load_keras(source, into=model) == ([], [])
    found = values(model)
    assert np.array_equal(found["conv.weight"], arrays["conv/kernel:0"])
    for c in range(6):
        for m in range(2):  # Keras's output channel c * 2 + m sees input channel c
            assert np.array_equal(
                found["deep.weight"][:, :, 0, 2 * c + m], arrays["deep/depthwise_kernel:0"][:, :, c, m]
            )
    assert np.array_equal(found["norm.running_var"], arrays["norm/moving_variance:0"])
    assert np.array_equal(found["norm.weight"], arrays["norm/gamma:0"])
    assert np.array_equal(found["dense.weight"], arrays["dense/kernel:0"])
    assert np.array_equal(found["layer.bias"], arrays["layer/beta:0"])


def test_keras_entries_that_do_not_fit(tmp_path: Path) -> None:
    arrays, model = keras_arrays(), keras_model()
    arrays["deep/kernel"] = arrays.pop("deep/depthwise_kernel:0").reshape(3, 3, 1, 12)  # of a Conv2D with groups
    arrays["dense/kernel:0"] = draw(2, 12)
    arrays["conv/gamma:0"] = draw(1)
    del arrays["norm/beta:0"]
    with pytest.raises(tg.StateDictError) as caught:
        tg.io.load_keras(arrays, into=model)
    assert str(caught.value).split("\n    ")[1:] == [
        "missing: norm.beta float32 [12]",
        "misshaped: dense.kernel float32 [2, 12], expected float32 [12, 2]",
        "unexpected: conv.gamma float32 [1]",
    ]
    arrays["deep/kernel"] = draw(3, 3, 2, 6)
    with pytest.raises(tg.StateDictError, match=r"expected float32 \[3, 3, 1, 12\] or \[3, 3, 6, 2\]"):
        tg.io.load_keras(arrays, into=model)
    np.savez(tmp_path / "m.npz", a=np.array([{}], dtype=object))
    with pytest.raises(tg.CheckpointError, match="holds no plain arrays"):
        tg.io.load_keras(tmp_path / "m.npz", into=model)
    content = (tmp_path / "m.npz").read_bytes()
    (tmp_path / "m.npz").write_bytes(content[:100])
    with pytest.raises(tg.CheckpointError, match="damaged"):
        tg.io.load_keras(tmp_path / "m.npz", into=model)


# Layers of sequences.


def keras_steps(kind: str, x: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The last state of Keras's SimpleRNN, GRU (reset_after) or LSTM, from its formulas."""

    def sigmoid(v: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-v))

    H = recurrent.shape[0]
    h = c = np.zeros((len(x), H))
    for t in range(x.shape[1]):
        if kind == "simple_rnn":
            h = np.tanh(x[:, t] @ kernel + bias + h @ recurrent)
        elif kind == "lstm":
            i, f, g, o = np.split(x[:, t] @ kernel + bias + h @ recurrent, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            (xz, xr, xn), (hz, hr, hn) = (
                np.split(v, 3, axis=1) for v in (x[:, t] @ kernel + bias[0], h @ recurrent + bias[1])
            )
            z, r = sigmoid(xz + hz), sigmoid(xr + hr)
            h = z * h + (1 - z) * np.tanh(xn + r * hn)
    return h


@pytest.mark.parametrize(("kind", "gates"), [("simple_rnn", 1), ("gru", 3), ("lstm", 4)])
@pytest.mark.parametrize("directions", [1, 2])
def test_keras_recurrent_layers(kind: str, gates: int, directions: int) -> None:
    layer = {"simple_rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[kind](3, 4, bidirectional=directions == 2)
    arrays: dict[str, np.ndarray] = {}
    for side in ("forward", "backward")[:directions]:
        path = f"{side}_{kind}/{kind}_cell/" if directions == 2 else f"{kind}_cell/"
        arrays[path + "kernel"], arrays[path + "recurrent_kernel"] = draw(3, 4 * gates), draw(4, 4 * gates)
        arrays[path + "bias"] = draw(2, 12) if kind == "gru" else draw(4 * gates)
    assert tg.io.load_keras(arrays, into=layer) == ([], [])
    x = draw(2, 5, 3)
    found = layer(tg.tensor(x))[0].detach().numpy()
    weights = list(arrays.values())
    np.testing.assert_allclose(found[:, -1, :4], keras_steps(kind, x, *weights[:3]), rtol=1e-5, atol=1e-6)
    if directions == 2:
        np.testing.assert_allclose(found[:, 0, 4:], keras_steps(kind, x[:, ::-1], *weights[3:]), rtol=1e-5, atol=1e-6)


def test_keras_layers_without_a_twin() -> None:
    with pytest.raises(tg.ArgumentError, match="a layer of its own for each of the LSTM's: use one with num_layers=1"):
        tg.io.load_keras({}, into=nn.LSTM(3, 4, num_layers=2))


def test_keras_sequences_and_transposes() -> None:
    model = nn.Sequential(
        {"words": nn.Embedding(5, 4), "conv": nn.Conv1d(4, 6, 3), "up": nn.ConvTranspose1d(6, 2, 3, bias=False)}
    )
    arrays = {
        "words/embeddings": draw(5, 4), "conv/kernel": draw(3, 4, 6), "conv/bias": draw(6), "up/kernel": draw(3, 2, 6)
    }  # fmt: skip
    assert tg.io.load_keras(arrays, into=model) == ([], [])
    for name, theirs in (("words", "words/embeddings"), ("conv", "conv/kernel"), ("up", "up/kernel")):
        assert np.array_equal(values(model)[f"{name}.weight"], arrays[theirs])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers(kind: str, bias: bool) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, kind)(3, 4, num_layers=2, bidirectional=True, batch_first=True, bias=bias)
    ours = getattr(nn, kind)(3, 4, num_layers=2, bidirectional=True, bias=bias)
    assert tg.io.load_torch(theirs.state_dict(), into=ours) == ([], [])
    x = draw(2, 5, 3)
    expected = theirs(torch.from_numpy(x))[0].detach().numpy()
    np.testing.assert_allclose(ours(tg.tensor(x))[0].detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(tg.StateDictError, match=r"missing: weight_hh_l1_reverse float32 \[\d+, 4\]"):
        tg.io.load_torch({}, into=ours)


@pytest.mark.parametrize("kind", ["RNNCell", "GRUCell", "LSTMCell"])
def test_recurrent_cells(kind: str) -> None:
    torch = pytest.importorskip("torch")
    theirs, ours = getattr(torch.nn, kind)(3, 4), getattr(nn, kind)(3, 4)
    assert tg.io.load_torch(theirs.state_dict(), into=ours) == ([], [])
    x = draw(2, 3)
    found, expected = ours(tg.tensor(x)), theirs(torch.from_numpy(x))
    if kind == "LSTMCell":
        found, expected = found[0], expected[0]
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions_of_sequences_and_transposed_ones(groups: int) -> None:
    torch = pytest.importorskip("torch")
    for kind, shape in (("Conv1d", (2, 9, 4)), ("ConvTranspose1d", (2, 5, 4)), ("ConvTranspose2d", (2, 5, 4, 4))):
        theirs = getattr(torch.nn, kind)(4, 6, 3, stride=2, groups=groups)
        ours = getattr(nn, kind)(4, 6, 3, stride=2, groups=groups)
        assert tg.io.load_torch(theirs.state_dict(), into=ours) == ([], [])
        x = draw(*shape)
        expected = theirs(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).detach().numpy()
        found = ours(tg.tensor(x)).detach().numpy()
        np.testing.assert_allclose(found, np.moveaxis(expected, 1, -1), rtol=1e-4, atol=1e-5)


def test_attention_and_embedding() -> None:
    torch = pytest.importorskip("torch")
    for options in ({}, {"kdim": 3, "vdim": 5}):
        theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True, **options)
        ours = nn.MultiheadAttention(8, 2, **options)
        assert tg.io.load_torch(theirs.state_dict(), into=ours) == ([], [])
        q, k, v = draw(2, 4, 8), draw(2, 6, options.get("kdim", 8)), draw(2, 6, options.get("vdim", 8))
        expected = theirs(*(torch.from_numpy(a) for a in (q, k, v)))[0].detach().numpy()
        np.testing.assert_allclose(ours(*map(tg.tensor, (q, k, v))).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    table = nn.Embedding(5, 3)
    tg.io.load_torch({"weight": draw(5, 3)}, into=table)


def test_a_normalisation_that_counts_its_batches() -> None:
    ours = nn.BatchNorm1d(2, momentum=None)
    state = {name: draw(2) for name in ("weight", "bias", "running_mean", "running_var")}
    tg.io.load_torch({**state, "num_batches_tracked": np.array(7)}, into=ours)
    assert ours.num_batches_tracked.item() == 7
