"""What a trainer takes: arrays, data sets, loaders, iterables; weights; and what it says of what does not fit."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

RNG = np.random.default_rng(1)
X = RNG.normal(size=(50, 3)).astype(np.float32)
Y = RNG.integers(0, 4, 50)
W = RNG.uniform(0, 2, 50).astype(np.float32)


def trainer(**options: Any) -> tg.train.Trainer:
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8, activation="tanh"), nn.Dropout(0.2), nn.Linear(8, 4))
    optimizer = tg.optim.Adam(model.parameters(), lr=0.02)
    return tg.train.Trainer(model, nn.CrossEntropyLoss(), optimizer, ["accuracy"], **options)


def weights(t: tg.train.Trainer) -> bytes:
    return b"".join(p.detach().numpy().tobytes() for p in t.model.parameters())


def batches(size: int = 16) -> list[tuple[Any, Any]]:
    return [(X[i : i + size], Y[i : i + size]) for i in range(0, len(X), size)]


class Pairs:
    """A data set."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> Any:
        return X[index], Y[index]


class Stream:
    """An iterable that is neither a sequence nor an iterator."""

    def __iter__(self) -> Iterator[Any]:
        yield from batches()


def endless() -> Iterator[Any]:
    while True:
        yield from batches()


@pytest.mark.parametrize("capture", [False, True])
def test_the_same_batches_in_any_form(capture: bool) -> None:
    loader = tg.data.DataLoader((X, Y), batch_size=16)
    found = []
    for data in (loader, batches(), [tuple(map(tg.tensor, batch)) for batch in batches()], Stream()):
        t = trainer(capture=capture)
        t.fit(data, 3, verbose=0)
        found.append(weights(t))
    t = trainer(capture=capture)
    t.fit(endless(), 3, steps_per_epoch=4, verbose=0)
    assert set(found) == {weights(t)}
    assert t.evaluate(batches()) == t.evaluate((X, Y), 16) == t.evaluate(iter(batches())) == t.evaluate(Pairs(), 16)


def test_predictions_for_data_sets() -> None:
    t = trainer()
    expected = t.predict(X).numpy()
    for given in (Pairs(), tg.data.ArrayDataset(X, Y), tg.data.ArrayDataset(X), tg.data.Subset(Pairs(), range(50))):
        assert np.array_equal(t.predict(given, 16).numpy(), expected)


def test_data_sets_are_shuffled_as_arrays_are() -> None:
    found = []
    for data in ((X, Y), [X, Y], (X.tolist(), Y.tolist()), (tg.tensor(X), tg.tensor(Y)), Pairs()):
        if isinstance(data, tuple) and isinstance(data[0], list):
            data = (np.float32(data[0]), data[1])
        t = trainer()
        t.fit(data, 2, 16, seed=5, verbose=0)
        found.append(weights(t))
    assert len(set(found)) == 1


def test_generators_are_read_once() -> None:
    t = trainer()
    t.fit(iter(batches()), 1, verbose=0)
    with pytest.raises(tg.ArgumentError, match="data gave 0 batches in epoch 2; a generator can be read once"):
        t.fit(iter(batches()), 2, verbose=0)
    with pytest.raises(tg.ArgumentError, match="gave 0 batches in epoch 2"):
        t.fit(iter(batches()), 2, steps_per_epoch=4, verbose=0)
    with pytest.raises(tg.ArgumentError, match=r"gave 4 batches in epoch 1, expected 5 \(steps_per_epoch\)"):
        t.fit(batches(), 1, steps_per_epoch=5, verbose=0)
    with pytest.raises(tg.ArgumentError, match="there is nothing in it"):
        t.fit([], verbose=0)
    before = weights(t)
    with pytest.raises(tg.ArgumentError, match="validation_data can be read once, and 2 epochs need it as often"):
        t.fit((X, Y), 2, validation_data=iter(batches()), verbose=0)
    assert weights(t) == before  # found out before anything was trained
    assert len(t.fit((X, Y), 1, validation_data=iter(batches()), verbose=0)["val_loss"]) == 1


