"""The estimators' argument ``device``: what is said without a GPU, and with one the same results as without."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import tilegrad as tg

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.datasets import make_blobs

from tilegrad.sklearn import HiddenFeatures, NetClassifier, NetRegressor, NetTransformer
from tilegrad.train.placement import device_of

from .targets import NEEDS_GPU

X, Y = make_blobs(90, centers=3, random_state=0)
X = (X - X.mean(axis=0)) / X.std(axis=0)
CLASSES = [0, 1, 2]


def estimators(**given: Any) -> list[Any]:
    options = {"epochs": 5, "random_state": 0, "batch_size": 32, **given}
    return [
        NetClassifier((8,), early_stopping=True, **options),
        NetRegressor((8,), optimizer="sgd", **options),
        NetTransformer(1, (4,), activation="elu", **options),
    ]


def applied(net: Any) -> Any:
    """What a fitted estimator makes of the samples."""
    methods = {NetClassifier: "predict_proba", NetRegressor: "predict", NetTransformer: "transform"}
    return getattr(net, methods[type(net)])(X)


WRONG = [
    ("gpu", tg.DeviceError, r"device 'gpu' is none of 'cpu', 'cuda' and 'cuda:0' to 'cuda:15'"),
    ("cuda:16", tg.DeviceError, r"device 'cuda:16' is none of"),
    (None, tg.ArgumentError, r"device must be 'cpu', 'cuda' or 'cuda:1', found None"),
    (0, tg.ArgumentError, r"device must be 'cpu', 'cuda' or 'cuda:1', found 0"),
]
if not tg.cuda.is_available():
    WRONG.append(("cuda", tg.DeviceError, r"device 'cuda' is not available: \w+"))


@pytest.mark.parametrize(("device", "error", "message"), WRONG)
@pytest.mark.parametrize("kind", range(3))
def test_a_device_that_is_not_there(kind: int, device: Any, error: type[Exception], message: str) -> None:
    net = estimators(device=device)[kind]  # nothing is looked at before fit
    message = f"^{type(net).__name__}: {message}"
    assert issubclass(error, ValueError)
    with pytest.raises(error, match=message):
        net.fit(X, Y)
    assert not [name for name in vars(net) if name.endswith("_")]
    with pytest.raises(error, match=message):
        net.partial_fit(X, Y, **({"classes": CLASSES} if kind == 0 else {}))
    # One that was fitted elsewhere stays what it is.
    net = estimators(warm_start=True)[kind].fit(X, Y)
    before = applied(net)
    net.set_params(device=device)
    for go_on in (net.fit, net.partial_fit):
        with pytest.raises(error, match=message):
            go_on(X, Y)
    assert np.array_equal(applied(net), before)


@pytest.mark.skipif(tg.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("kind", range(3))
def test_a_network_from_a_gpu_predicts_without_one(kind: int) -> None:
    net = estimators()[kind].fit(X, Y)
    read = pickle.loads(pickle.dumps(net.set_params(device="cuda")))
    assert read.device == "cuda"
    assert np.array_equal(applied(read), applied(net))
    for each in (read, net):
        each.set_params(device="cpu").partial_fit(X, Y)
    assert np.array_equal(applied(read), applied(net))


# With a GPU. float64, whose products no device shortens: what differs are orders of sums.


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@NEEDS_GPU
@pytest.mark.parametrize("capture", [False, True])
@pytest.mark.parametrize("kind", range(3))
def test_training_on_the_gpu(kind: int, capture: bool) -> None:
    on_cpu, net = (estimators(device=device, capture=capture)[kind].fit(X, Y) for device in ("cpu", "cuda"))
    assert device_of(net.module_) == "cuda"
    close(applied(net), applied(on_cpu))
    close(net.loss_curve_, on_cpu.loss_curve_)
    read = pickle.loads(pickle.dumps(net))
    assert device_of(read.module_) == "cuda"
    assert np.array_equal(applied(read), applied(net))
    for each in (on_cpu, net, read):
        each.partial_fit(X, Y)
    close(applied(net), applied(on_cpu))
    close(applied(read), applied(on_cpu))
    assert device_of(clone(net).fit(X, Y).module_) == "cuda"


@NEEDS_GPU
@pytest.mark.parametrize("kind", range(3))
def test_going_on_elsewhere(kind: int) -> None:
    """The optimizer's state goes along."""
    on_cpu, net = (estimators()[kind].fit(X, Y) for _ in range(2))
    for device in ("cuda", "cpu", "cuda"):
        net.set_params(device=device).partial_fit(X, Y)
        assert device_of(net.module_) == device
        close(applied(net), applied(on_cpu.partial_fit(X, Y)))


@NEEDS_GPU
def test_hidden_features_of_a_network_on_the_gpu() -> None:
    found = [HiddenFeatures(estimators(device=device)[0]).fit(X, Y).transform(X) for device in ("cpu", "cuda")]
    close(found[1], found[0])
    codes = [estimators(device=device)[2].fit(X) for device in ("cpu", "cuda")]
    close(codes[1].inverse_transform(codes[1].transform(X)), codes[0].inverse_transform(codes[0].transform(X)))
