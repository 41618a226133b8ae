"""Ensembles against votes counted in NumPy and scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.train import CheckpointFolder, Ensemble, Trainer

RNG = np.random.default_rng(6)
X = RNG.normal(size=(61, 4)).astype(np.float32)
Y = RNG.integers(0, 3, 61)


class Fixed(nn.Module):
    """Gives a table's rows for the numbers in its input."""

    def __init__(self, table: Any) -> None:
        self.register_buffer("table", tg.tensor(table))

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return tg.take(self.table, x.reshape((len(x),)).astype("int64"), axis=0)


TABLES = [RNG.dirichlet(np.ones(3), size=61).astype(np.float32) for _ in range(5)]
NUMBERS = np.arange(61, dtype=np.float32)[:, None]
SHARES = np.array([1.0, 2.0, 1.0, 3.0, 1.0])


def voted(tables: list[Any], shares: Any, confident: bool) -> Any:
    total = np.zeros((61, 3))
    for table, share in zip(tables, shares, strict=True):
        for row in range(61):
            best = table[row].argmax()
            total[row, best] += share * (float(table[row, best]) if confident else 1.0)
    return total / total.sum(1, keepdims=True)


@pytest.mark.parametrize("weights", [None, SHARES])
@pytest.mark.parametrize("method", ["mean", "vote", "confidence"])
def test_methods(method: str, weights: Any) -> None:
    ensemble = Ensemble([Fixed(table) for table in TABLES], method, "identity", weights)
    shares = np.ones(5) if weights is None else weights
    mean = np.average(np.stack(TABLES).astype(np.float64), axis=0, weights=shares)
    expected = mean if method == "mean" else voted(TABLES, shares, method == "confidence")
    found = ensemble.predict_proba(NUMBERS, 7).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    labels = ensemble.predict(NUMBERS, 7).numpy()
    assert len(ensemble) == 5
    for row in range(61):
        most = np.flatnonzero(expected[row] > expected[row].max() - 1e-9)
        assert labels[row] == most[mean[row, most].argmax()]  # ties by the means


def test_as_scikit_learn_votes() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    tree = pytest.importorskip("sklearn.tree")
    names = [(str(depth), tree.DecisionTreeClassifier(max_depth=depth, random_state=0)) for depth in (1, 2, 4)]
    for voting, method in (("hard", "vote"), ("soft", "mean")):
        theirs = ensemble.VotingClassifier(names, voting=voting).fit(X, Y)
        tables = [fitted.predict_proba(X).astype(np.float32) for fitted in theirs.estimators_]
        ours = Ensemble([Fixed(table) for table in tables], method, "identity")
        expected = theirs.predict(X)
        if voting == "soft":
            np.testing.assert_allclose(
                ours.predict_proba(NUMBERS).numpy(), theirs.predict_proba(X), rtol=1e-6, atol=1e-7
            )
        decided = [np.bincount([t[row].argmax() for t in tables]).max() > 1 for row in range(61)]
        clear = np.array(decided) if voting == "hard" else np.ones(61, bool)
        assert np.array_equal(ours.predict(NUMBERS).numpy()[clear], expected[clear])


def networks(count: int, outputs: int = 3) -> list[nn.Module]:
    tg.manual_seed(0)
    return [nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, outputs)) for _ in range(count)]


def test_networks() -> None:
    models = networks(3)
    outputs = [model.eval()(tg.tensor(X)).detach().numpy().astype(np.float64) for model in models]
    for model in models:
        model.train()
    exponentials = [np.exp(output) for output in outputs]
    expected = np.mean([e / e.sum(1, keepdims=True) for e in exponentials], axis=0)
    ensemble = Ensemble(models)
    for data in (X, tg.tensor(X), tg.data.DataLoader((X, Y), 9), [(X, Y)]):
        np.testing.assert_allclose(ensemble.predict_proba(data).numpy(), expected, rtol=1e-5)
    assert all(model.training for model in models)
    found = ensemble.predict_mean(X)
    assert found.dtype == tg.float32
    np.testing.assert_allclose(found.numpy(), np.mean(outputs, axis=0), rtol=1e-5, atol=1e-6)