class Two(nn.Module):
    """A model of two inputs, by position or by name."""

    def __init__(self) -> None:
        self.a, self.b = nn.Linear(3, 4), nn.Linear(2, 4)

    def forward(self, first: tg.Tensor, second: tg.Tensor) -> tg.Tensor:
        return self.a(first) + self.b(second)


@pytest.mark.parametrize("capture", [False, True])
def test_several_inputs(capture: bool) -> None:
    found = []
    for inputs in ((X, X[:, :2]), {"second": X[:, :2], "first": X}):
        tg.manual_seed(0)
        model = Two()
        optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
        t = tg.train.Trainer(model, nn.CrossEntropyLoss(), optimizer, ["accuracy"], capture=capture)
        history = t.fit((inputs, Y), 3, 16, validation_split=0.2, verbose=0)
        found.append((weights(t), history["val_loss"]))
        expected = model(tg.tensor(X), tg.tensor(X[:, :2])).detach().numpy()
        assert np.array_equal(t.predict(inputs, 7).numpy(), expected)
        assert np.array_equal(t.predict([(inputs, Y)]).numpy(), expected)
    assert found[0] == found[1]


class Heads(nn.Module):
    """A model of two outputs, in a tuple or a dict."""

    def __init__(self, named: bool) -> None:
        self.a, self.b, self.named = nn.Linear(3, 4), nn.Linear(3, 2), named

    def forward(self, x: tg.Tensor) -> Any:
        return {"a": self.a(x), "b": self.b(x)} if self.named else (self.a(x), self.b(x))


@pytest.mark.parametrize("capture", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_several_outputs(named: bool, capture: bool) -> None:
    def loss(output: Any, target: Any) -> Any:
        first, second = output.values() if named else output
        return tg.cross_entropy(first, target[0]) + tg.cross_entropy(second, target[1])

    model = Heads(named)
    t = tg.train.Trainer(model, loss, tg.optim.SGD(model.parameters(), lr=0.1), capture=capture)
    target = (Y, Y % 2)
    history = t.fit((X, target), 5, 16, validation_data=(X, target), verbose=0)
    assert history["val_loss"][-1] < history["val_loss"][0]
    found, expected = t.predict(X, 7), model(tg.tensor(X))
    shares = t.predict_proba(X, activation="softmax")
    for key in ("a", "b") if named else (0, 1):
        whole = expected[key].detach().numpy()
        assert np.array_equal(found[key].numpy(), whole)
        exact = np.exp(whole.astype(np.float64))
        np.testing.assert_allclose(shares[key].numpy(), exact / exact.sum(1, keepdims=True), rtol=1e-5)


def test_the_split_is_random_and_of_the_seed() -> None:
    seen: list[Any] = []

    class Look(tg.train.Callback):
        def on_validation_begin(self, trainer: tg.train.Trainer) -> None:
            seen.append(None)

    t = trainer()
    history = t.fit((X, Y), 1, validation_split=0.3, seed=4, callbacks=[Look()], verbose=0)
    assert len(seen) == 1
    (_, _), (x, y) = tg.data.train_validation_split(X, Y, fraction=0.3, seed=4)
    assert history["val_loss"][-1] == t.evaluate((x, y), 32)["loss"]
    assert not np.array_equal(x, X[35:])
    found = t.evaluate((x, y, np.ones(15)), 32)
    assert abs(found["loss"] - history["val_loss"][-1]) < 1e-6


LOSSES: list[tuple[Any, Any, Any]] = [
    (nn.CrossEntropyLoss(), Y, lambda o, y: np.log(np.exp(o).sum(1)) - o[np.arange(len(y)), y]),
    (nn.CrossEntropyLoss(), np.eye(4, dtype=np.float32)[Y], lambda o, y: np.log(np.exp(o).sum(1)) - (o * y).sum(1)),
    (tg.cross_entropy, Y, lambda o, y: np.log(np.exp(o).sum(1)) - o[np.arange(len(y)), y]),
    (nn.MSELoss(), RNG.normal(size=(50, 4)).astype(np.float32), lambda o, y: ((o - y) ** 2).mean(1)),
]


@pytest.mark.parametrize(("loss", "target", "per_sample"), LOSSES)
@pytest.mark.parametrize("capture", [False, True])
def test_sample_weights(loss: Any, target: Any, per_sample: Any, capture: bool) -> None:
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4))
    t = tg.train.Trainer(model, loss, tg.optim.SGD(model.parameters(), lr=0.0), capture=capture)
    outputs = t.predict(X).numpy().astype(np.float64)
    expected = (per_sample(outputs, target) * W).mean()  # as Keras: over the number of samples
    for found in (
        t.fit((X, target), 1, 16, sample_weight=W, verbose=0)["loss"][0],
        t.fit((X, target, W), 1, 16, verbose=0)["loss"][0],
        t.fit([(X[i : i + 7], target[i : i + 7], W[i : i + 7]) for i in range(0, 50, 7)], verbose=0)["loss"][0],
        t.evaluate((X, target, W), 9)["loss"],
    ):
        assert abs(found - expected) < 1e-6 * abs(expected)
    # The gradient too: of a sample that weighs nothing there is none.
    model.zero_grad()
    some = np.where(np.arange(50) < 20, 0, 1).astype(np.float32)
    t.fit((X, target), 1, 50, sample_weight=some, verbose=0)
    weighted = [np.array(p.grad.numpy()) for p in model.parameters()]
    tg.train.Trainer(model, loss, t.optimizer).fit((X[20:], target[20:]), 1, 50, verbose=0)
    for a, parameter in zip(weighted, model.parameters(), strict=True):
        np.testing.assert_allclose(a, parameter.grad.numpy() * 30 / 50, rtol=1e-5, atol=1e-6)


