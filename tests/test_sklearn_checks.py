"""The estimators against scikit-learn's own checks, none of which is expected to fail."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

estimator_checks = pytest.importorskip("sklearn.utils.estimator_checks")

from tilegrad.sklearn import HiddenFeatures, NetClassifier, NetRegressor, NetTransformer  # noqa: E402

ESTIMATORS = [
    NetClassifier(),
    NetRegressor(),
    NetTransformer(),
    HiddenFeatures(NetClassifier(epochs=20, random_state=0)),
]


@estimator_checks.parametrize_with_checks(ESTIMATORS)
def test_check(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        check(estimator)
