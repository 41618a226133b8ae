"""HiddenFeatures: what a hidden layer of a trained network makes of samples, as a scikit-learn transformer."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, MetaEstimatorMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from .. import _C
from ..train.placement import on_host
from .base import Array, NetEstimator
from .classifier import NetClassifier

__all__ = ["HiddenFeatures"]


class HiddenFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, MetaEstimatorMixin, BaseEstimator):
    """The output of a hidden layer of a network that was trained to do something else with it.

    Parameters
    ----------
    estimator : NetClassifier or NetRegressor, optional
        What is trained; by default a :class:`NetClassifier`.
    layer : int or str
        A layer of the network: its place in a Sequential, -2 for the one before the last; or its path, such as
        ``"features.3"``.
    prefit : bool
        Whether ``estimator`` is fitted already and used as it is; otherwise ``fit`` trains a clone.

    Attributes
    ----------
    estimator_
        The fitted estimator.
    n_features_in_, feature_names_in_
        As of every estimator.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.svm import SVC
    >>> from tilegrad.sklearn import HiddenFeatures, NetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> net = NetClassifier((32,), learning_rate=0.01, epochs=20, random_state=0)
    >>> machine = make_pipeline(HiddenFeatures(net), SVC()).fit(X[:1000] / 16, y[:1000])
    >>> bool(machine.score(X[1000:] / 16, y[1000:]) > 0.9)
    True
    """

    estimator_: NetEstimator

    def __init__(self, estimator: Any = None, layer: int | str = -2, prefit: bool = False) -> None:
        self.estimator, self.layer, self.prefit = estimator, layer, prefit

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = not self.prefit
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> HiddenFeatures:
        """Train the estimator, unless it is fitted already.

        Parameters
        ----------
        X, y
            As of the estimator's ``fit``.
        fit_params
            Handed on to it.
        """
        estimator = NetClassifier() if self.estimator is None else self.estimator
        if not isinstance(estimator, NetEstimator):
            raise _C.ArgumentError(
                f"HiddenFeatures: estimator must be one of tilegrad.sklearn, found {type(estimator).__name__}"
            )
        if self.prefit:
            check_is_fitted(estimator)
            self.estimator_ = estimator
        else:
            self.estimator_ = clone(estimator).fit(X, y, **fit_params)
        self.n_features_in_ = self.estimator_.n_features_in_
        if hasattr(self.estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.estimator_.feature_names_in_
        sample = np.zeros((1, *self.estimator_._sample_shape), self.estimator_._dtype)
        self._n_features_out = self._features(sample).shape[1]
        return self

    @property
    def n_iter_(self) -> int:
        """The epochs trained."""
        check_is_fitted(self, "estimator_")
        return self.estimator_.n_iter_

    def transform(self, X: Any) -> Array:
        """The layer's outputs for samples.

        Parameters
        ----------
        X
            As of the estimator's ``predict``.

        Returns
        -------
        numpy.ndarray
            [N, features]: all axes of an output but the first as one. Of the dtype of the network.

        Raises
        ------
        ValueError, sklearn.exceptions.NotFittedError
            As of :meth:`NetClassifier.predict`.
        """
        check_is_fitted(self)
        return self._features(self.estimator_._checked(X))

    def _features(self, X: Array) -> Array:
        model = self.estimator_.module_
        if isinstance(self.layer, str):
            layer = model.get_submodule(self.layer)
        else:
            layers = list(model.children())
            if not -len(layers) <= self.layer < len(layers):
                raise _C.OutOfRangeError(
                    f"HiddenFeatures: layer {self.layer} is out of range: the network has {len(layers)} layers"
                )
            layer = layers[self.layer]
        found: list[Array] = []
        handle = layer.register_forward_hook(lambda module, inputs, output: found.append(on_host(output)))
        try:
            self.estimator_._apply(model, X)
        finally:
            handle.remove()
        features = np.concatenate(found)
        return features.reshape(len(features), -1)