OWN = np.array([0.5, 1.0, 2.0, 3.0], np.float32)
IGNORING: list[tuple[Any, int, Any]] = [  # the loss, the label that it ignores, its own class weights
    (nn.CrossEntropyLoss(ignore_index=-100), -100, None),
    (nn.CrossEntropyLoss(ignore_index=2), 2, None),
    (nn.CrossEntropyLoss(OWN.tolist(), ignore_index=-100), -100, OWN),
    (nn.CrossEntropyLoss(OWN.tolist()), -1, OWN),
    (functools.partial(tg.cross_entropy, ignore_index=9), 9, None),
    (functools.partial(tg.cross_entropy, weight=tg.tensor(OWN), ignore_index=9), 9, OWN),
]


def weighed(trainer: Any, target: Any, ignored: int, own: Any) -> tuple[Any, Any, Any]:
    """Labels, with 0 for those that do not count; each sample's share of the mean, and its cross-entropy times that."""
    counts = target != ignored
    labels = np.where(counts, target, 0)
    outputs = trainer.predict(X).numpy().astype(np.float64)
    shares = counts * (np.ones(4) if own is None else own.astype(np.float64))[labels]
    return labels, shares, shares * (np.log(np.exp(outputs).sum(1)) - outputs[np.arange(50), labels])


