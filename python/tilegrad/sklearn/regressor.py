"""NetRegressor: a network that predicts numbers, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sklearn.base import RegressorMixin
from sklearn.utils.validation import column_or_1d

from .. import _C, nn
from .base import Array, NetEstimator

__all__ = ["NetRegressor"]

LOSSES: dict[str, Callable[[], nn.Module]] = {
    "squared_error": nn.MSELoss,
    "absolute_error": nn.L1Loss,
    "huber": nn.HuberLoss,
}


class NetRegressor(RegressorMixin, NetEstimator):
    """A network that predicts one number for each sample, or several.

    Networks learn targets of mean 0 and standard deviation 1 best; scikit-learn's ``TransformedTargetRegressor`` makes
    them so.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of int
        The sizes of the dense layers before the last; ``()`` for linear regression.
    module : callable, optional
        Makes the network instead: called with the number of outputs, returns a :class:`tilegrad.nn.Module` whose
        outputs are [N, outputs]; see :class:`NetClassifier`.
    loss : {"squared_error", "absolute_error", "huber"}
        What is minimised. ``"huber"`` is squared for errors up to 1 and absolute above.
    activation, dropout, optimizer, learning_rate, schedule, batch_size, epochs, weight_decay, clip_norm
        As of :class:`NetClassifier`.
    early_stopping, validation_fraction, n_iter_no_change, tol
        As of :class:`NetClassifier`.
    random_state, warm_start, verbose, callbacks, dtype, capture, device
        As of :class:`NetClassifier`.

    Attributes
    ----------
    module_, n_iter_, loss_curve_, validation_loss_curve_, history_, n_features_in_, feature_names_in_
        As of :class:`NetClassifier`.
    n_outputs_ : int
        The numbers predicted for each sample.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.sklearn import NetRegressor
    >>> X = np.linspace(-3, 3, 200)[:, None]
    >>> net = NetRegressor((32,), activation="tanh", learning_rate=0.02, epochs=500, random_state=0)
    >>> net.fit(X, np.sin(X[:, 0])).score(X, np.sin(X[:, 0])) > 0.99
    True
    """

    n_outputs_: int

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        module: Callable[[int], nn.Module] | None = None,
        *,
        loss: str = "squared_error",
        activation: Any = "relu",
        dropout: float = 0.0,
        optimizer: Any = "adam",
        learning_rate: Any = 0.001,
        schedule: str = "constant",
        batch_size: int | str = "auto",
        epochs: int = 200,
        weight_decay: float = 0.0001,
        clip_norm: float | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = 10,
        tol: float = 0.0001,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        callbacks: Sequence[Any] = (),
        dtype: str | None = None,
        capture: bool = True,
        device: str = "cpu",
    ) -> None:
        self.hidden_layer_sizes, self.module, self.loss = hidden_layer_sizes, module, loss
        self.activation, self.dropout = activation, dropout
        self.optimizer, self.learning_rate, self.schedule = optimizer, learning_rate, schedule
        self.batch_size, self.epochs = batch_size, epochs
        self.weight_decay, self.clip_norm = weight_decay, clip_norm
        self.early_stopping, self.validation_fraction = early_stopping, validation_fraction
        self.n_iter_no_change, self.tol = n_iter_no_change, tol
        self.random_state, self.warm_start, self.verbose = random_state, warm_start, verbose
        self.callbacks, self.dtype, self.capture, self.device = callbacks, dtype, capture, device

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.three_d_array = self.module is not None
        return tags

    def _loss(self) -> nn.Module:
        if self.loss not in LOSSES:
            raise _C.ArgumentError(f"{self._name}: loss must be one of {', '.join(LOSSES)}, found {self.loss!r}")
        return LOSSES[self.loss]()

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetRegressor:
        """Train on samples and their numbers.

        Parameters
        ----------
        X
            [N, features], or [N, ...] where ``module`` is given.
        y
            [N] or [N, outputs].
        sample_weight
            [N]: what each sample counts, from 0.
        """
        X, target, weight = self._checked_all(X, y, sample_weight, reset=True)
        if self._goes_on():
            self._check_outputs(target)
        else:
            self._start(X, target.shape[1])
        self._fit(X, target, weight)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetRegressor:
        """One pass over some more samples, with the weights and the optimizer as the last call left them.

        Parameters
        ----------
        X, y, sample_weight
            As of :meth:`fit`.
        """
        first = not hasattr(self, "module_")
        X, target, weight = self._checked_all(X, y, sample_weight, reset=first)
        if first:
            self._start(X, target.shape[1])
        self._check_outputs(target)
        self._partial_fit(X, target, weight)
        return self

    def _checked_all(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> tuple[Array, Array, Array | None]:
        X, y = self._checked(X, y=y, reset=reset, multi_output=True, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if reset and not self._goes_on():
            self._flat_target, self.n_outputs_ = y.ndim == 1, 1 if y.ndim == 1 else y.shape[1]
        target = y.reshape(len(y), -1).astype(self._dtypes()[1], copy=False)
        return X, target, self._checked_weight(sample_weight, X)

    def _check_outputs(self, target: Array) -> None:
        if target.shape[1] != self._outputs:
            raise ValueError(f"y has {target.shape[1]} outputs, the network was made for {self._outputs}")

    def predict(self, X: Any) -> Array:
        """The numbers of each sample.

        Parameters
        ----------
        X
            As of :meth:`NetClassifier.predict`.

        Returns
        -------
        numpy.ndarray
            [N], or [N, outputs] where the targets were so with more than one; of the dtype of the network, float32 or
            float64.

        Raises
        ------
        ValueError, sklearn.exceptions.NotFittedError
            As of :meth:`NetClassifier.predict`.
        """
        found = self._outputs_of(X)
        return found[:, 0] if self._flat_target else found.reshape(len(found), -1)
