"""The estimators against scikit-learn's own checks, none of which is expected to fail."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

estimator_checks = pytest.importorskip("sklearn.utils.estimator_checks")

from tilegrad import nn  # noqa: E402
from tilegrad.sklearn import HiddenFeatures, NetClassifier, NetRegressor, NetTransformer  # noqa: E402


class Small:
    """A network by a function; its name holds no address, because tests are named after it."""

    def __call__(self, outputs: int) -> nn.Module:
        return nn.Sequential(nn.Linear(None, 32, activation="relu"), nn.Linear(32, outputs))

    def __repr__(self) -> str:
        return "small"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Small)

    def __hash__(self) -> int:
        return 0


small = Small()


ESTIMATORS = [
    NetClassifier(),
    NetRegressor(),
    NetTransformer(),
    HiddenFeatures(NetClassifier(epochs=20, random_state=0)),
    NetClassifier(module=small),
    NetTransformer(1, encoder=small, decoder=small),
    HiddenFeatures(NetRegressor(epochs=20, random_state=0), layer="0"),
]


@estimator_checks.parametrize_with_checks(ESTIMATORS)
def test_check(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        check(estimator)