@pytest.mark.parametrize(("loss", "ignored", "own"), IGNORING)
@pytest.mark.parametrize("capture", [False, True])
def test_samples_that_are_ignored_are_not_in_the_mean(loss: Any, ignored: int, own: Any, capture: bool) -> None:
    target = Y.copy()
    if ignored != -1:
        target[::3] = ignored
    counts = target != ignored
    model = nn.Linear(3, 4)
    t = tg.train.Trainer(model, loss, tg.optim.SGD(model.parameters(), lr=0.0), capture=capture)
    labels, shares, losses = weighed(t, target, ignored, own)
    by_class = np.array([3.0, 0.0, 1.0, 2.0])
    for options, factors in (
        ({"sample_weight": W}, W),
        ({"sample_weight": np.ones(50, np.float32)}, 1),
        ({"class_weight": by_class}, by_class[labels]),
        ({"class_weight": by_class, "sample_weight": W}, W * by_class[labels]),
        ({}, 1),
    ):
        expected = (losses * factors).sum() / shares.sum()
        found = t.fit((X, target), 1, 50, verbose=0, **options)["loss"][0]
        assert abs(found - expected) < 1e-6 * expected
    # So what an ignored sample is does not matter, and neither does its weight.
    gradient = [np.array(p.grad.numpy()) for p in model.parameters()]
    rows, heavy = np.flatnonzero(counts), np.where(counts, 1, 7).astype(np.float32)
    for data, weight in (((X[rows], target[rows]), heavy[rows]), ((X, target), heavy)):
        t.fit(data, 1, 50, sample_weight=weight, verbose=0)
        for a, parameter in zip(gradient, model.parameters(), strict=True):
            np.testing.assert_allclose(a, parameter.grad.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("loss", "ignored", "own"), IGNORING)
@pytest.mark.parametrize("capture", [False, True])
def test_the_mean_loss_does_not_depend_on_the_batches(loss: Any, ignored: int, own: Any, capture: bool) -> None:
    target = np.where(np.arange(50) % 3 == 0, ignored, Y) if ignored != -1 else Y.copy()
    if ignored != -1:
        target[20:30] = ignored  # all of a batch of 10 or 5
    model = nn.Linear(3, 4)
    t = tg.train.Trainer(model, loss, tg.optim.SGD(model.parameters(), lr=0.0), capture=capture)
    _, shares, losses = weighed(t, target, ignored, own)
    for size in (5, 7, 10, 50):
        assert abs(t.evaluate((X, target), size)["loss"] - losses.sum() / shares.sum()) < 1e-6
    if ignored != -1:
        assert np.isnan(t.evaluate((X[20:30], target[20:30]))["loss"])
    history = t.fit((X, target), 1, 50, validation_data=(X, target), class_weight=[2.0] * 4, verbose=0)
    assert abs(history["loss"][0] / 2 - history["val_loss"][0]) < 1e-6


def test_balanced_classes_are_those_of_the_samples_that_count() -> None:
    target = np.where(np.arange(50) % 3 == 0, -100, Y)
    counts = target != -100
    model = nn.Linear(3, 4)
    t = tg.train.Trainer(model, nn.CrossEntropyLoss(ignore_index=-100), tg.optim.SGD(model.parameters(), lr=0.0))
    found = [
        t.fit(data, 1, 50, class_weight="balanced", verbose=0)["loss"] for data in ((X, target), (X[counts], Y[counts]))
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


@pytest.mark.parametrize("capture", [False, True])
def test_class_weights_are_sample_weights(capture: bool) -> None:
    by_class = np.array([0.5, 1.0, 2.0, 3.0])
    counts = np.bincount(Y)
    for given, values in (
        ({0: 0.5, 2: 2.0, 3: 3.0}, by_class),
        (by_class.tolist(), by_class),
        (tg.tensor(by_class), by_class),
        ({1: 2.0}, np.array([1.0, 2.0, 1.0, 1.0])),  # what a dict lacks is 1, behind its last label too
        ("balanced", 50 / (4 * counts)),
    ):
        found = []
        for options in ({"class_weight": given}, {"sample_weight": values[Y]}):
            t = trainer(capture=capture)
            found.append(t.fit((X, Y), 3, 16, verbose=0, **options)["loss"])
        np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
    one_hot = np.eye(4, dtype=np.float32)[Y]
    both = [trainer().fit((X, y), 1, 50, class_weight=by_class, verbose=0)["loss"] for y in (Y, one_hot)]
    np.testing.assert_allclose(both[0], both[1], rtol=1e-6)


def test_weights_of_two_classes() -> None:
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 1))
    t = tg.train.Trainer(model, nn.BCEWithLogitsLoss(), tg.optim.SGD(model.parameters(), lr=0.0))
    y = (Y > 1).astype(np.float32)[:, None]
    logits = t.predict(X).numpy().astype(np.float64)
    losses = np.log1p(np.exp(logits)) - logits * y
    expected = (losses * np.where(y > 0, 5.0, 2.0)).mean()
    found = t.fit((X, y), 1, 16, class_weight={0: 2.0, 1: 5.0}, verbose=0)["loss"][0]
    assert abs(found - expected) < 1e-6 * expected
    expected = (losses * np.where(y > 0, 1.0, 2.0)).mean()
    found = t.fit((X, y), 1, 16, class_weight={0: 2.0}, verbose=0)["loss"][0]
    assert abs(found - expected) < 1e-6 * expected