def test_one_output_is_the_probability_of_class_1() -> None:
    models = networks(2, outputs=1)
    logits = [model.eval()(tg.tensor(X)).detach().numpy().astype(np.float64) for model in models]
    expected = np.mean([1 / (1 + np.exp(-logit)) for logit in logits], axis=0)
    ensemble = Ensemble(models, activation="sigmoid")
    np.testing.assert_allclose(
        ensemble.predict_proba(X).numpy(), np.concatenate([1 - expected, expected], 1), rtol=1e-5
    )
    assert np.array_equal(ensemble.predict(X).numpy(), (expected[:, 0] > 0.5).astype(np.int64))


def test_checkpoints_of_one_training(tmp_path: Path) -> None:
    model = networks(1)[0]
    trainer = Trainer(model, nn.CrossEntropyLoss(), tg.optim.Adam(model.parameters(), lr=0.05))
    folder = CheckpointFolder(tmp_path / "checkpoints", keep_last=3, keep_best=0)
    seen: list[Any] = []
    look = tg.train.LambdaCallback(
        on_epoch_end=lambda trainer, epoch, results: seen.append(trainer.predict_proba(X).numpy())
    )
    trainer.fit((X, Y), 5, 16, callbacks=[look], verbose=0, checkpoint=folder)
    own = [tensor.numpy().tobytes() for tensor in model.state_dict().values()]
    for count in (None, 1, 2):
        ensemble = Ensemble.from_checkpoints(folder, model, count)
        members = seen[-3:] if count is None else seen[-count:]
        assert len(ensemble) == len(members)
        expected = np.mean(np.stack(members).astype(np.float64), axis=0)
        np.testing.assert_allclose(ensemble.predict_proba(X).numpy(), expected, rtol=1e-6)
    assert [tensor.numpy().tobytes() for tensor in model.state_dict().values()] == own
    with pytest.raises(tg.ArgumentError, match="has 3 checkpoints, asked for 4"):
        Ensemble.from_checkpoints(folder, model, 4)
    with pytest.raises(tg.ArgumentError, match="has 0 checkpoints, asked for any"):
        Ensemble.from_checkpoints(CheckpointFolder(tmp_path / "none"), model)


def test_outputs_of_different_shapes() -> None:
    x = np.ones((5, 2), np.float32)
    three, one = (tg.train.Ensemble([tg.nn.Linear(2, 3), tg.nn.Linear(2, n)]) for n in (4, 1))
    with pytest.raises(tg.ShapeError, match=r"model 1 gives \[5, 4\] and model 0 \[5, 3\], expected one shape"):
        three.predict(x)
    with pytest.raises(tg.ShapeError, match=r"model 1 gives \[5, 1\] and model 0 \[5, 3\]"):
        one.predict_mean(x)  # which would broadcast


def test_bad_arguments() -> None:
    models = networks(2)
    for arguments, message in (
        (([],), "there are no models"),
        ((models, "most"), "method must be one of 'mean', 'vote', 'confidence', found 'most'"),
        ((models, "vote", "relu"), "activation must be one of"),
        ((models, "vote", "softmax", [1.0]), r"weights must be 2 numbers from 0, not all 0; found \[1.0\]"),
        ((models, "vote", "softmax", [0.0, 0.0]), "weights must be 2 numbers"),
        ((models, "vote", "softmax", [-1.0, 2.0]), "weights must be 2 numbers"),
    ):
        with pytest.raises(tg.ArgumentError, match=message):
            Ensemble(*arguments)  # type: ignore[arg-type]
    with pytest.raises(tg.ShapeError, match="there are no inputs"):
        Ensemble(models).predict(X[:0])
    with pytest.raises(tg.ArgumentError, match=r"expected arrays of inputs, a data set or an iterable .*, found int"):
        Ensemble(models).predict(3)
