"""What the estimators share: a network that is made, trained, applied and pickled."""

from __future__ import annotations

import io
import numbers
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import _C, nn, ops, train
from ..autograd import no_grad
from ..cuda import is_available
from ..data.split import train_validation_split
from ..io import architecture, load, safetensors, save
from ..random import default_generator
from ..train.placement import device_of, on_device, on_host
from .parts import dense_layers, hidden_sizes, make_optimizer, make_rate

__all__ = ["NetEstimator"]

Array = np.ndarray[Any, Any]
_drawing = threading.RLock()


class NetEstimator(BaseEstimator):
    """The base of the estimators; see those for the arguments.

    A derived class says what its network ends in and what it is trained on: ``_loss``, ``_make_module``.
    """

    module_: nn.Module
    loss_curve_: list[float]
    validation_loss_curve_: list[float]
    history_: dict[str, list[float]]
    n_iter_: int
    n_features_in_: int

    _dtype: str
    _sample_shape: tuple[int, ...]
    _outputs: int

    # Training.

    def _start(self, X: Array, outputs: int) -> None:
        """A new network for samples like those of ``X``, untrained."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._random = (seed, 0)
        self._sample_shape = tuple(X.shape[1:])
        self._outputs = outputs
        with self._draws():
            self.module_ = self._make_module()
        self._seed = seed
        self._optimizer_state: Any = None
        self.n_iter_, self.history_ = 0, {}
        self.loss_curve_, self.validation_loss_curve_ = [], []

    def _make_module(self) -> nn.Module:
        """The network of this estimator's arguments, with first weights, built."""
        model = self._layers()
        if not isinstance(model, nn.Module):
            raise _C.ArgumentError(
                f"{self._name}: module must return a tg.nn.Module, found {type(model).__name__}; it is called with the "
                "number of outputs"
            )
        inputs, weights = self._dtypes()
        model.build(self._sample_shape, dtype="float32" if inputs != "int64" else inputs)
        return model.to(weights)

    def _layers(self) -> Any:
        """The network itself: what ``module`` makes, or dense layers."""
        if self.module is not None:
            return self.module(self._outputs)
        features = int(np.prod(self._sample_shape))
        hidden = dense_layers(self._name, features, self.hidden_layer_sizes, self.activation, self.dropout)
        sizes = hidden_sizes(self._name, self.hidden_layer_sizes)
        return nn.Sequential(*hidden, nn.Linear(sizes[-1] if sizes else features, self._outputs))

    def _loss(self) -> nn.Module:
        raise NotImplementedError

    def _train(
        self,
        X: Array,
        y: Array,
        weight: Array | None,
        epochs: int,
        validation: Sequence[Array] | None = None,
        callbacks: Sequence[Any] = (),
    ) -> None:
        """Some passes over samples, whose target is ready for the loss."""
        batch_size = self._batch_size(len(X))
        with self._draws():
            trainer = self.__dict__.get("_trainer") or self._made_trainer(epochs * -(-len(X) // batch_size))
            try:
                history = trainer.fit(
                    (X, y),
                    epochs,
                    batch_size,
                    validation_data=validation,
                    callbacks=[*callbacks, *self.callbacks],
                    seed=(self._seed + self.n_iter_) % 2**63,
                    verbose=int(self.verbose),
                    sample_weight=weight,
                )
            finally:
                self.module_.eval()
        if not all(np.isfinite(on_host(parameter)).all() for parameter in self.module_.parameters()):
            raise ValueError(
                f"{self._name}: training diverged, the weights are not finite: standardise X, lower learning_rate, or "
                "set clip_norm"
            )
        self._optimizer_state = trainer.optimizer.state_dict()
        for name, values in history.items():
            self.history_.setdefault(name, []).extend(values)
        self.n_iter_ = len(self.history_["loss"])
        self.loss_curve_ = self.history_["loss"]
        self.validation_loss_curve_ = self.history_.get("val_loss", [])

    def _made_trainer(self, steps: int) -> train.Trainer:
        """A trainer of the network, whose optimizer goes on from where the last one stopped."""
        rate = make_rate(self._name, self.learning_rate, self.schedule, steps)
        optimizer = make_optimizer(
            self._name, self.optimizer, self.module_.parameters(), rate, self.weight_decay, self.clip_norm
        )
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
        return train.Trainer(self.module_, self._loss(), optimizer, capture=bool(self.capture))

    def _fit(self, X: Array, y: Array, weight: Array | None, stratify: Array | None = None) -> None:
        """All epochs, with early stopping where it is asked for."""
        if isinstance(self.epochs, bool) or not isinstance(self.epochs, numbers.Integral) or self.epochs < 1:
            raise _C.ArgumentError(f"{self._name}: epochs must be a positive integer, found {self.epochs!r}")
        validation: Sequence[Array] | None = None
        if weight is not None:
            # A weight of zero is a sample that is not there.
            kept = weight > 0
            X, y, weight = X[kept], y[kept], weight[kept]
            stratify = None if stratify is None else stratify[kept]
        if self.early_stopping:
            used, validation = self._split((X, y) if weight is None else (X, y, weight), stratify)
            X, y = used[:2]
            weight = None if weight is None else used[2]
        if weight is not None:
            weight = weight / weight.mean(dtype=np.float64)
        stopping = []
        if self.n_iter_no_change is not None:
            stopping.append(
                train.EarlyStopping(
                    monitor="val_loss" if self.early_stopping else "loss",
                    patience=int(self.n_iter_no_change),
                    min_delta=float(self.tol),
                    restore_best=bool(self.early_stopping),
                )
            )
        self._optimizer_state = None
        self.__dict__.pop("_trainer", None)
        self._place()
        self._train(X, y, weight, int(self.epochs), validation, stopping)

    def _split(self, arrays: tuple[Array, ...], stratify: Array | None) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """A part to train on and one to validate with; of each class, where classes are large enough."""
        fraction, samples = float(self.validation_fraction), len(arrays[0])
        if not 0 < fraction < 1:
            raise _C.ArgumentError(f"{self._name}: validation_fraction must be between 0 and 1, found {fraction}")
        used, held_out = train_validation_split(*arrays, fraction=fraction, seed=self._seed, stratify=stratify)
        if not len(held_out[0]):
            used, held_out = train_validation_split(*arrays, fraction=max(fraction, 1 / samples), seed=self._seed)
        if not len(used[0]):
            raise ValueError(
                f"{self._name}: early_stopping holds out {fraction:g} of n_samples = {samples}, which leaves none to "
                "train on"
            )
        return used, held_out

    def _partial_fit(self, X: Array, y: Array, weight: Array | None) -> None:
        """One epoch, with the optimizer of the last one."""
        if self.schedule != "constant":
            raise _C.ArgumentError(
                f"{self._name}.partial_fit: schedule={self.schedule!r} needs the number of steps, which only fit() "
                "knows; give a schedule of tg.optim.schedules as learning_rate"
            )
        if weight is not None:
            kept = weight > 0
            X, y, weight = X[kept], y[kept], weight[kept]
        self._place()
        # It is kept, with what it has recorded, for the next call.
        self._trainer = self.__dict__.get("_trainer") or self._made_trainer(0)
        self._train(X, y, weight, epochs=1)

    def _place(self) -> None:
        """Bring the network to its device. A trainer that was kept is of parameters that are elsewhere then."""
        device = self._checked_device()
        if device_of(self.module_) != device:
            self.module_.to(device)
            self.__dict__.pop("_trainer", None)

    def _checked_device(self) -> str:
        """The name of a device that is there."""
        if not isinstance(self.device, str):
            raise _C.ArgumentError(f"{self._name}: device must be 'cpu', 'cuda' or 'cuda:1', found {self.device!r}")
        found: str = _C.empty((), _C.uint8, self.device, self._name).device
        return found

    def _batch_size(self, samples: int) -> int:
        if self.batch_size == "auto":
            return min(200, samples)
        is_whole = isinstance(self.batch_size, numbers.Integral) and not isinstance(self.batch_size, bool)
        if not is_whole or self.batch_size < 1:
            raise _C.ArgumentError(
                f"{self._name}: batch_size must be a positive integer or 'auto', found {self.batch_size!r}"
            )
        return min(int(self.batch_size), samples)

    @contextmanager
    def _draws(self) -> Iterator[None]:
        """Inside, random numbers are this estimator's own; those of the program go on as if nothing had been drawn."""
        with _drawing:
            before = default_generator.state()
            default_generator.set_state(self._random)
            try:
                yield
            finally:
                self._random = default_generator.state()
                default_generator.set_state(before)

    # Input.

    def _goes_on(self) -> bool:
        """Whether the next fit starts from the weights of the last one."""
        return bool(self.warm_start) and hasattr(self, "module_")

    def _dtypes(self) -> tuple[str, str]:
        """The dtype of inputs, and that of weights and targets."""
        found: str = self._dtype
        return found, "float32" if found == "int64" else found

    def _checked(self, X: Any, reset: bool = False, **more: Any) -> Any:
        """``X``, with ``y`` if it is among ``more``, as arrays of the dtype that the network takes."""
        if reset:
            self._checked_device()
        reset = reset and not self._goes_on()
        if reset and self.dtype not in (None, "float32", "float64", "int64"):
            raise _C.ArgumentError(
                f"{self._name}: dtype must be None, 'float32', 'float64' or 'int64', found {self.dtype!r}"
            )
        wanted: Any = [np.float64, np.float32] if self.dtype is None else [self.dtype]
        if not reset:
            wanted = [self._dtype]
        options = {"reset": reset, "dtype": wanted, "allow_nd": self.module is not None, **more}
        found = validate_data(self, X, **options)
        inputs = found[0] if "y" in more else found
        if reset:
            self._dtype = inputs.dtype.name
        elif inputs.ndim > 2 and inputs.shape[1:] != self._sample_shape:
            found_shape, expected = list(inputs.shape[1:]), list(self._sample_shape)
            raise ValueError(f"X has samples of shape {found_shape}, but {self._name} is expecting {expected}")
        return found

    def _checked_weight(self, sample_weight: Any, X: Array) -> Array | None:
        """Weights of samples, or None where there are none."""
        if sample_weight is None:
            return None
        dtype = self._dtypes()[1]
        weight: Array = _check_sample_weight(sample_weight, X, dtype=np.dtype(dtype), ensure_non_negative=True)
        if not weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return weight

    # Output.

    def _outputs_of(self, X: Any, module: nn.Module | None = None) -> Array:
        """What the network, or a part of it, gives for samples."""
        check_is_fitted(self)
        return self._apply(self.module_ if module is None else module, self._checked(X))

    @staticmethod
    def _apply(module: nn.Module, X: Array, batch_size: int = 1024) -> Array:
        device = device_of(module)
        with no_grad():
            parts = [
                on_host(module(on_device(ops.tensor(X[first : first + batch_size]), device)))
                for first in range(0, len(X), batch_size)
            ]
        return np.concatenate(parts)

    @property
    def _name(self) -> str:
        return type(self).__name__

    # Pickling: the network as the bytes of a model file.

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_trainer", None)
        if "module_" in state:
            state["module_"] = _model_bytes(state["module_"])
            if state["_optimizer_state"] is not None:
                state["_optimizer_state"] = _optimizer_bytes(state["_optimizer_state"])
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        found = dict(state)
        content, optimizer = found.pop("module_", None), found.pop("_optimizer_state", None)
        super().__setstate__(found)
        if content is None:
            return
        file = io.BytesIO(content["bytes"])
        if content["complete"]:
            self.module_ = load(file)
        else:
            random = self._random
            with self._draws():
                model = self._make_module()
            self._random = random  # first weights are replaced: what was drawn for them counts nothing
            self.module_ = load(file, into=model).eval()
        self._optimizer_state = None if optimizer is None else _optimizer_state(optimizer)
        if self.device != "cpu" and is_available():  # what was trained on a GPU is read without one too
            self.module_.to(self.device)


def _model_bytes(model: nn.Module) -> dict[str, Any]:
    """A model file's bytes, and whether it tells how to make the model; otherwise ``module`` does."""
    file = io.BytesIO()
    try:
        architecture.encode(model)
    except architecture.NotDescribableError:
        return {"complete": False, "bytes": b"".join(safetensors.layout(model.state_dict(), {}))}
    save(model, file)
    return {"complete": True, "bytes": file.getvalue()}


def _optimizer_bytes(state: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as they are, tensors as a safetensors file."""
    return {**state, "state": b"".join(safetensors.layout(state["state"], {}))}


def _optimizer_state(saved: Mapping[str, Any]) -> dict[str, Any]:
    return {**saved, "state": safetensors.read(io.BytesIO(saved["state"]))[0]}