def test_class_weights_of_several_targets() -> None:
    def loss(output: Any, target: Any, reduction: str = "mean") -> Any:
        return tg.cross_entropy(output, target[0], reduction=reduction)

    model = nn.Sequential(nn.Linear(3, 4))
    t = tg.train.Trainer(model, loss, tg.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(tg.ArgumentError, match="fit: class_weight needs one target, found a tuple; weigh each in"):
        t.fit((X, (Y, Y)), 1, class_weight={0: 2.0}, verbose=0)


@pytest.mark.parametrize("capture", [False, True])
def test_accumulated_gradients_are_those_of_a_larger_batch(capture: bool) -> None:
    x, y = X[:48], Y[:48]  # whole batches
    found = []
    for size, accumulate in ((16, 1), (4, 4)):
        tg.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4))
        optimizer = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        t = tg.train.Trainer(model, nn.CrossEntropyLoss(), optimizer, capture=capture, accumulate=accumulate)
        loader = tg.data.DataLoader((x, y), size)
        history = t.fit(loader, 3, verbose=0)
        assert optimizer.steps == 9
        found.append((np.concatenate([p.detach().numpy().ravel() for p in model.parameters()]), history["loss"]))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5)
    t = trainer(accumulate=3)
    t.fit((X, Y), 2, 10, verbose=0)  # 5 batches: 3, and 2 that are left
    assert t.optimizer.steps == 4


@pytest.mark.parametrize("capture", [False, True])
def test_what_is_left_of_accumulated_batches_is_averaged_over_as_many(capture: bool) -> None:
    found = []
    for accumulate in (3, 1):
        tg.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4))
        optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
        t = tg.train.Trainer(model, nn.CrossEntropyLoss(), optimizer, capture=capture, accumulate=accumulate)
        # 5 batches, of which updates take 3 and 2; and batches as large as these.
        data = batches(10) if accumulate == 3 else [(X[:30], Y[:30]), (X[30:], Y[30:])]
        t.fit(data, 2, verbose=0)
        assert optimizer.steps == 4
        found.append(np.frombuffer(weights(t), np.float32))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("capture", [False, True])
def test_a_penalty_is_in_the_gradient_and_not_in_the_loss(capture: bool) -> None:
    def run(**options: Any) -> tuple[bytes, list[float]]:
        decay = options.pop("decay", 0.0)
        tg.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4))
        optimizer = tg.optim.SGD(model.parameters(), lr=0.5, weight_decay=decay)
        t = tg.train.Trainer(model, nn.CrossEntropyLoss(), optimizer, capture=capture, **options)
        losses = t.fit((X, Y), 3, verbose=0)["loss"]
        return weights(t), losses

    plain = run()
    with_penalty = run(penalty=lambda model: tg.optim.penalties.l2(model.parameters(), 0.25))
    decayed = run(decay=0.25)
    np.testing.assert_allclose(np.frombuffer(with_penalty[0], "f4"), np.frombuffer(decayed[0], "f4"), rtol=1e-5)
    np.testing.assert_allclose(with_penalty[1], decayed[1], rtol=1e-6)
    assert plain != decayed


