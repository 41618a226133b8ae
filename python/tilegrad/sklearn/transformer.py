"""NetTransformer: an autoencoder's code, as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from .. import _C, nn
from .base import Array, NetEstimator
from .parts import dense_layers, hidden_sizes

__all__ = ["NetTransformer"]


class NetTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NetEstimator):
    """An autoencoder: a network that is trained to give back its input through a few numbers, the code.

    ``transform`` gives the codes of samples, ``inverse_transform`` samples for codes. With no hidden layers and the
    activation ``"identity"`` the codes span what principal components span; hidden layers bend that.

    Parameters
    ----------
    code_size : int
        The numbers that a sample becomes.
    hidden_layer_sizes : int or tuple of int
        The sizes of the dense layers between input and code; those between code and output are the same in reverse.
    encoder : callable, optional
        Makes the encoder instead: called with ``code_size``, returns a :class:`tilegrad.nn.Module` from samples to
        [N, code_size].
    decoder : callable, optional
        Makes the decoder instead: called with the number of features, returns a module from codes to
        [N, features].
    activation, dropout, optimizer, learning_rate, schedule, batch_size, epochs, weight_decay, clip_norm
        As of :class:`NetClassifier`.
    early_stopping, validation_fraction, n_iter_no_change, tol
        As of :class:`NetClassifier`.
    random_state, warm_start, verbose, callbacks, dtype, capture, device
        As of :class:`NetClassifier`.

    Attributes
    ----------
    encoder_, decoder_ : tilegrad.nn.Module
        The halves of ``module_``.
    module_, n_iter_, loss_curve_, validation_loss_curve_, history_, n_features_in_, feature_names_in_
        As of :class:`NetClassifier`; the loss is the mean squared error of what is given back.

    Notes
    -----
    Source: Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.sklearn import NetTransformer
    >>> circle = np.linspace(0, 6, 300)
    >>> X = np.c_[np.cos(circle), np.sin(circle)]
    >>> net = NetTransformer(1, (32,), activation="tanh", learning_rate=0.01, epochs=1000, random_state=0)
    >>> codes = net.fit_transform(X)
    >>> codes.shape, bool(abs(net.inverse_transform(codes) - X).mean() < 0.2)
    ((300, 1), True)
    >>> net.get_feature_names_out()
    array(['nettransformer0'], dtype=object)
    """

    # Features [N, ...] are for estimators with a module; here samples are rows.
    module: None = None

    def __init__(
        self,
        code_size: int = 2,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        encoder: Callable[[int], nn.Module] | None = None,
        decoder: Callable[[int], nn.Module] | None = None,
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
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        callbacks: Sequence[Any] = (),
        dtype: str | None = None,
        capture: bool = True,
        device: str = "cpu",
    ) -> None:
        self.code_size, self.hidden_layer_sizes = code_size, hidden_layer_sizes
        self.encoder, self.decoder = encoder, decoder
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
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _loss(self) -> nn.Module:
        return nn.MSELoss()

    def _layers(self) -> nn.Module:
        if self.dtype == "int64":
            raise _C.ArgumentError(f"{self._name}: dtype must be floating: what is given back are numbers")
        features, code = self._outputs, int(self.code_size)
        sizes = hidden_sizes(self._name, self.hidden_layer_sizes)
        options = (self.activation, self.dropout)
        if self.encoder is None:
            layers = dense_layers(self._name, features, sizes, *options)
            encoder: nn.Module = nn.Sequential(*layers, nn.Linear(sizes[-1] if sizes else features, code))
        else:
            encoder = self.encoder(code)
        if self.decoder is None:
            layers = dense_layers(self._name, code, sizes[::-1], *options)
            decoder: nn.Module = nn.Sequential(*layers, nn.Linear(sizes[0] if sizes else code, features))
        else:
            decoder = self.decoder(features)
        return nn.Sequential({"encoder": encoder, "decoder": decoder})

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> NetTransformer:
        """Train to give back samples.

        Parameters
        ----------
        X
            [N, features].
        y
            Ignored.
        sample_weight
            [N]: what each sample counts, from 0.
        """
        X = self._checked(X, reset=True)
        weight = self._checked_weight(sample_weight, X)
        if not self._goes_on():
            self._start(X, X.shape[1])
        self._n_features_out = int(self.code_size)
        self._fit(X, X, weight)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> NetTransformer:
        """One pass over some more samples, with the weights and the optimizer as the last call left them.

        Parameters
        ----------
        X, y, sample_weight
            As of :meth:`fit`.

        Returns
        -------
        NetTransformer
            Itself.

        Raises
        ------
        ArgumentError
            If ``schedule`` is not ``"constant"``: it needs the number of steps, which only ``fit`` knows.
        ValueError
            If ``X`` has other features than before, the weights do not fit it, or training diverged.
        """
        first = not hasattr(self, "module_")
        X = self._checked(X, reset=first)
        weight = self._checked_weight(sample_weight, X)
        if first:
            self._start(X, X.shape[1])
        self._n_features_out = int(self.code_size)
        self._partial_fit(X, X, weight)
        return self

    @property
    def encoder_(self) -> nn.Module:
        """From samples to codes."""
        check_is_fitted(self, "module_")
        return self.module_.get_submodule("encoder")

    @property
    def decoder_(self) -> nn.Module:
        """From codes to samples."""
        check_is_fitted(self, "module_")
        return self.module_.get_submodule("decoder")

    def transform(self, X: Any) -> Array:
        """The codes of samples.

        Parameters
        ----------
        X
            [N, features], N from 1, without NaN or infinity.

        Returns
        -------
        numpy.ndarray
            [N, code_size], of the dtype of the network, float32 or float64.

        Raises
        ------
        ValueError, sklearn.exceptions.NotFittedError
            As of :meth:`NetClassifier.predict`.
        """
        check_is_fitted(self)
        return self._outputs_of(X, self.encoder_)

    def inverse_transform(self, X: Any) -> Array:
        """The samples that codes stand for.

        Parameters
        ----------
        X
            Codes [N, code_size], N from 1, without NaN or infinity.

        Returns
        -------
        numpy.ndarray
            [N, features], of the dtype of the network, float32 or float64.

        Raises
        ------
        ValueError, sklearn.exceptions.NotFittedError
            As of :meth:`NetClassifier.predict`.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=self._dtype)
        if codes.shape[1] != self._n_features_out:
            raise ValueError(f"inverse_transform: X has {codes.shape[1]} features, codes have {self._n_features_out}")
        return self._apply(self.decoder_, codes)
