"""NetClassifier: a network that tells classes apart, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d

from .. import _C, nn, ops
from .base import Array, NetEstimator

__all__ = ["NetClassifier"]


class NetClassifier(ClassifierMixin, NetEstimator):
    """A network that tells two or more classes apart, or for several labels whether each is there.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of int
        The sizes of the dense layers before the last; ``()`` for softmax regression.
    module : callable, optional
        Makes the network instead: called with the number of outputs, returns a :class:`tilegrad.nn.Module` whose
        outputs [N, outputs] are logits. Sizes that it leaves out are inferred from ``X``, which may then have any shape
        [N, ...]: ``NetClassifier(tg.models.lenet5)`` takes images.
    activation : str or callable
        ``"relu"``, ``"tanh"``, ``"sigmoid"``, ``"gelu"``, ``"elu"``, ``"silu"``, ``"selu"``, ``"leaky_relu"``,
        ``"mish"``, ``"softplus"``, ``"hard_swish"``, ``"identity"``, or the class of a layer; of the dense layers.
    dropout : float
        After each hidden layer, from 0 to below 1.
    optimizer : str or callable
        ``"adam"``, ``"adamw"``, ``"sgd"`` (with Nesterov's momentum 0.9), ``"nadam"``, ``"rmsprop"``, ``"adagrad"``,
        ``"adadelta"``, ``"lamb"``, or what is called as such a class is.
    learning_rate : float or schedule
        A number, or a schedule of :mod:`tilegrad.optim.schedules`.
    schedule : {"constant", "cosine", "one_cycle"}
        What becomes of a number over the steps of a fit: ``"cosine"`` goes to 0, ``"one_cycle"`` rises to it first.
    batch_size : int or "auto"
        Samples in a step; ``"auto"`` is 200, or all if they are fewer.
    epochs : int
        The most passes over the data.
    weight_decay : float
        The factor of the L2 penalty, as the optimizer takes it.
    clip_norm : float, optional
        What the norm of the gradients is limited to.
    early_stopping : bool
        Whether a part of the data is held out, training ends when its loss falls no more, and the weights of the best
        epoch are kept. Otherwise training ends when the loss on the training data falls no more.
    validation_fraction : float
        What is held out, with the share of each class.
    n_iter_no_change : int or None
        For how many epochs the loss may fail to fall by ``tol``; None never to stop early.
    tol : float
        See there.
    class_weight : dict, "balanced" or None
        The weight of each class in the loss; ``"balanced"`` for the inverse of its share.
    label_smoothing : float
        From 0 to 1: what part of the target is spread over all classes; of several labels, over each one's being there
        or not.
    random_state : int, RandomState or None
        Of the first weights, the shuffles, the dropout and the held-out part. Random numbers elsewhere in the program
        are not touched.
    warm_start : bool
        Whether ``fit`` goes on from the weights of the last fit.
    verbose : int
        0, 1 or 2, as of :meth:`tilegrad.train.Trainer.fit`.
    callbacks : sequence of tilegrad.train.Callback
        Called during training.
    dtype : {None, "float32", "float64", "int64"}
        What ``X`` becomes. None leaves float32 as it is and computes all else in float64, as scikit-learn does; float32
        is about twice as fast. ``"int64"`` is for networks that begin with an embedding.
    capture : bool
        Whether steps are recorded and replayed (:func:`tilegrad.capture`); False for modules that look at values.
    device : {"cpu", "cuda", "cuda:1", ...}
        Where the network is trained and predicts; arrays go there and come back. A GPU that is not there is a
        DeviceError of ``fit`` that says why.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.
    module_ : tilegrad.nn.Module
        The trained network.
    n_iter_ : int
        The epochs trained.
    loss_curve_, validation_loss_curve_ : list of float
        The loss of each epoch, on the training data and on what was held out.
    history_ : dict
        All that was measured in each epoch.
    n_features_in_, feature_names_in_
        As of every estimator.

    Notes
    -----
    The same ``random_state`` gives the same bits for any number of threads and on every instruction set. A fitted
    estimator may be pickled: its network is in there as the bytes of a model file.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from tilegrad.sklearn import NetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = NetClassifier((16,), learning_rate=0.02, epochs=200, random_state=0)
    >>> bool(cross_val_score(make_pipeline(StandardScaler(), net), X, y).mean() > 0.93)
    True
    """

    classes_: Array
    _multilabel: bool

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        module: Callable[[int], nn.Module] | None = None,
        *,
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
        class_weight: Any = None,
        label_smoothing: float = 0.0,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        callbacks: Sequence[Any] = (),
        dtype: str | None = None,
        capture: bool = True,
        device: str = "cpu",
    ) -> None:
        self.hidden_layer_sizes, self.module = hidden_layer_sizes, module
        self.activation, self.dropout = activation, dropout
        self.optimizer, self.learning_rate, self.schedule = optimizer, learning_rate, schedule
        self.batch_size, self.epochs = batch_size, epochs
        self.weight_decay, self.clip_norm = weight_decay, clip_norm
        self.early_stopping, self.validation_fraction = early_stopping, validation_fraction
        self.n_iter_no_change, self.tol = n_iter_no_change, tol
        self.class_weight, self.label_smoothing = class_weight, label_smoothing
        self.random_state, self.warm_start, self.verbose = random_state, warm_start, verbose
        self.callbacks, self.dtype, self.capture, self.device = callbacks, dtype, capture, device

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.input_tags.three_d_array = self.module is not None
        return tags

    def _loss(self) -> nn.Module:
        if self._multilabel:
            return nn.BCEWithLogitsLoss()
        return nn.CrossEntropyLoss(label_smoothing=float(self.label_smoothing))

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetClassifier:
        """Train on samples and their labels.

        Parameters
        ----------
        X
            [N, features], or [N, ...] where ``module`` is given.
        y
            [N]: labels of any kind; or [N, labels]: zeros and ones.
        sample_weight
            [N]: what each sample counts, from 0.

        Raises
        ------
        ValueError
            If the data or an argument do not fit, or training diverged.
        """
        X, y = self._checked(X, y=y, reset=True, multi_output=True)
        y = self._column(y)
        check_classification_targets(y)
        weight = self._checked_weight(sample_weight, X)
        multilabel = type_of_target(y).startswith("multilabel")
        classes = np.arange(y.shape[1]) if multilabel else np.unique(y)
        if self._goes_on():
            if multilabel != self._multilabel or not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f"warm_start: y has the classes {list(classes)}, the network was trained for {list(self.classes_)}"
                )
        else:
            self.classes_, self._multilabel = classes, multilabel
            self._start(X, len(classes))
        target = self._target(y)
        self._fit(X, target, self._with_class_weight(weight, y), stratify=None if self._multilabel else target)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> NetClassifier:
        """One pass over some more samples, with the weights and the optimizer as the last call left them.

        Parameters
        ----------
        X, y, sample_weight
            As of :meth:`fit`.
        classes
            All labels that will come; needed in the first call.
        """
        first = not hasattr(self, "module_")
        X, y = self._checked(X, y=y, reset=first, multi_output=True)
        y = self._column(y)
        check_classification_targets(y)
        weight = self._checked_weight(sample_weight, X)
        if first:
            self._multilabel = type_of_target(y).startswith("multilabel")
        _check_partial_fit_first_call(self, classes)
        if first:
            self._start(X, len(self.classes_))
        target = self._target(y)
        self._partial_fit(X, target, self._with_class_weight(weight, y))
        return self

    @staticmethod
    def _column(y: Array) -> Array:
        """Labels [N, 1] as [N], with scikit-learn's warning."""
        return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _target(self, y: Array) -> Array:
        """What the loss compares with: the places of labels in ``classes_``, or zeros and ones."""
        if self._multilabel:
            if y.ndim != 2 or y.shape[1] != len(self.classes_):
                raise ValueError(f"y must be [N, {len(self.classes_)}], found {list(y.shape)}")
            smoothing = float(self.label_smoothing)
            if not 0 <= smoothing <= 1:
                raise _C.ArgumentError(
                    f"{self._name}: label_smoothing must be from 0 to 1, found {self.label_smoothing!r}"
                )
            target: Array = (y * (1 - smoothing) + smoothing / 2).astype(self._dtypes()[1])
            return target
        places = np.searchsorted(self.classes_, y)
        places[places == len(self.classes_)] = 0
        unknown = self.classes_[places] != y
        if unknown.any():
            raise ValueError(
                f"y has the labels {list(np.unique(y[unknown]))}, which are none of the classes {list(self.classes_)}"
            )
        return places.astype(np.int64)

    def _with_class_weight(self, weight: Array | None, y: Array) -> Array | None:
        """Weights of samples times those of their classes."""
        if self.class_weight is None:
            return weight
        by_class = compute_sample_weight(self.class_weight, y).astype(self._dtypes()[1])
        return by_class if weight is None else weight * by_class

    def decision_function(self, X: Any) -> Array:
        """What the network gives for samples: logits.

        Parameters
        ----------
        X
            As of :meth:`predict`.

        Returns
        -------
        numpy.ndarray
            [N, classes] in the order of ``classes_``, or [N, labels]; for two classes [N], the second's logit less the
            first's: positive where the second is the likelier. Of the dtype of the network, float32 or float64.
        """
        logits = self._outputs_of(X)
        return logits[:, 1] - logits[:, 0] if not self._multilabel and logits.shape[1] == 2 else logits

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, or of each label being there.

        Parameters
        ----------
        X
            As of :meth:`predict`.

        Returns
        -------
        numpy.ndarray
            [N, classes] in the order of ``classes_``, with rows that sum to 1; or [N, labels], each from 0 to 1. Of the
            dtype of the network, float32 or float64.
        """
        logits = ops.tensor(self._outputs_of(X))
        found: Array = (ops.sigmoid(logits) if self._multilabel else ops.softmax(logits)).numpy()
        return found

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of :meth:`predict_proba`, without its loss of digits.

        Parameters
        ----------
        X
            As of :meth:`predict`.

        Returns
        -------
        numpy.ndarray
            As of :meth:`predict_proba`, up to 0.
        """
        logits = ops.tensor(self._outputs_of(X))
        found: Array = (ops.log_sigmoid(logits) if self._multilabel else ops.log_softmax(logits)).numpy()
        return found

    def predict(self, X: Any) -> Array:
        """The likeliest label of each sample, or for each label whether it is there.

        Parameters
        ----------
        X
            [N, features], or [N, ...] where ``module`` is given; N from 1, the other axes as those of ``fit``, and no
            NaN or infinity.

        Returns
        -------
        numpy.ndarray
            [N], of ``classes_``; or int64 [N, labels], 1 where the label's probability is above 1/2, else 0.

        Raises
        ------
        ValueError
            If ``X`` is something else.
        sklearn.exceptions.NotFittedError
            If nothing has been fitted yet.
        """
        check_is_fitted(self)
        logits = self._outputs_of(X)
        if self._multilabel:
            return (logits > 0).astype(np.int64)
        return self.classes_[logits.argmax(axis=1)]
