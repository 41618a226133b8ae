"""The estimators for scikit-learn, beyond its own checks: values, pickling, partial fits, modules, labels, features."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_blobs, make_multilabel_classification
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tilegrad.sklearn import HiddenFeatures, NetClassifier, NetRegressor, NetTransformer

X, Y = make_blobs(90, centers=3, cluster_std=4.0, random_state=0)
X = StandardScaler().fit_transform(X)
Array = np.ndarray[Any, Any]


class Unregistered(nn.Module):
    """A network that a model file cannot describe."""

    def __init__(self, outputs: int) -> None:
        self.hidden = nn.Linear(None, 8, activation="tanh")
        self.out = nn.Linear(8, outputs)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return self.out(self.hidden(x))


def net(**given: Any) -> NetClassifier:
    return NetClassifier(**{"hidden_layer_sizes": (8,), "epochs": 10, "random_state": 0, **given})


# Values.


def test_without_hidden_layers_it_is_logistic_regression() -> None:
    """A convex loss has one minimum, wherever it is found."""
    ours = NetClassifier((), optimizer="sgd", learning_rate=0.5, epochs=2000, weight_decay=0.0, random_state=0,
                         n_iter_no_change=None)  # fmt: skip
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(X, Y)
    assert np.abs(ours.fit(X, Y).predict_proba(X) - theirs.predict_proba(X)).max() < 1e-6


@pytest.mark.parametrize("outputs", [1, 3])
def test_without_hidden_layers_it_is_linear_regression(outputs: int) -> None:
    random = np.random.default_rng(0)
    y = X @ random.normal(size=(2, outputs)) + random.normal(size=(90, outputs))
    y = y[:, 0] if outputs == 1 else y
    ours = NetRegressor((), optimizer="sgd", learning_rate=0.1, epochs=1000, weight_decay=0.0, random_state=0,
                        n_iter_no_change=None)  # fmt: skip
    assert np.abs(ours.fit(X, y).predict(X) - LinearRegression().fit(X, y).predict(X)).max() < 1e-9
    assert ours.predict(X).shape == y.shape
    assert ours.n_outputs_ == outputs


def test_a_linear_autoencoder_finds_the_principal_components() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 5)) * [3, 2, 0.3, 0.2, 0.1]
    ours = NetTransformer(2, (), activation="identity", learning_rate=0.02, epochs=2000, weight_decay=0.0,
                          n_iter_no_change=None, schedule="cosine", random_state=0).fit(x)  # fmt: skip
    pca = PCA(2).fit(x)
    least = np.mean((pca.inverse_transform(pca.transform(x)) - x) ** 2)
    assert least <= np.mean((ours.inverse_transform(ours.transform(x)) - x) ** 2) < 1.001 * least
    assert list(ours.get_feature_names_out()) == ["nettransformer0", "nettransformer1"]


def test_absolute_errors_end_in_the_median() -> None:
    y = np.array([0.0, 1.0, 2.0, 3.0, 100.0])
    ours = NetRegressor((), loss="absolute_error", optimizer="sgd", learning_rate=0.05, schedule="cosine", epochs=2000,
                        weight_decay=0.0, n_iter_no_change=None, random_state=0).fit(np.zeros((5, 1)), y)  # fmt: skip
    assert abs(ours.predict(np.zeros((1, 1)))[0] - 2.0) < 0.02


def test_probabilities_and_decisions_are_those_of_the_logits() -> None:
    three = net().fit(X, Y)
    logits = three.decision_function(X)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(three.predict_proba(X), expected, rtol=1e-14)
    assert np.allclose(three.predict_log_proba(X), np.log(expected), rtol=1e-13, atol=1e-13)
    names = np.array(["c", "a", "b"])[Y]
    assert np.array_equal(net().fit(X, names).classes_, ["a", "b", "c"])
    two = net().fit(X[Y < 2], Y[Y < 2])
    decisions = two.decision_function(X)
    assert decisions.shape == (90,)
    assert np.array_equal(two.predict(X), (decisions > 0).astype(int))


def test_several_labels() -> None:
    x, y = make_multilabel_classification(200, 6, n_classes=3, random_state=0)
    ours = NetClassifier((16,), learning_rate=0.01, epochs=300, random_state=0).fit(x, y)
    found = ours.predict_proba(x)
    assert found.shape == (200, 3)
    assert np.array_equal(ours.predict(x), (found > 0.5).astype(int))
    assert (ours.predict(x) == y).mean() > 0.83
    assert np.allclose(np.exp(ours.predict_log_proba(x)), found)


def test_several_labels_are_smoothed() -> None:
    options = {"label_smoothing": 0.2, "learning_rate": 0.1, "epochs": 300, "weight_decay": 0.0}
    ours = NetClassifier((), n_iter_no_change=None, random_state=0, **options).fit(np.zeros((20, 1)), [[1, 0]] * 20)
    assert np.allclose(ours.predict_proba(np.zeros((1, 1))), [[0.9, 0.1]], atol=1e-3)  # each is one of two classes
    with pytest.raises(tg.ArgumentError, match="label_smoothing must be from 0 to 1, found 2"):
        ours.set_params(label_smoothing=2).fit(np.zeros((20, 1)), [[1, 0]] * 20)


def test_class_weights_are_sample_weights() -> None:
    by_class = net(class_weight={0: 2.0, 1: 0.5, 2: 1.0}).fit(X, Y)
    by_sample = net().fit(X, Y, sample_weight=np.array([2.0, 0.5, 1.0])[Y])
    assert np.array_equal(by_class.decision_function(X), by_sample.decision_function(X))
    lopsided = np.r_[np.flatnonzero(Y == 0), np.flatnonzero(Y == 1)[:5]]
    balanced = net(class_weight="balanced", epochs=200, learning_rate=0.01).fit(X[lopsided], Y[lopsided])
    plain = net(epochs=200, learning_rate=0.01).fit(X[lopsided], Y[lopsided])
    assert (balanced.predict(X) == 1).sum() > (plain.predict(X) == 1).sum()


# Random numbers.


def test_the_same_state_gives_the_same_bits_and_leaves_others_alone() -> None:
    tg.manual_seed(5)
    expected = tg.rand(4).tolist()
    tg.manual_seed(5)
    first = net(dropout=0.3, batch_size=16).fit(X, Y).decision_function(X)
    assert tg.rand(4).tolist() == expected
    assert np.array_equal(first, net(dropout=0.3, batch_size=16).fit(X, Y).decision_function(X))
    assert not np.array_equal(first, net(dropout=0.3, batch_size=16, random_state=1).fit(X, Y).decision_function(X))


def test_threads_do_not_disturb_each_other() -> None:
    def fitted(seed: int) -> Array:
        return net(dropout=0.3, batch_size=16, random_state=seed).fit(X, Y).decision_function(X)

    alone = [fitted(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fitted, range(4)))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_joblib(backend: str) -> None:
    joblib = pytest.importorskip("joblib")
    search = GridSearchCV(net(), {"learning_rate": [0.001, 0.01]}, cv=3, n_jobs=2)
    with joblib.parallel_backend(backend):
        found = search.fit(X, Y)
    alone = GridSearchCV(net(), {"learning_rate": [0.001, 0.01]}, cv=3).fit(X, Y)
    assert np.array_equal(found.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert np.array_equal(found.predict_proba(X), alone.predict_proba(X))


# Pickling, and going on.


@pytest.mark.parametrize("module", [None, Unregistered])
@pytest.mark.parametrize("dtype", ["float32", None])
def test_a_pickle_gives_the_same_bits_and_goes_on_the_same(module: Any, dtype: Any) -> None:
    fitted = net(module=module, dtype=dtype, dropout=0.2).fit(X, Y)
    drawn = tg.default_generator.state()
    content = pickle.dumps(fitted)
    assert b"tilegrad.tensor" not in content  # the network is a file's bytes
    again = pickle.loads(content)
    assert tg.default_generator.state() == drawn
    assert np.array_equal(fitted.predict_proba(X), again.predict_proba(X))
    for part in (fitted, again, copied := copy.deepcopy(again)):
        for first in (0, 30, 60):
            part.partial_fit(X[first : first + 30], Y[first : first + 30])
    assert np.array_equal(fitted.predict_proba(X), again.predict_proba(X))
    assert np.array_equal(fitted.predict_proba(X), copied.predict_proba(X))
    assert fitted.history_["loss"] == again.history_["loss"]
    assert not hasattr(clone(fitted), "module_")


def test_a_pickle_outlives_a_change_of_arguments() -> None:
    fitted = net().fit(X, Y)
    expected = fitted.predict_proba(X)
    fitted.set_params(hidden_layer_sizes=(3, 3))
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), expected)


def test_partial_fits_are_the_epochs_of_a_fit() -> None:
    whole = net(n_iter_no_change=None, batch_size=90).fit(X, Y)
    parts = net(batch_size=90)
    for _ in range(10):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    assert parts.n_iter_ == whole.n_iter_ == len(parts.loss_curve_) == 10
    # All samples in one step: only the order of the sums differs.
    assert np.allclose(parts.decision_function(X), whole.decision_function(X), rtol=1e-9, atol=1e-12)


def test_a_warm_start_goes_on_from_the_weights() -> None:
    warm = net(warm_start=True, epochs=5).fit(X, Y)
    first = warm.loss_curve_[-1]
    warm.fit(X, Y)
    assert warm.n_iter_ == 10
    assert warm.loss_curve_[5] < first * 1.05
    with pytest.raises(ValueError, match=r"warm_start: y has the classes \[.*0.*1.*\], the network was trained for"):
        warm.fit(X[Y < 2], Y[Y < 2])
    with pytest.raises(ValueError, match=r"warm_start: y has the classes"):
        warm.fit(X, np.eye(3, dtype=int)[Y])
    assert warm.fit(X.astype(np.float32), Y).predict_proba(X).dtype == np.float64  # as the weights are
    with pytest.raises(ValueError, match="X has 1 features, but NetClassifier is expecting 2"):
        warm.fit(X[:, :1], Y)
    regressor = NetRegressor((4,), epochs=2, warm_start=True, random_state=0).fit(X, X)
    with pytest.raises(ValueError, match="y has 1 outputs, the network was made for 2"):
        regressor.fit(X, X[:, 0])


# Training.


def test_early_stopping_keeps_the_best_weights() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(60, 20)), random.integers(0, 2, 60)  # nothing to learn: validation gets worse
    stopped = net(hidden_layer_sizes=(64,), early_stopping=True, validation_fraction=0.3, learning_rate=0.02,
                  epochs=200, n_iter_no_change=5).fit(x, y)  # fmt: skip
    curve = stopped.validation_loss_curve_
    assert stopped.n_iter_ == len(curve) < 200
    best = int(np.argmin(curve))
    assert best < len(curve) - 1
    (_, _), (held_x, held_y) = tg.data.train_validation_split(
        x, y, fraction=0.3, seed=stopped._seed, stratify=y.astype(np.int64)
    )
    loss = -stopped.predict_log_proba(held_x)[np.arange(len(held_x)), held_y].mean()
    assert abs(loss - curve[best]) < 1e-9


def test_training_ends_when_the_loss_falls_no_more() -> None:
    assert net(learning_rate=0.0, epochs=100, n_iter_no_change=4).fit(X, Y).n_iter_ == 5
    assert net(learning_rate=0.0, epochs=20, n_iter_no_change=None).fit(X, Y).n_iter_ == 20


@pytest.mark.parametrize("optimizer", ["adadelta", "adagrad", "adam", "adamw", "lamb", "nadam", "rmsprop", "sgd",
                                       tg.optim.SGD, partial(tg.optim.Adam, betas=(0.8, 0.9))])  # fmt: skip
def test_optimizers(optimizer: Any) -> None:
    found = net(optimizer=optimizer, learning_rate=0.01, n_iter_no_change=None, clip_norm=1.0).fit(X, Y)
    assert found.loss_curve_[-1] < found.loss_curve_[0]


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu", "elu", "silu", "selu", "leaky_relu", "mish",
                                        "softplus", "hard_swish", "identity", nn.PReLU])  # fmt: skip
def test_activations(activation: Any) -> None:
    found = net(activation=activation).fit(X, Y)
    assert (found.n_iter_, found.predict(X).shape) == (10, (90,))
    assert np.array_equal(pickle.loads(pickle.dumps(found)).predict_proba(X), found.predict_proba(X))


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_schedules(schedule: str) -> None:
    rates: list[float] = []

    class Watch(tg.train.Callback):
        def on_epoch_end(self, trainer: Any, epoch: int, results: dict[str, float]) -> None:
            rates.append(trainer.optimizer.lr)

    net(schedule=schedule, learning_rate=0.01, callbacks=[Watch()], batch_size=30).fit(X, Y)
    assert len(rates) == 10
    assert rates[-1] < 0.001 < max(rates)
    own = tg.optim.schedules.ReduceOnPlateau(0.01, patience=1)
    before = own.state_dict()
    net(learning_rate=own).fit(X, Y)
    assert own.state_dict() == before  # the fit had a copy


# Other inputs.


def test_images_and_a_network_by_its_function() -> None:
    digits = load_digits()
    images, labels = np.float32(digits.images / 16)[..., None], digits.target

    def small(outputs: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(None, 4, 3, activation="relu"), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(None, outputs)
        )

    found = NetClassifier(module=small, epochs=8, learning_rate=0.01, batch_size=32, random_state=0)
    assert found.fit(images[:800], labels[:800]).score(images[800:], labels[800:]) > 0.8
    assert found.predict_proba(images[:2]).dtype == np.float32
    with pytest.raises(
        ValueError, match=r"X has samples of shape \[8, 7, 1\], but NetClassifier is expecting \[8, 8, 1\]"
    ):
        found.predict(images[:2, :, :7])


def test_words_for_an_embedding() -> None:
    random = np.random.default_rng(0)
    words, labels = random.integers(0, 20, (100, 5)), random.integers(0, 2, 100)
    words[:, 0] = labels

    def model(outputs: int) -> nn.Module:
        return nn.Sequential(nn.Embedding(20, 4), nn.Flatten(), nn.Linear(20, outputs))

    found = NetClassifier(module=model, dtype="int64", epochs=200, learning_rate=0.02, random_state=0)
    assert found.fit(words, labels).score(words, labels) > 0.95


def test_float32_stays_and_all_else_is_float64() -> None:
    assert net().fit(X, Y).predict_proba(X).dtype == np.float64
    assert net().fit(X.astype(np.float32), Y).predict_proba(X).dtype == np.float32
    assert net(dtype="float32").fit(X, Y).predict_proba(X).dtype == np.float32


def test_hidden_features_are_the_outputs_of_a_layer() -> None:
    fitted = net(hidden_layer_sizes=(8, 5), activation="elu").fit(X, Y)
    model = fitted.module_
    features = HiddenFeatures(fitted, layer=-2, prefit=True).fit(X)
    expected = model[:-1](tg.tensor(X)).detach().numpy()
    assert np.array_equal(features.transform(X), expected)
    assert features.transform(X).shape == (90, 5)
    assert list(features.get_feature_names_out())[:2] == ["hiddenfeatures0", "hiddenfeatures1"]
    assert np.array_equal(HiddenFeatures(fitted, layer="0", prefit=True).fit(X).transform(X),
                          model[0](tg.tensor(X)).detach().numpy())  # fmt: skip
    trained = make_pipeline(StandardScaler(), HiddenFeatures(net()), LogisticRegression()).fit(X, Y)
    assert trained.score(X, Y) > 0.5
    with pytest.raises(tg.OutOfRangeError, match=r"layer 9 is out of range: the network has 5 layers"):
        HiddenFeatures(fitted, layer=9, prefit=True).fit(X)
    with pytest.raises(tg.ArgumentError, match=r"estimator must be one of tilegrad.sklearn, found PCA"):
        HiddenFeatures(PCA()).fit(X, Y)


def test_in_scikit_learns_tools() -> None:
    x, y = load_iris(return_X_y=True)
    machine = make_pipeline(StandardScaler(), PCA(2, whiten=True), net(learning_rate=0.02, epochs=100))
    assert cross_val_score(machine, x, y, cv=3).mean() > 0.8
    found = GridSearchCV(machine, {"netclassifier__hidden_layer_sizes": [(4,), (8, 4)]}, cv=3).fit(x, y)
    assert found.best_score_ > 0.8


def test_training_that_diverges_or_is_ended_by_an_error() -> None:
    message = r"NetRegressor: training diverged, the weights are not finite: standardise X, lower learning_rate"
    with pytest.raises(ValueError, match=message):
        NetRegressor((), optimizer="sgd", learning_rate=10.0, n_iter_no_change=None).fit(1e3 * X, X[:, 0])

    class End(tg.train.Callback):
        def on_epoch_end(self, trainer: Any, epoch: int, results: dict[str, float]) -> None:
            raise KeyError("enough")

    stopped = net(dropout=0.5, callbacks=[End()])
    drawn = tg.default_generator.state()
    with pytest.raises(KeyError, match="enough"):
        stopped.fit(X, Y)
    assert tg.default_generator.state() == drawn
    assert np.array_equal(stopped.predict_proba(X), stopped.predict_proba(X))  # nothing is dropped


def test_in_ensembles() -> None:
    bagged = BaggingClassifier(net(dropout=0.1), n_estimators=3, random_state=0).fit(X, Y)
    assert len({one.random_state for one in bagged.estimators_}) == 3
    mean = np.mean([one.predict_proba(X) for one in bagged.estimators_], axis=0)
    assert np.allclose(bagged.predict_proba(X), mean, rtol=1e-12)
    voting = VotingClassifier([("net", net()), ("linear", LogisticRegression())], voting="soft").fit(X, Y)
    assert voting.predict_proba(X).shape == (90, 3)


# Errors.

BAD: list[tuple[type[Exception], dict[str, Any], str]] = [
    (tg.ArgumentError, {"activation": "reluu"}, "activation must be one of elu, gelu, .*found 'reluu'"),
    (tg.ArgumentError, {"optimizer": "sdg"}, "optimizer must be one of adadelta, .*found 'sdg'"),
    (tg.ArgumentError, {"optimizer": lambda *a, **k: None}, "optimizer made NoneType, expected a tg.optim.Optimizer"),
    (tg.ArgumentError, {"schedule": "linear"}, "schedule must be one of constant, cosine, one_cycle, found 'linear'"),
    (tg.ArgumentError, {"learning_rate": lambda step: 0.1, "schedule": "cosine"}, "learning_rate is a schedule alre"),
    (tg.ArgumentError, {"learning_rate": -0.1}, "learning_rate must be a number from 0 or a schedule, found -0.1"),
    (tg.ArgumentError, {"learning_rate": "fast"}, "learning_rate must be a number from 0 or a schedule, found 'fast'"),
    (tg.ArgumentError, {"batch_size": 0}, "batch_size must be a positive integer or 'auto', found 0"),
    (tg.ArgumentError, {"batch_size": -5}, "batch_size must be a positive integer or 'auto', found -5"),
    (tg.ArgumentError, {"batch_size": 0.5}, "batch_size must be a positive integer or 'auto', found 0.5"),
    (tg.ArgumentError, {"epochs": 0}, "epochs must be a positive integer, found 0"),
    (tg.ArgumentError, {"dtype": "float16"}, "dtype must be None, 'float32', 'float64' or 'int64', found 'float16'"),
    (tg.ArgumentError, {"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes must be a positive integer, found 0"),
    (tg.ArgumentError, {"dropout": 1.0}, "p must be at least 0 and below 1"),
    (tg.ArgumentError, {"module": lambda outputs: outputs}, "module must return a tg.nn.Module, found int"),
    (tg.ArgumentError, {"early_stopping": True, "validation_fraction": 1.0}, "validation_fraction must be between 0"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "given", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_wrong_arguments(error: type[Exception], given: dict[str, Any], message: str) -> None:
    with pytest.raises(error, match=message):
        net(**given).fit(X, Y)


def test_wrong_calls() -> None:
    with pytest.raises(tg.ArgumentError, match=r"loss must be one of squared_error, absolute_error, huber, found 'l2'"):
        NetRegressor(loss="l2").fit(X, X)
    with pytest.raises(tg.ArgumentError, match=r"partial_fit: schedule='cosine' needs the number of steps"):
        net(schedule="cosine").partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"y has the labels \[.*7.*\], which are none of the classes"):
        net().fit(X, Y).partial_fit(X, np.where(Y == 0, 7, Y))
    with pytest.raises(ValueError, match=r"inverse_transform: X has 2 features, codes have 1"):
        NetTransformer(1, (4,), epochs=2).fit(X).inverse_transform(X)
    with pytest.raises(tg.ArgumentError, match=r"dtype must be floating"):
        NetTransformer(1, dtype="int64").fit(X)
    with pytest.raises(ValueError, match=r"early_stopping holds out 0.1 of n_samples = 1, which leaves none"):
        NetRegressor(early_stopping=True).fit(X[:1], Y[:1])


def test_importing_tilegrad_imports_no_scikit_learn_and_its_absence_names_the_extra() -> None:
    code = (
        "import sys, tilegrad as tg; assert not any(m.startswith('sklearn') for m in sys.modules);"
        "sys.modules['sklearn'] = None\n"
        "try: tg.sklearn\n"
        "except tg.MissingExtraError as error: print(error)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 'pip install "tilegrad[sklearn]"' in printed