def test_functions_as_metrics_in_a_captured_step() -> None:
    def share(output: tg.Tensor, target: tg.Tensor) -> float:
        return float((output.numpy().argmax(-1) == target.numpy()).mean())

    t = trainer(capture=True)
    t = tg.train.Trainer(t.model, t.loss, t.optimizer, ["accuracy", share], capture=True)
    history = t.fit((X, Y), 3, 16, validation_data=(X, Y), verbose=0)
    np.testing.assert_allclose(history["share"], history["accuracy"], rtol=1e-12)
    np.testing.assert_allclose(history["val_share"], history["val_accuracy"], rtol=1e-12)
    assert list(history)[:3] == ["loss", "accuracy", "share"]


def test_probabilities() -> None:
    t = trainer()
    logits = t.predict(X).numpy().astype(np.float64)
    np.testing.assert_allclose(
        t.predict_proba(X).numpy(), np.exp(logits) / np.exp(logits).sum(1, keepdims=True), rtol=1e-5
    )
    model = nn.Sequential(nn.Linear(3, 1))
    t = tg.train.Trainer(model, nn.BCEWithLogitsLoss(), tg.optim.SGD(model.parameters(), lr=0.1))
    np.testing.assert_allclose(
        t.predict_proba(X).numpy(), 1 / (1 + np.exp(-t.predict(X).numpy().astype(np.float64))), rtol=1e-5
    )
    t = tg.train.Trainer(model, nn.MSELoss(), t.optimizer)
    with pytest.raises(tg.ArgumentError, match=r'MSELoss says nothing about probabilities; .* activation="softmax"'):
        t.predict_proba(X)
    assert np.array_equal(t.predict_proba(X, activation="identity").numpy(), t.predict(X).numpy())
    with pytest.raises(tg.ArgumentError, match="activation must be one of"):
        t.predict_proba(X, activation="relu")


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"data": (X, Y[:9])}, tg.ShapeError, "the inputs have 50, the targets have 9"),
    ({"data": (X, Y), "sample_weight": W[:9]}, tg.ShapeError, "the sample weights have 9"),
    ({"data": (X, Y), "sample_weight": -W}, tg.ArgumentError, "finite and at least 0, found -.* of sample 0"),
    ({"data": (X, Y, W), "sample_weight": W}, tg.ArgumentError, "found 3 arrays and sample_weight"),
    ({"data": (X,)}, tg.ArgumentError, "found 1 arrays"),
    ({"data": X}, tg.ArgumentError, "data must be arrays .*found ndarray"),
    ({"data": 3}, tg.ArgumentError, "found int"),
    ({"data": (X[:0], Y[:0])}, tg.ShapeError, "no samples"),
    ({"data": [(X, Y[:9])]}, tg.ShapeError, "a batch has 50 inputs and 9 targets"),
    ({"data": [(X, Y, W[:9])]}, tg.ShapeError, r"sample weights \[9\], expected \[50\]"),
    ({"data": [X]}, tg.ArgumentError, "a batch must be .*found ndarray"),
    ({"data": [(X,)]}, tg.ArgumentError, "found 1 parts"),
    ({"data": (np.array(["a"] * 50), Y)}, tg.DTypeError, "the inputs: dtype <U1"),
    ({"data": batches(), "sample_weight": W}, tg.ArgumentError, "sample_weight is for arrays"),
    ({"data": batches(), "validation_split": 0.5}, tg.ArgumentError, "validation_split must be .*of list"),
    (
        {"data": (X, Y), "validation_split": 0.999},
        tg.ArgumentError,
        "0.999 of 50 samples leaves 0 to train with and 50",
    ),
    ({"data": (X, Y), "validation_split": 0.001}, tg.ArgumentError, "leaves 50 to train with and 0 to evaluate"),
    ({"data": (X, Y), "validation_split": 1.5}, tg.ArgumentError, "found 1.5 of tuple"),
    ({"data": (X, Y), "validation_split": 0.5, "validation_data": (X, Y)}, tg.ArgumentError, "not both"),
    ({"data": (X, Y), "validation_data": (X, Y[:3])}, tg.ShapeError, "validation_data: all arrays"),
    ({"data": (X, Y), "class_weight": {-1: 2.0}}, tg.ArgumentError, r"labels from 0, found \[-1\]"),
    ({"data": (X, Y), "class_weight": {0: np.nan}}, tg.ArgumentError, "class_weight must be finite"),
    ({"data": (X, Y), "class_weight": [[1.0]]}, tg.ShapeError, r"class_weight must be \[C\]"),
    ({"data": (X, Y), "class_weight": [1.0, 1.0]}, tg.ShapeError, r"has 2 classes, targets \[32\] of int64 have 4"),
    ({"data": (X, Y), "class_weight": [1.0] * 5}, tg.ShapeError, r"has 5 classes, targets \[32\] of int64 have 4"),
    ({"data": (X, Y), "class_weight": {4: 2.0}}, tg.ShapeError, r"has 5 classes, targets \[32\] of int64 have 4"),
    ({"data": (X, Y), "class_weight": "even"}, tg.ArgumentError, "\"balanced\", found 'even'"),
    ({"data": batches(), "class_weight": "balanced"}, tg.ArgumentError, "needs data in arrays"),
    ({"data": (X, Y), "epochs": 1.5}, tg.ArgumentError, "epochs must be an integer"),
    ({"data": (X, Y), "batch_size": 0}, tg.ArgumentError, "batch_size must be an integer from 1"),
    ({"data": (X, Y), "verbose": 3}, tg.ArgumentError, "verbose must be 0, 1 or 2"),
    ({"data": (X, Y), "callbacks": [tg.train.TerminateOnNaN]}, tg.ArgumentError, "the class TerminateOnNaN; make an"),
    (
        {"data": (X, Y), "callbacks": tg.train.TerminateOnNaN()},
        tg.ArgumentError,
        "must be a list, found TerminateOnNaN",
    ),
    ({"data": (X, Y), "resume": True}, tg.ArgumentError, "resume needs checkpoint"),
    ({"data": (X, Y), "checkpoint_every": 5}, tg.ArgumentError, "checkpoint_every needs checkpoint"),
    ({"data": (X, Y), "steps_per_epoch": 0}, tg.ArgumentError, "steps_per_epoch must be"),
]


