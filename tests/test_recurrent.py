"""Recurrent layers and embeddings: against PyTorch, sequences of different lengths, capture, files, errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

from .targets import AVAILABLE, running_on
from .test_ops import bits

KINDS = ("RNN", "GRU", "LSTM")
INPUT, HIDDEN, STEPS, BATCH = 3, 5, 6, 4
LENGTHS = [6, 1, 4, 3]


def layer_of(kind: str, dtype: str = "float64", seed: int = 1, **options: Any) -> Any:
    """A layer with random biases, so that none is zero."""
    tg.manual_seed(seed)
    layer = getattr(nn, kind)(INPUT, HIDDEN, **options)
    for name, parameter in layer.named_parameters():
        if "bias" in name:
            parameter.detach()[...] = tg.randn(parameter.shape)
    return layer.to(dtype)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def states_of(kind: str, count: int) -> list[np.ndarray]:
    return [drawn(count, BATCH, HIDDEN, seed=seed) for seed in range(2 if kind == "LSTM" else 1)]


def flat(result: Any) -> list[Any]:
    """The outputs and the states."""
    y, state = result
    return [y, *state] if isinstance(state, tuple) else [y, state]


# Against PyTorch.


def torch_layer(layer: Any, options: dict[str, Any]) -> Any:
    import torch

    options = {"batch_first": True, **options}
    made = getattr(torch.nn, type(layer).__name__)(INPUT, HIDDEN, **options).double()
    state = {}
    for name, tensor in layer.state_dict().items():
        array = tensor.numpy()
        if name.startswith("weight"):
            state[name] = torch.tensor(array.T.copy())
        elif name.startswith("bias_hn"):
            state[name.replace("bias_hn", "bias_hh")][2 * HIDDEN :] = torch.tensor(array.copy())
        else:
            state[name.replace("bias", "bias_ih")] = torch.tensor(array.copy())
            state[name.replace("bias", "bias_hh")] = torch.zeros(array.shape, dtype=torch.float64)
    made.load_state_dict(state)
    return made


def torch_gradient(theirs: Any, name: str) -> np.ndarray:
    if name.startswith("weight"):
        return getattr(theirs, name).grad.numpy().T
    if name.startswith("bias_hn"):
        return getattr(theirs, name.replace("bias_hn", "bias_hh")).grad.numpy()[2 * HIDDEN :]
    return getattr(theirs, name.replace("bias", "bias_ih")).grad.numpy()


OPTIONS: list[dict[str, Any]] = [
    {},
    {"batch_first": False},
    {"bidirectional": True},
    {"num_layers": 2, "bias": False},
    {"num_layers": 3, "bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "batch_first": False},
]


@pytest.mark.parametrize("packed", [False, True], ids=["whole", "packed"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", [*KINDS, "RNN relu"])
def test_as_pytorch(kind: str, options: dict[str, Any], packed: bool) -> None:
    """Values and all gradients, in float64."""
    torch = pytest.importorskip("torch")
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    kind, _, nonlinearity = kind.partition(" ")
    options = {**options, "nonlinearity": nonlinearity} if nonlinearity else options
    layer = layer_of(kind, **options)
    theirs = torch_layer(layer, options)
    batch_first = options.get("batch_first", True)
    shape = (BATCH, STEPS, INPUT) if batch_first else (STEPS, BATCH, INPUT)
    given = [drawn(*shape), *states_of(kind, options.get("num_layers", 1) * (2 if "bidirectional" in options else 1))]
    lengths = LENGTHS if packed else None

    ours = [tg.tensor(array, requires_grad=True) for array in given]
    results = flat(layer(ours[0], ours[1] if len(ours) == 2 else tuple(ours[1:]), lengths=lengths))
    seeds = [drawn(*result.shape, seed=9 + number) for number, result in enumerate(results)]
    sum((result * tg.tensor(seed)).sum() for result, seed in zip(results, seeds, strict=True)).backward()

    inputs = [torch.tensor(array, requires_grad=True) for array in given]
    state = inputs[1] if len(inputs) == 2 else tuple(inputs[1:])
    if packed:
        x = pack_padded_sequence(inputs[0], torch.tensor(LENGTHS), batch_first=batch_first, enforce_sorted=False)
        y, last = theirs(x, state)
        y = pad_packed_sequence(y, batch_first=batch_first, total_length=STEPS)[0]
    else:
        y, last = theirs(inputs[0], state)
    expected = flat((y, last))
    sum((value * torch.tensor(seed)).sum() for value, seed in zip(expected, seeds, strict=True)).backward()

    for result, value in zip(results, expected, strict=True):
        np.testing.assert_allclose(result.detach().numpy(), value.detach().numpy(), rtol=1e-11, atol=1e-12)
    for tensor, value in zip(ours, inputs, strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), value.grad.numpy(), rtol=1e-10, atol=1e-11)
    for name, parameter in layer.named_parameters():
        np.testing.assert_allclose(
            parameter.grad.numpy(), torch_gradient(theirs, name), rtol=1e-10, atol=1e-11, err_msg=name
        )


# Lengths.


@pytest.mark.parametrize("kind", KINDS)
def test_each_sequence_is_its_own(kind: str) -> None:
    """Alone and without what lies behind its end: the same bits, in both directions."""
    layer = layer_of(kind, "float32", num_layers=2, bidirectional=True)
    x = drawn(BATCH, STEPS, INPUT).astype(np.float32)
    whole = [result.detach().numpy() for result in flat(layer(tg.tensor(x), lengths=LENGTHS))]
    for n, length in enumerate(LENGTHS):
        alone = [result.detach().numpy() for result in flat(layer(tg.tensor(x[n : n + 1, :length].copy())))]
        assert whole[0][n, :length].tobytes() == alone[0][0].tobytes()
        assert not whole[0][n, length:].any()
        for state, own in zip(whole[1:], alone[1:], strict=True):
            assert state[:, n].tobytes() == own[:, 0].tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_behind_counts_for_nothing(kind: str) -> None:
    layer = layer_of(kind, bidirectional=True)

    def run(filling: float) -> list[bytes]:
        array = drawn(BATCH, STEPS, INPUT)
        for n, length in enumerate(LENGTHS):
            array[n, length:] = filling
        x = tg.tensor(array, requires_grad=True)
        layer.zero_grad()
        results = flat(layer(x, lengths=tg.tensor(LENGTHS)))
        sum(result.sum() for result in results).backward()
        assert not any(x.grad.numpy()[n, length:].any() for n, length in enumerate(LENGTHS))
        return [bits(t) for t in [*results, x.grad, *[parameter.grad for parameter in layer.parameters()]]]

    assert run(0.0) == run(1e3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_of_no_steps_keeps_its_state(kind: str) -> None:
    layer = layer_of(kind)
    given = [tg.tensor(array, requires_grad=True) for array in states_of(kind, 1)]
    state = tuple(given) if kind == "LSTM" else given[0]
    y, *last = flat(layer(tg.tensor(drawn(BATCH, STEPS, INPUT)), state, lengths=[3, 0, 6, 0]))
    assert not y.detach().numpy()[[1, 3]].any()
    for before, after in zip(given, last, strict=True):
        assert (after.detach().numpy()[0, [1, 3]] == before.detach().numpy()[0, [1, 3]]).all()
    sum((after * 2.0).sum() for after in last).backward()
    for before in given:
        assert (before.grad.numpy()[0, [1, 3]] == 2).all()


# Same bits, whoever computes.


@pytest.mark.parametrize("kind", KINDS)
def test_bits_of_larger_layers(kind: str) -> None:
    """Sequences shared out, hidden units shared out, several chunks of the sums."""
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
    for N, H in ((1, 70), (3, 33), (64, 19), (2, 520)):
        function = getattr(tg, kind.lower())
        arrays = [drawn(N, 3, 4), drawn(4, gates * H), drawn(H, gates * H) / np.sqrt(H)]
        found = set()
        for isa in AVAILABLE:
            for threads in (1, 2, 3, 4, 7):
                with running_on(isa, threads):
                    leaves = [tg.tensor(a.astype(np.float32), requires_grad=True) for a in arrays]
                    y = function(*leaves)[0]
                    y.sum().backward()
                    found.add(tuple(bits(t) for t in [y, *[leaf.grad for leaf in leaves]]))
        assert len(found) == 1, (N, H)


@pytest.mark.parametrize("kind", KINDS)
def test_capture_replays_a_training_step(kind: str) -> None:
    """With lengths as an argument, which replays check again."""

    def trained(wrap: Callable[[Any], Any]) -> list[bytes]:
        layer = layer_of(kind, "float32", num_layers=2, bidirectional=True, dropout=0.5)
        tg.manual_seed(5)
        optimizer = tg.optim.Adam(layer.parameters(), lr=0.01)

        def step(x: Any, lengths: Any) -> Any:
            optimizer.zero_grad()
            y, _ = layer(x, lengths=lengths)
            loss = (y * y).mean()
            loss.backward()
            optimizer.step()
            return loss

        run = wrap(step)
        losses = []
        for number in range(5):
            x = tg.tensor(drawn(BATCH, STEPS, INPUT, seed=number).astype(np.float32))
            losses.append(bits(run(x, tg.tensor([(number + n) % STEPS + 1 for n in range(BATCH)]))))
        if wrap is tg.capture:
            assert run.programs == 1
            with pytest.raises(tg.OutOfRangeError, match=r"lengths\[2\] is 7, expected 0 to 6"):
                run(x, tg.tensor([1, 2, 7, 3]))
        return [*losses, *[bits(parameter) for parameter in layer.parameters()]]

    assert trained(tg.capture) == trained(lambda step: step)


@pytest.mark.parametrize("kind", KINDS)
def test_inference_program(kind: str) -> None:
    layer = layer_of(kind, "float32", num_layers=2, bidirectional=True)
    x = tg.tensor(drawn(2, 4, INPUT).astype(np.float32))
    predict = tg.compile_for_inference(layer)
    for _ in range(2):
        for found, expected in zip(flat(predict(x)), flat(layer(x)), strict=True):
            assert bits(found) == bits(expected)


# Layers.


def test_names_and_first_values() -> None:
    tg.manual_seed(0)
    layer = nn.LSTM(7, 4, num_layers=2, bidirectional=True)
    shapes = {name: tensor.shape for name, tensor in layer.state_dict().items()}
    assert shapes["weight_ih_l0"] == (7, 16)
    assert shapes["weight_ih_l1_reverse"] == (8, 16)
    assert shapes["weight_hh_l1"] == (4, 16)
    assert list(shapes) == [
        f"{name}_l{number}{direction}"
        for number in (0, 1)
        for direction in ("", "_reverse")
        for name in ("weight_ih", "weight_hh", "bias")
    ]
    u = layer.weight_hh_l0.detach().numpy().astype(np.float64)
    for part in np.split(u, 4, axis=1):
        np.testing.assert_allclose(part @ part.T, np.eye(4), atol=1e-6)
    assert layer.bias_l0.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8
    gru = nn.GRU(7, 4, bias=False)
    assert list(gru.state_dict()) == ["weight_ih_l0", "weight_hh_l0"]
    assert list(nn.GRU(7, 4).state_dict())[2:] == ["bias_l0", "bias_hn_l0"]


@pytest.mark.parametrize("kind", KINDS)
def test_files_and_text(kind: str, tmp_path: Path) -> None:
    layer = getattr(nn, kind)(None, HIDDEN, num_layers=2, bidirectional=True, dropout=0.25)
    assert repr(layer) == f"{kind}(None, 5, num_layers=2, bidirectional=True, dropout=0.25)"
    layer.build((STEPS, INPUT))
    assert layer.input_size == INPUT
    tg.save(layer, tmp_path / "layer.safetensors")
    again = tg.load(tmp_path / "layer.safetensors").eval()
    x = tg.tensor(drawn(2, STEPS, INPUT).astype(np.float32))
    for found, expected in zip(flat(again(x)), flat(layer.eval()(x)), strict=True):
        assert bits(found) == bits(expected)


def test_summary_shows_the_outputs() -> None:
    summary = nn.LSTM(3, 5, bidirectional=True).summary((7, 3))
    assert summary.rows[0].output_shape == ((7, 10), (2, 5), (2, 5))  # y, h and c
    assert summary.total == 2 * (3 * 20 + 5 * 20 + 20)


def test_dropout_between_layers() -> None:
    """Only while training, only between layers, from the library's generator."""
    layer = layer_of("GRU", "float32", num_layers=2, dropout=0.5)
    plain = layer_of("GRU", "float32", num_layers=2)
    x = tg.tensor(drawn(2, STEPS, INPUT).astype(np.float32))
    assert bits(layer.eval()(x)[0]) == bits(plain(x)[0])
    layer.train()
    tg.manual_seed(3)
    first, second = layer(x), layer(x)
    tg.manual_seed(3)
    again = layer(x)
    assert bits(first[0]) == bits(again[0]) != bits(second[0])
    assert bits(first[1][0]) == bits(second[1][0])  # nothing is dropped before the first layer
    with pytest.warns(UserWarning, match="LSTM: dropout acts between layers, and there is one: it does nothing"):
        nn.LSTM(3, 5, dropout=0.5)


