"""Metrics against scikit-learn's, in batches of any sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad.train import metrics as m

sk = pytest.importorskip("sklearn.metrics")

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 5, 83)
SCORES = RNG.normal(size=(83, 5)).astype(np.float32)
SCORES[np.arange(83), LABELS] += 0.7  # better than chance
GUESSED = SCORES.argmax(1)
BINARY = RNG.integers(0, 2, 83)
LOGITS = (RNG.normal(size=83) + BINARY).astype(np.float32)
Y = RNG.normal(size=(83, 3)).astype(np.float32)
X = (Y + RNG.normal(size=Y.shape) * 0.3).astype(np.float32)


def over_batches(metric: m.Metric, output: Any, target: Any, size: int) -> Any:
    """The metric from its totals over batches, as the trainer adds them."""
    total: Any = 0
    for start in range(0, len(output), size):
        part = slice(start, start + size)
        total = total + metric.measure(tg.tensor(output[part]), tg.tensor(target[part])).numpy()
    return metric.result(np.asarray(total), len(output))


def scores_of(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(sk, name)
    return lambda true, guessed, **options: function(true, guessed, zero_division=0, **options)


@pytest.mark.parametrize("size", [1, 7, 83])
@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
@pytest.mark.parametrize(
    ("kind", "reference"), [(m.Precision, "precision_score"), (m.Recall, "recall_score"), (m.F1, "f1_score")]
)
def test_scores_of_classes(kind: Any, reference: str, average: str | None, size: int) -> None:
    expected = scores_of(reference)(LABELS, GUESSED, average=average)
    np.testing.assert_allclose(over_batches(kind(average), SCORES, LABELS, size), expected, rtol=1e-14)
    # Classes that never occur: 0 of nothing, and no part of the mean.
    some = LABELS < 2
    expected = scores_of(reference)(LABELS[some], GUESSED[some] % 2, average=average, labels=None)
    two = np.zeros_like(SCORES[some])
    two[np.arange(len(two)), GUESSED[some] % 2] = 1
    found = over_batches(kind(average), two, LABELS[some], size)
    np.testing.assert_allclose(found[:2] if average is None else found, expected, rtol=1e-14)


@pytest.mark.parametrize("size", [1, 7, 83])
def test_binary(size: int) -> None:
    guessed = LOGITS > 0
    for kind, reference in ((m.Precision, "precision_score"), (m.Recall, "recall_score"), (m.F1, "f1_score")):
        expected = scores_of(reference)(BINARY, guessed)
        floats = BINARY.astype(np.float32)
        assert abs(over_batches(kind("binary"), LOGITS, floats, size) - expected) < 1e-14
        assert abs(over_batches(kind("binary"), LOGITS[:, None], floats[:, None], size) - expected) < 1e-14
        assert abs(over_batches(kind("binary"), LOGITS[:, None], BINARY, size) - expected) < 1e-14
        assert abs(over_batches(kind("binary"), LOGITS, BINARY, size) - expected) < 1e-14
    higher = sk.accuracy_score(BINARY, LOGITS > 0.5)
    assert abs(over_batches(m.Accuracy(threshold=0.5), LOGITS, BINARY, size) - higher) < 1e-14
    with pytest.raises(tg.ArgumentError, match='precision: average="binary" is for two classes, found 5'):
        over_batches(m.Precision("binary"), SCORES, LABELS, size)


@pytest.mark.parametrize("size", [1, 7, 83])
def test_counts(size: int) -> None:
    assert abs(over_batches(m.Accuracy(), SCORES, LABELS, size) - sk.accuracy_score(LABELS, GUESSED)) < 1e-14
    matrix = over_batches(m.ConfusionMatrix(), SCORES, LABELS, size)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(LABELS, GUESSED))
    for k in (1, 2, 3, 5):
        expected = sk.top_k_accuracy_score(LABELS, SCORES, k=k) if k < 5 else 1.0
        assert abs(over_batches(m.TopK(k), SCORES, LABELS, size) - expected) < 1e-14
    soft = np.eye(5, dtype=np.float32)[LABELS]
    assert over_batches(m.Accuracy(), SCORES, soft, size) == over_batches(m.Accuracy(), SCORES, LABELS, size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 7, 83])
def test_errors_of_numbers(size: int, dtype: str) -> None:
    x, y = X.astype(dtype), Y.astype(dtype)
    exact = x.astype(np.float64), y.astype(np.float64)
    assert abs(over_batches(m.MSE(), x, y, size) - sk.mean_squared_error(*exact)) < 1e-14
    assert (
        abs(over_batches(m.RMSE(), x, y, size) - sk.root_mean_squared_error(exact[0].ravel(), exact[1].ravel())) < 1e-14
    )
    assert abs(over_batches(m.MAE(), x, y, size) - sk.mean_absolute_error(*exact)) < 1e-14


def test_labels_of_sequences() -> None:
    scores = SCORES[:80].reshape(8, 10, 5)
    labels = LABELS[:80].reshape(8, 10)
    expected = (scores.argmax(-1) == labels).mean()
    assert abs(over_batches(m.Accuracy(), scores, labels, 3) - expected) < 1e-14
    best = np.argsort(-scores, axis=-1)[..., :2]
    assert abs(over_batches(m.TopK(2), scores, labels, 3) - (best == labels[..., None]).any(-1).mean()) < 1e-14


@pytest.mark.parametrize("size", [1, 7, 83])
@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
def test_several_labels_at_once(average: str | None, size: int) -> None:
    true = (Y > 0.3).astype(np.float32)
    true[:, 2] = 0  # a label that is never there
    guessed = X > 0
    for kind, reference in ((m.Precision, "precision_score"), (m.Recall, "recall_score"), (m.F1, "f1_score")):
        found = over_batches(kind(average, multilabel=True), X, true, size)
        np.testing.assert_allclose(found, scores_of(reference)(true, guessed, average=average), rtol=1e-14)
    found = over_batches(m.Accuracy(multilabel=True), X, true, size)
    assert abs(found - (1 - sk.hamming_loss(true, guessed))) < 1e-14
    matrices = over_batches(m.ConfusionMatrix(multilabel=True), X, true, size)
    np.testing.assert_array_equal(matrices, sk.multilabel_confusion_matrix(true, guessed))
    # One label is a column of two classes.
    one = over_batches(m.F1("binary", multilabel=True), X[:, :1], true[:, :1], size)
    assert abs(one - sk.f1_score(true[:, 0], guessed[:, 0])) < 1e-14


@pytest.mark.parametrize("ignored", [-100, -1, 2])
@pytest.mark.parametrize("size", [1, 7, 83])
def test_labels_that_are_ignored(size: int, ignored: int) -> None:
    labels = np.where(np.arange(83) % 3 == 0, ignored, LABELS)
    counted = labels != ignored
    true, guessed = labels[counted], GUESSED[counted]
    options = {"ignore_index": ignored}
    assert abs(over_batches(m.Accuracy(**options), SCORES, labels, size) - sk.accuracy_score(true, guessed)) < 1e-14
    expected = sk.top_k_accuracy_score(true, SCORES[counted], k=2, labels=range(5))
    assert abs(over_batches(m.TopK(2, **options), SCORES, labels, size) - expected) < 1e-14
    matrix = over_batches(m.ConfusionMatrix(**options), SCORES, labels, size)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(true, guessed, labels=range(5)))
    expected = scores_of("f1_score")(true, guessed, average="macro")
    assert abs(over_batches(m.F1(**options), SCORES, labels, size) - expected) < 1e-14
    assert m.Accuracy(ignore_index=ignored).of(tg.tensor(SCORES[:2]), tg.tensor([ignored] * 2)) == 0  # of nothing


@pytest.mark.parametrize("label", [-1, 5])
def test_a_label_that_is_no_class(label: int) -> None:
    with pytest.raises(tg.OutOfRangeError, match=r"confusion_matrix: a label is not from 0 to 4; give .* ignore_index"):
        m.ConfusionMatrix().of(tg.tensor(SCORES[:2]), tg.tensor([0, label]))


@pytest.mark.parametrize("capture", [False, True])
def test_metrics_by_name_suit_the_loss(capture: bool) -> None:
    model = tg.nn.Sequential(tg.nn.Lambda(lambda x: x))
    unused = tg.optim.SGD([tg.nn.Parameter(tg.zeros(1))], lr=0.1)

    def found(loss: Any, x: Any, y: Any) -> dict[str, Any]:
        trainer = tg.train.Trainer(model, loss, unused, metrics=["accuracy", "f1"], capture=capture)
        result: dict[str, Any] = trainer.evaluate((x, y), 30)
        return result

    true = (Y > 0.3).astype(np.float32)
    probabilities = (1 / (1 + np.exp(-X))).astype(np.float32)
    for loss, x in ((tg.nn.BCELoss(), probabilities), (tg.nn.BCEWithLogitsLoss(), X)):
        several = found(loss, x, true)
        assert abs(several["accuracy"] - ((X > 0) == true).mean()) < 1e-14
        assert abs(several["f1"] - sk.f1_score(true, X > 0, average="macro")) < 1e-14
        one = found(loss, x[:, :1], true[:, :1])
        assert abs(one["accuracy"] - sk.accuracy_score(true[:, 0], X[:, 0] > 0)) < 1e-14
        assert abs(one["f1"] - sk.f1_score(true[:, 0], X[:, 0] > 0, average="macro")) < 1e-14
    labels = np.where(np.arange(83) % 3 == 0, -100, LABELS)
    few = found(tg.nn.CrossEntropyLoss(ignore_index=-100), SCORES, labels)
    assert abs(few["accuracy"] - sk.accuracy_score(labels[labels >= 0], GUESSED[labels >= 0])) < 1e-14


@pytest.mark.parametrize("name", ["accuracy", "top5", "f1", "mse"])
def test_outputs_in_a_tuple(name: str) -> None:
    metric = m.as_metric(name, {})
    with pytest.raises(tg.ArgumentError, match=f"{name}: the output is a tuple, expected a tensor; of several take"):
        metric.of((tg.tensor(SCORES), tg.tensor(SCORES)), tg.tensor(LABELS))  # type: ignore[union-attr, arg-type]


def test_the_trainer_has_the_same_numbers_captured_or_not() -> None:
    def run(capture: bool) -> tuple[Any, dict[str, Any]]:
        tg.manual_seed(0)
        model = tg.nn.Sequential(tg.nn.Linear(5, 5))
        names = ["accuracy", "top5", "precision", "recall", "f1", "confusion_matrix", m.TopK(2)]
        optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
        trainer = tg.train.Trainer(model, tg.nn.CrossEntropyLoss(), optimizer, metrics=names, capture=capture)
        history = trainer.fit((SCORES, LABELS), 3, 20, validation_data=(SCORES, LABELS), verbose=0)
        del history["samples_per_second"]
        return history, trainer.evaluate((SCORES, LABELS), 9) | {"guessed": trainer.predict(SCORES).numpy().argmax(1)}

    history, found = run(False)
    other, again = run(True)
    assert history == other
    assert found["f1"] == again["f1"]
    assert history["val_f1"][-1] == found["f1"]
    guessed = found["guessed"]
    assert abs(found["f1"] - sk.f1_score(LABELS, guessed, average="macro")) < 1e-14
    assert abs(found["top2"] - found["top5"]) <= 1
    np.testing.assert_array_equal(found["confusion_matrix"], sk.confusion_matrix(LABELS, guessed))
    assert "confusion_matrix" not in history
    kept = history.arrays["val_confusion_matrix"]
    assert len(kept) == 3
    np.testing.assert_array_equal(kept[-1], found["confusion_matrix"])
    assert kept[0].sum() == 83


def test_a_metric_of_ones_own_is_captured() -> None:
    class Worst(m.Metric):
        def measure(self, output: tg.Tensor, target: tg.Tensor) -> tg.Tensor:
            return tg.sum(tg.max(tg.absolute(output - target), axis=1))

        def result(self, total: Any, samples: int) -> float:
            return float(total) / samples

    model = tg.nn.Sequential(tg.nn.Linear(3, 3))
    optimizer = tg.optim.SGD(model.parameters(), lr=0.0)
    trainer = tg.train.Trainer(model, tg.nn.MSELoss(), optimizer, metrics=[Worst("worst")], capture=True)
    found = trainer.fit((X, Y), 3, 10, verbose=0)["worst"]
    expected = np.abs(trainer.predict(X).numpy() - Y).max(1).astype(np.float64).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_bad_metrics() -> None:
    model = tg.nn.Sequential(tg.nn.Linear(3, 3))
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)

    def make(*metrics: Any) -> tg.train.Trainer:
        return tg.train.Trainer(model, tg.nn.MSELoss(), optimizer, metrics=list(metrics))

    with pytest.raises(tg.ArgumentError, match=r"metric F1 is a class; give F1\(\)"):
        make(m.F1)
    with pytest.raises(tg.ArgumentError, match="found int"):
        make(3)
    with pytest.raises(tg.ArgumentError, match="two metrics are called 'mae'"):
        make("mae", m.MAE())
    with pytest.raises(tg.ArgumentError, match="two metrics are called 'loss'"):
        make(m.MAE("loss"))
    with pytest.raises(tg.ArgumentError, match=r"average must be one of 'macro', .*found 'mean'"):
        m.F1("mean")
    with pytest.raises(tg.ArgumentError, match="k must be a positive integer, found 0"):
        m.TopK(0)
    with pytest.raises(tg.ShapeError, match=r"top4: expected scores .* of at least 4 classes, found \[83, 3\]"):
        make(m.TopK(4)).evaluate((X, Y))
    with pytest.raises(tg.ShapeError, match=r"mse: the output is \[2, 3\] and the target \[2\]"):
        m.MSE().of(tg.zeros((2, 3)), tg.zeros(2))
    with pytest.raises(tg.ShapeError, match=r"accuracy: found the output \[2, 3\] and the target \[3\]"):
        m.Accuracy().of(tg.zeros((2, 3)), tg.tensor([1, 2, 0]))

    def listed(output: tg.Tensor, target: tg.Tensor) -> Any:
        return [1.0]

    with pytest.raises(tg.ArgumentError, match="metric 'listed': expected a number, found list"):
        make(listed).evaluate((X, Y))