@pytest.mark.parametrize(("arguments", "kind", "message"), BAD)
def test_bad_arguments(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    t = trainer()
    before = weights(t)
    with pytest.raises(kind, match=message):
        t.fit(**{"verbose": 0, **arguments})
    assert weights(t) == before


def test_losses_that_do_not_fit() -> None:
    t = trainer()
    vector = tg.train.Trainer(t.model, nn.CrossEntropyLoss(reduction="none"), t.optimizer)
    with pytest.raises(tg.ShapeError, match=r"loss must return one number.*found \[32\]"):
        vector.fit((X, Y), verbose=0)
    number = tg.train.Trainer(t.model, lambda output, target: 3.0, t.optimizer)
    with pytest.raises(tg.ShapeError, match="found float"):
        number.fit((X, Y), verbose=0)
    closed = tg.train.Trainer(t.model, lambda output, target: tg.cross_entropy(output, target), t.optimizer)
    with pytest.raises(tg.ArgumentError, match="class_weight and sample weights need a loss for each sample"):
        closed.fit((X, Y), sample_weight=W, verbose=0)
    with pytest.raises(tg.ArgumentError, match="accumulate must be a positive integer"):
        trainer(accumulate=0)
    with pytest.raises(tg.ShapeError, match="there are no inputs"):
        t.predict(X[:0])