@pytest.mark.parametrize("kind", [*KINDS, "RNN relu"])
def test_cells_are_steps_of_layers(kind: str) -> None:
    kind, _, nonlinearity = kind.partition(" ")
    layer = layer_of(kind, "float32", **({"nonlinearity": nonlinearity} if nonlinearity else {}))
    cell = getattr(nn, f"{kind}Cell")(None, HIDDEN, **({"nonlinearity": nonlinearity} if nonlinearity else {}))
    x = tg.tensor(drawn(2, STEPS, INPUT).astype(np.float32))
    cell(x[:, 0])
    assert cell.input_size == INPUT
    cell.load_state_dict({name.replace("_l0", ""): tensor for name, tensor in layer.state_dict().items()})
    y, last = layer(x)
    state = None
    for t in range(STEPS):
        state = cell(x[:, t], state)
        h = state[0] if kind == "LSTM" else state
        assert bits(h) == bits(y[:, t])
    for own, of_layer in zip(flat((h, state))[1:], flat((y, last))[1:], strict=True):
        assert bits(own) == bits(of_layer[0])


def test_layers_learn() -> None:
    """Whether the first of seven numbers was positive: it has to be remembered."""
    tg.manual_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(128, 7, 1)).astype(np.float32)
    target = tg.tensor((x[:, 0, 0] > 0).astype(np.int64))
    for kind in KINDS:
        layer, head = getattr(nn, kind)(1, 12), nn.Linear(12, 2)
        optimizer = tg.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.02)
        for _ in range(60):
            optimizer.zero_grad()
            loss = tg.cross_entropy(head(layer(tg.tensor(x))[0][:, -1]), target)
            loss.backward()
            optimizer.step()
        assert loss.item() < 0.15, kind


