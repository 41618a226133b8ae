"""Estimators for scikit-learn: networks that are fitted, searched, cross-validated and put into pipelines as its own.

Needs the extra ``sklearn``.
"""

from __future__ import annotations

from ..errors import require

require("sklearn", "sklearn", "tilegrad.sklearn")

from .classifier import NetClassifier  # noqa: E402
from .features import HiddenFeatures  # noqa: E402
from .regressor import NetRegressor  # noqa: E402
from .transformer import NetTransformer  # noqa: E402

__all__ = ["HiddenFeatures", "NetClassifier", "NetRegressor", "NetTransformer"]