def zeros(*shape: int) -> tg.Tensor:
    return tg.zeros(shape)


ERRORS: list[Any] = [
    (lambda: nn.LSTM(4), tg.ArgumentError, "LSTM: hidden_size must be a positive integer, found None"),
    (lambda: nn.GRU(0, 5), tg.ArgumentError, "GRU: input_size must be a positive integer, found 0"),
    (lambda: nn.RNN(4, 5, num_layers=0), tg.ArgumentError, "RNN: num_layers must be a positive integer, found 0"),
    (lambda: nn.GRU(4, 5, 2, dropout=1.0), tg.ArgumentError,
     "GRU: dropout must be at least 0 and below 1, found 1.0"),
    (lambda: nn.RNN(4, 5, nonlinearity="elu"), tg.ArgumentError,
     "RNN: nonlinearity must be 'tanh' or 'relu', found 'elu'"),
    (lambda: nn.LSTM(4, 5)(zeros(2, 3, 4), zeros(1, 2, 5)), tg.ArgumentError,
     r"LSTM: the initial state must be a pair \(h0, c0\) or None"),
    (lambda: nn.GRU(4, 5)(zeros(2, 3, 4), (zeros(1, 2, 5), zeros(1, 2, 5))), tg.ArgumentError,
     "GRU: the initial state must be a tensor or None"),
    (lambda: nn.LSTM(4, 5, bidirectional=True)(zeros(2, 3, 4), (zeros(1, 2, 5), zeros(1, 2, 5))), tg.ShapeError,
     r"lstm: h0 must be \[layers \* directions, N, hidden_size\] = \[2, 2, 5\], found \[1, 2, 5\]"),
    (lambda: nn.LSTM(None, 5)(zeros(3, 4)), tg.ShapeError,
     r"lstm: the input must be \[N, T, input_size\], found \[3, 4\]"),
    (lambda: nn.LSTM(3, 5)(zeros(2, 3, 4)), tg.ShapeError, r"lstm: w must be \[in, 4 H\] = \[4, 20\], found \[3, 20\]"),
    (lambda: nn.LSTM(4, 5)(zeros(2, 3, 4), lengths=[1, 5]), tg.OutOfRangeError,
     r"lstm: lengths\[1\] is 5, expected 0 to 3"),
    (lambda: nn.GRUCell(4, 5)(zeros(2, 3, 4)), tg.ShapeError,
     r"GRUCell: the input must be \[N, input_size\], found \[2, 3, 4\]"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), tg.ArgumentError,
     "Embedding: padding_idx must be from -3 to 2 or None, found 3"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "kind", "message"), ERRORS)
def test_errors(make: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make()


# Embeddings.


@pytest.mark.parametrize("padding_idx", [0, 3, -1])
def test_no_gradient_reaches_the_padding(padding_idx: int) -> None:
    tg.manual_seed(0)
    layer = nn.Embedding(4, 3, padding_idx=padding_idx)
    assert not layer.weight.detach().numpy()[padding_idx].any()
    indices = np.array([[0, 1, 3], [3, 3, 0]])
    layer(tg.tensor(indices)).sum().backward()
    counts = np.bincount(indices.reshape(-1), minlength=4).astype(np.float32)
    counts[padding_idx] = 0
    assert (layer.weight.grad.numpy() == counts[:, None]).all()


def test_embedding_in_files(tmp_path: Path) -> None:
    layer = nn.Embedding(4, 3, padding_idx=1)
    assert repr(layer) == "Embedding(4, 3, padding_idx=1)"
    tg.save(layer, tmp_path / "e.safetensors")
    again = tg.load(tmp_path / "e.safetensors")
    assert again.padding_idx == 1
    assert bits(again([3, 1])) == bits(layer([3, 1]))
